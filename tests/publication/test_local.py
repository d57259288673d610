"""What is particular to a folder: what lies in it, other processes, crashes, ``_headers``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.errors import ConflictError, InputError, OutputError, UsageError
from yolo_edge.publication import local
from yolo_edge.publication.hosting import MOST_RULES
from yolo_edge.publication.local import LocalStore
from yolo_edge.publication.store import Headers, open_store

PLAIN = Headers("application/octet-stream")
JSON = Headers("application/json", "no-cache", "br")


@pytest.fixture
def folder(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "site")


def files_of(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_folder_holds_the_objects_and_nothing_else(folder: LocalStore, tmp_path: Path):
    folder.put_once("a/b.json", b"data", JSON)
    folder.put_once("c", b"data", PLAIN)
    assert files_of(tmp_path / "site") == ["a/b.json", "c"]
    assert (tmp_path / "site" / "a" / "b.json").read_bytes() == b"data"


def test_deleting_leaves_no_empty_directories(folder: LocalStore, tmp_path: Path):
    folder.put_once("a/b/c.json", b"data", JSON)
    folder.put_once("a/d", b"data", PLAIN)
    folder.delete("a/b/c.json")
    assert sorted(path.name for path in (tmp_path / "site").rglob("*")) == ["a", "d"]


def test_more_objects_than_fit_a_page_of_s3(folder: LocalStore, tmp_path: Path):
    for number in range(1100):
        path = tmp_path / "site" / f"d{number % 3}" / f"k{number:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert len(list(folder.list())) == 1100
    assert len(list(folder.list("d1/k0"))) == 333


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for address in (str(tmp_path / "a b"), (tmp_path / "a b").as_uri(), "a b", f"file://localhost{tmp_path}/a%20b"):
        store = open_store(address)
        assert store.address == (tmp_path / "a b").as_uri()
        store.put_once("k", b"data", PLAIN)
    assert files_of(tmp_path / "a b") == ["k"]


@pytest.mark.parametrize("address", ["file://", "file:///", "file://host/a", "/", "file:///a?b"])
def test_addresses_that_are_no_folder(address: str):
    with pytest.raises(UsageError):
        open_store(address)


@pytest.mark.parametrize(
    "address", ["s3:/bucket/a", "s3:bucket", "s3//bucket", "S3/bucket", "gs:/b", "http:/host", "file:/a"]
)
def test_address_that_lost_a_slash_is_no_folder(address: str):
    with pytest.raises(UsageError) as caught:
        open_store(address)
    assert caught.value.fix is not None and "Did you mean s3://bucket/prefix?" in caught.value.fix


def test_folder_that_is_named_like_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for address in ("./s3/site", "s3-site", "s3"):
        assert open_store(address).address == (tmp_path / address).as_uri()


def test_folder_has_no_endpoint(tmp_path: Path):
    with pytest.raises(UsageError, match="no endpoint"):
        open_store(str(tmp_path), endpoint_url="https://host")


def test_file_of_other_making_is_an_object_without_known_headers(folder: LocalStore, tmp_path: Path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a").write_bytes(b"data")
    assert folder.head("a").headers == PLAIN
    with pytest.raises(ConflictError, match="Content-Encoding"):
        folder.put_once("a", b"data", JSON)


_ADVANCE = """
import json, sys
from yolo_edge.errors import ConflictError
from yolo_edge.publication.store import Headers, open_store
store = open_store(sys.argv[1])
for number in range(10):
    while True:
        data, found = store.get("counter")
        count = json.loads(data)["count"] + 1
        try:
            document = {"count": count, "by": [sys.argv[2], number]}
            store.swap("counter", json.dumps(document).encode(), found.headers, found.etag)
            break
        except ConflictError:
            pass
