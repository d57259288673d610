"""``yolo-edge doctor`` prints what it found, and exits with 6 when a check failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import yolo_edge
from tests.commands import run_command
from tests.publication import forgetful
from yolo_edge.errors import NetworkError
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.store import open_store

SECRET = "a-secret-that-nobody-may-print"


@pytest.fixture
def stand_in() -> Iterator[forgetful.Service]:
    pytest.importorskip("boto3", reason="the extra s3 is not installed")
    with forgetful.running(forgetful.Service()) as running:
        yield running


def settings(stand_in: forgetful.Service, tmp_path: Path) -> dict[str, str]:
    """The environment of a command: settings of boto3, and none of this machine's."""
    nothing = str(tmp_path / "no-such-file")
    return {
        "AWS_ACCESS_KEY_ID": "TESTKEY",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_ENDPOINT_URL_S3": stand_in.endpoint,
        "NO_PROXY": "127.0.0.1",
        "YOLO_EDGE_STORE": "s3://models/site",
    }


def test_folder_and_its_site(tmp_path: Path):
    with serve_store(open_store(str(tmp_path / "site"))) as url:
        done = run_command("doctor", "--store", tmp_path / "site", "--url", url, "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["passed"]
    assert document["store"] == (tmp_path / "site").as_uri() and document["url"] == url
    assert {check["status"] for check in document["checks"]} == {"ok", "skipped"}
    assert {"name": "cached .json", "status": "ok", "found": "MISS → HIT", "advice": None} in document["checks"]


def test_folder_alone_tells_in_one_line_what_needs_a_server(tmp_path: Path):
    done = run_command("doctor", "--store", tmp_path / "site", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stdout and "public read" not in done.stdout and "checksum" not in done.stdout
    table, _, rest = done.stdout.partition("\n\n19 more checks need a server: ")
    assert rest == "the doctor makes 6 with --store s3://bucket/prefix, 13 with --url https://site\n"
    assert [line.split("  ")[0] for line in table.splitlines()[-4:]] == ["check", "rights", "headers", "cleaning up"]


def test_json_of_a_folder_alone_has_every_check(tmp_path: Path):
    done = run_command("doctor", "--store", tmp_path / "site", "--json", cwd=tmp_path)
    found = [check["found"] for check in json.loads(done.stdout)["checks"] if check["status"] == "skipped"]
    assert len(json.loads(done.stdout)["checks"]) == 22
    assert found.count("the store is a folder, not a service") == 6 and found.count("no --url was given") == 13


def test_folder_whose_site_is_not_reached(tmp_path: Path):
    with serve_store(open_store(str(tmp_path / "site"))) as url:
        pass
    done = run_command("doctor", "--store", tmp_path / "site", "--url", url, cwd=tmp_path)
    assert done.returncode == 6
    assert "the site was not reached" in done.stdout, "a check that something wrong took away is shown"
    assert "6 more checks need a server: the doctor makes 6 with --store s3://bucket/prefix\n" in done.stdout


def test_bucket_that_is_fine(stand_in: forgetful.Service, tmp_path: Path):
    done = run_command("doctor", cwd=tmp_path, **settings(stand_in, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "s3://models/site" in done.stdout and "not looked at" in done.stdout
    assert "what to do" not in done.stdout and "create only" in done.stdout
    assert done.stdout.endswith("13 more checks need a server: the doctor makes 13 with --url https://site\n")
    assert "Examining s3://models/site" in done.stderr


def test_bucket_that_is_not(stand_in: forgetful.Service, tmp_path: Path):
    stand_in.honours = {"If-Match", "checksum"}
    stand_in.lets_strangers = {"LIST"}
    done = run_command("doctor", cwd=tmp_path, **settings(stand_in, tmp_path))
    assert done.returncode == 6
    assert "FAILED" in done.stdout and "what to do" in done.stdout and "aws/bucket-policy.json" in done.stdout
    assert "2 of 22 checks failed: strangers list, create only" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_verb(stand_in: forgetful.Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in settings(stand_in, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    result = yolo_edge.doctor("s3://models", endpoint_url=stand_in.endpoint)
    assert result.passed and len(result.checks) == 22
    result.raise_if_failed()
    stand_in.refuses = {"PUT"}
    with pytest.raises(NetworkError, match="1 of 22 checks failed: rights"):
        yolo_edge.doctor("s3://models", endpoint_url=stand_in.endpoint).raise_if_failed()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--store"),
        (["--store", "gs://bucket"], "no kind of store"),
        (["--store", "site", "--url", "cdn.example"], "cdn.example is not an http or https address"),
        (["--store", "site", "--endpoint-url", "https://host"], "no endpoint"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], told: str):
    done = run_command("doctor", *arguments, cwd=tmp_path, YOLO_EDGE_STORE="")
    assert done.returncode == 2 and told in done.stderr
    assert list(tmp_path.iterdir()) == []
