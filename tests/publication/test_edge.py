"""The edge on the loopback serves a store as a CDN would."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import brotli
import pytest

from tests.publication.web import Answer, ask
from yolo_edge.errors import NetworkError, UsageError
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.negotiation import accepts_brotli, cache_seconds, names_etag
from yolo_edge.publication.store import Headers, Store, open_store

IMMUTABLE = "public, max-age=31536000, immutable"
BRIEF = "public, max-age=30, s-maxage=10, stale-while-revalidate=60, stale-if-error=86400"
SHARD = bytes(range(256)) * 400
MODEL = b'{"format": "graph-model"}' * 100
BIN, JSON, CHANNEL = "models/a/1.0.0/x/group1.bin", "models/a/1.0.0/x/model.json", "models/a/channels/stable.json"
OUTSIDE = "private/key.json"


@pytest.fixture
def filled(store: Store) -> Store:
    store.put_once(BIN, brotli.compress(SHARD), Headers("application/octet-stream", IMMUTABLE, "br"))
    store.put_once(JSON, MODEL, Headers("application/json", IMMUTABLE))
    store.put_once(CHANNEL, b'{"seq": 1}', Headers("application/json", BRIEF))
    store.put_once(OUTSIDE, b"{}", Headers("application/json"))
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "site"))
    store.put_once(JSON, MODEL, Headers("application/json", IMMUTABLE))
    store.put_once(CHANNEL, b'{"seq": 1}', Headers("application/json", BRIEF))
    return store


@pytest.fixture
def edge(folder: Store) -> Iterator[str]:
    with serve_store(folder) as base:
        yield base


def test_objects_arrive_with_what_they_are_served_with(filled: Store):
    with serve_store(filled) as base:
        shard, model, channel = (ask(base + key, Accept_Encoding="gzip, br") for key in (BIN, JSON, CHANNEL))
        plain = ask(base + BIN), ask(base + JSON)
        assert ask(base + OUTSIDE).status == 404, "only models/ is served"
    assert shard.body == filled.get(BIN)[0], "what is stored as Brotli passes through"
    assert shard.headers["content-encoding"] == "br" and shard.headers["content-type"] == "application/octet-stream"
    assert shard.headers["cache-control"] == IMMUTABLE and channel.headers["cache-control"] == BRIEF
    assert model.headers["content-encoding"] == "br" and model.decoded == MODEL and len(model.body) < len(MODEL) / 10
    assert [answer.body for answer in plain] == [SHARD, MODEL], "clients without Brotli get plain bytes"
    assert not any("content-encoding" in answer.headers for answer in plain)
    assert {answer.headers["vary"] for answer in (shard, model, *plain)} == {"Accept-Encoding"}


def test_raw_shards_are_not_compressed(folder: Store):
    folder.put_once(BIN, SHARD, Headers("application/octet-stream", IMMUTABLE))
    with serve_store(folder) as base:
        answer = ask(base + BIN, Accept_Encoding="br")
    assert answer.body == SHARD and "content-encoding" not in answer.headers


@pytest.mark.parametrize("origin", [None, "https://app.example", "null"])
@pytest.mark.parametrize("path", [JSON, "models/a/none.json", "index.html"])
def test_every_answer_lets_other_origins_read(edge: str, origin: str | None, path: str):
    answer = ask(edge + path, **({"Origin": origin} if origin else {}))
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_preflight(edge: str):
    answer = ask(edge + JSON, "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="GET")
    assert answer.status == 204 and answer.body == b""
    assert "GET" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "*"


def test_head_tells_what_get_sends(edge: str):
    got, told = ask(edge + JSON, Accept_Encoding="br"), ask(edge + JSON, "HEAD", Accept_Encoding="br")
    assert told.status == 200 and told.body == b""
    for name in ("content-length", "content-encoding", "etag", "cache-control"):
        assert told.headers[name] == got.headers[name]


def test_unchanged_objects_are_not_sent_again(edge: str):
    first = ask(edge + JSON, Accept_Encoding="br")
    again = ask(edge + JSON, Accept_Encoding="br", If_None_Match=f'"other", W/{first.headers["etag"]}')
    assert again.status == 304 and again.body == b""
    assert again.headers["etag"] == first.headers["etag"] and again.headers["cache-control"] == IMMUTABLE
    assert again.headers["access-control-allow-origin"] == "*"
    assert ask(edge + JSON, If_None_Match=first.headers["etag"]).status == 200, "the other encoding has another tag"


@pytest.mark.parametrize(
    "path",
    ["models/none.json", "models/", "models", "", "models/../secret", "models/%2e%2e/a", "models//a", "models/.hidden"],
)
def test_what_is_not_there_is_told_in_plain_text(edge: str, path: str):
    answer = ask(edge + path)
    assert answer.status == 404 and answer.body == b"not found\n"
    assert answer.headers["content-type"].startswith("text/plain") and answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_can_be_written(edge: str, folder: Store, method: str):
    answer = ask(edge + JSON, method, b"evil")
    assert answer.status == 405 and answer.body == b"read only\n"
    assert folder.get(JSON)[0] == MODEL


class Counted:
    """A store that counts what is asked of it, and can be out of order."""

    def __init__(self, store: Store) -> None:
        self.store, self.asked, self.is_broken = store, [], False

    def get(self, key: str) -> object:
        self.asked.append(key)
        if self.is_broken:
            raise NetworkError("out of order")
        return self.store.get(key)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [1000.0]
    monkeypatch.setattr("yolo_edge.publication.edge.time.monotonic", lambda: moment[0])
    return moment


def test_immutable_objects_are_kept_and_channels_for_seconds(folder: Store, clock: list[float]):
    counted = Counted(folder)

    def get(key: str) -> Answer:
        return ask(base + key)

    with serve_store(counted) as base:
        assert [get(JSON).headers["x-cache"] for _ in range(3)] == ["MISS", "HIT", "HIT"]
        assert get(CHANNEL).body == b'{"seq": 1}'
        folder.swap(CHANNEL, b'{"seq": 2}', Headers("application/json", BRIEF), folder.head(CHANNEL).etag)
        clock[0] += 9
        assert get(CHANNEL).body == b'{"seq": 1}' and get(CHANNEL).headers["age"] == "9", "s-maxage=10"
        clock[0] += 2
        assert get(CHANNEL).body == b'{"seq": 2}'
        clock[0] += 1e6
        assert get(JSON).headers["x-cache"] == "HIT"
        assert counted.asked == [JSON, CHANNEL, CHANNEL]


def test_store_that_fails(folder: Store, clock: list[float]):
    counted = Counted(folder)
    with serve_store(counted) as base:
        ask(base + CHANNEL)
        counted.is_broken = True
        clock[0] += 3600
        stale, other = ask(base + CHANNEL), ask(base + JSON)
        clock[0] += 86400
        late = ask(base + CHANNEL)
    assert stale.status == 200 and stale.headers["x-cache"] == "STALE", "stale-if-error=86400"
    assert other.status == late.status == 502 and other.body == b"the store does not answer\n"


def test_memory_is_bounded(folder: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("yolo_edge.publication.edge.MEMORY_BYTES", 2500)
    for name in "abc":
        folder.put_once(f"models/{name}.bin", bytes(1000), Headers("application/octet-stream", IMMUTABLE))
    with serve_store(folder) as base:
        asked = [ask(f"{base}models/{name}.bin").headers["x-cache"] for name in "abcbca"]
    assert asked == ["MISS", "MISS", "MISS", "HIT", "HIT", "MISS"], "the longest unused went"


def test_page_from_the_same_origin(folder: Store, tmp_path: Path):
    site = tmp_path / "demo"
    (site / "js").mkdir(parents=True)
    (site / "index.html").write_text("<title>demo</title>")
    (site / "js" / "app.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    pages = {"index.html": b"<title>demo</title>", "js/app.js": b"export {}"}
    for static in (site, pages):
        with serve_store(folder, static=static) as base:
            page, script = ask(base), ask(f"{base}js/app.js")
            assert page.body == pages["index.html"] and page.headers["content-type"] == "text/html; charset=utf-8"
            assert script.headers["content-type"] == "text/javascript; charset=utf-8"
            assert script.headers["cache-control"] == "no-cache"
            assert [ask(base + path).status for path in ("link.txt", "../secret.txt", "js", "js/")] == [404] * 4
            assert ask(base + JSON).status == 200


def test_many_readers_at_once(edge: str):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(edge + JSON, Accept_Encoding="br"), range(64)))
    assert {answer.decoded for answer in answers} == {MODEL}


def test_nothing_is_printed_and_the_port_is_free_again(folder: Store, capfd: pytest.CaptureFixture[str]):
    with serve_store(folder) as base:
        ask(base + JSON)
        with socket.create_connection(("127.0.0.1", urlsplit(base).port)) as connection:
            connection.sendall(b"GET / nonsense\r\n\r\n")
            assert b"bad request" in connection.recv(1000)
    with serve_store(folder, port=urlsplit(base).port) as again:
        assert again == base
        with pytest.raises(UsageError, match="Port"), serve_store(folder, port=urlsplit(base).port):
            pass
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [(None, False), ("", False), ("br", True), ("gzip, BR;q=0.5", True), ("br;q=0", False), ("*", True),
     ("gzip", False), ("*, br;q=0.0", False), ("br;q=x", False)],
)  # fmt: skip
def test_encodings_that_a_client_takes(header: str | None, accepted: bool):
    assert accepts_brotli(header) == accepted


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, (0, 0)), ("no-store", (0, 0)), ("private, max-age=9", (0, 0)), ("max-age=9", (9, 0)), (BRIEF, (10, 86400)),
     ('Max-Age="5", STALE-IF-ERROR=7', (5, 7)), ("max-age=x", (0, 0)), (",,=", (0, 0))],
)  # fmt: skip
def test_how_long_an_answer_is_kept(header: str | None, seconds: tuple[int, int]):
    assert cache_seconds(header) == seconds


def test_tags_of_conditional_requests():
    assert names_etag("*", '"a"') and names_etag('"b", W/"a"', '"a"')
    assert not names_etag(None, '"a"') and not names_etag('"ab"', '"a"')