"""


def test_processes_keep_out_of_each_others_way(folder: LocalStore, tmp_path: Path):
    folder.put_once("counter", b'{"count": 0}', JSON)
    workers = [subprocess.Popen([sys.executable, "-c", _ADVANCE, str(tmp_path / "site"), name]) for name in "abc"]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    data, found = folder.get("counter")
    assert b'"count": 30' in data
    assert found.headers == JSON


@pytest.mark.parametrize("crashes", [1, 2])
def test_crash_inside_a_swap_leaves_the_old_object_whole(
    folder: LocalStore, monkeypatch: pytest.MonkeyPatch, crashes: int
):
    first = folder.put_once("a", b"old", JSON)
    genuine = local._replace

    def crash_at_the_object(target: Path, data: bytes) -> None:
        if target.name == "a":
            raise KeyboardInterrupt
        genuine(target, data)

    with monkeypatch.context() as patch:
        patch.setattr(local, "_replace", crash_at_the_object)
        for number in range(crashes):
            with pytest.raises(KeyboardInterrupt):
                folder.swap("a", f"new {number}".encode(), PLAIN, first.etag)
    data, found = folder.get("a")
    assert (data, found.headers, found.etag) == (b"old", JSON, first.etag)
    assert folder.swap("a", b"new", PLAIN, first.etag).written


def test_damaged_record_is_told(folder: LocalStore, tmp_path: Path):
    folder.put_once("a", b"data", JSON)
    record = next((tmp_path / ".site.yolo-edge").rglob("a@*"))
    record.write_text("[1]")
    with pytest.raises(InputError, match="headers of a"):
        folder.head("a")


def test_folder_that_may_not_be_written(unwritable: Path):
    with pytest.raises(OutputError, match="cannot be written"):
        LocalStore(unwritable / "site").put_once("a", b"data", PLAIN)


def test_full_disk_leaves_the_folder_as_it_was(small_disk: Path):
    store = LocalStore(small_disk / "site")
    store.put_once("a", b"data", PLAIN)
    with pytest.raises(OutputError, match="full"):
        store.put_once("b", bytes(2 << 20), PLAIN)
    assert files_of(small_disk / "site") == ["a"]


def test_file_where_a_folder_is_needed(folder: LocalStore):
    folder.put_once("a", b"data", PLAIN)
    assert folder.get("a/b") is None
    with pytest.raises(OutputError):
        folder.put_once("a/b", b"data", PLAIN)


def test_headers_file_for_hosts(folder: LocalStore, tmp_path: Path):
    folder.put_once("models/a.json", b"data", JSON)
    folder.put_once("models/b.bin", b"data", Headers("application/octet-stream", "no-store"))
    (tmp_path / "site" / "index.html").write_text("a page of somebody's own")
    written = folder.write_headers_file()
    assert written == tmp_path / "site" / "_headers"
    assert written.read_text() == (
        "/models/*\n  Access-Control-Allow-Origin: *\n  X-Content-Type-Options: nosniff\n"
        "/models/*.bin\n  Content-Type: application/octet-stream\n"
        "/models/*.json\n  Content-Type: application/json\n  Content-Encoding: br\n"
        "/models/a.json\n  Cache-Control: no-cache\n/models/b.bin\n  Cache-Control: no-store\n"
    )
    assert [item.key for item in folder.list()] == ["index.html", "models/a.json", "models/b.bin"]
    folder.delete("models/a.json")
    assert ".json" not in folder.write_headers_file().read_text()
    with pytest.raises(UsageError, match="_headers"):
        folder.put_once("_headers", b"", PLAIN)


def test_more_rules_than_a_host_reads_are_told(folder: LocalStore, capsys: pytest.CaptureFixture[str]):
    for number in range(MOST_RULES):
        folder.put_once(f"elsewhere/{number}.json", b"data", JSON)
    with reporting_to(TerminalReporter()):
        folder.settle()
        assert capsys.readouterr().err == ""
        folder.put_once("elsewhere/one-more.json", b"data", JSON)
        folder.settle()
    said = " ".join(capsys.readouterr().err.split())
    assert "_headers has 101 rules, and Cloudflare Pages reads the first 100" in said
    assert "browsers cannot load" in said and "--precompress" in said and "retire" in said
