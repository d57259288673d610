"""Every store keeps the same promises: create-only writes, compare-and-swap, headers, listings."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from yolo_edge.errors import ConflictError, UsageError
from yolo_edge.publication.store import Headers, Store, open_store, sha256_hex

KEY = "models/pose/1.0/model.json"
JSON = Headers("application/json", "public, max-age=31536000, immutable", "br")
PLAIN = Headers("text/plain")
RIVALS = 20

Result = TypeVar("Result")


def at_once(work: Callable[[int], Result]) -> list[Result]:
    """What twenty threads answer that start at one moment."""
    barrier = threading.Barrier(RIVALS)

    def start(number: int) -> Result:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(RIVALS) as pool:
        return list(pool.map(start, range(RIVALS)))


def test_new_object_is_kept_with_all_that_is_said_of_it(store: Store):
    written = store.put_once(KEY, b"\x0bmodel", JSON)
    assert written.written
    data, found = store.get(KEY)
    assert data == b"\x0bmodel", "bytes of a Content-Encoding come back as they were stored"
    assert found == store.head(KEY)
    assert (found.key, found.bytes, found.sha256) == (KEY, 6, sha256_hex(data))
    assert found.headers == JSON == written.headers
    assert found.etag == written.etag
    assert not found.written
    assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        ("shard.bin", Headers("application/octet-stream")),
        ("shard.bin", Headers("application/octet-stream", None, "br")),
        ("report/index.html", Headers("text/html; charset=utf-8", "public, max-age=30, s-maxage=10")),
    ],
)
def test_headers_that_are_not_set_stay_unset(store: Store, key: str, headers: Headers):
    store.put_once(key, b"data", headers)
    assert store.head(key).headers == headers


def test_empty_object(store: Store):
    store.put_once(KEY, b"", PLAIN)
    assert store.get(KEY)[0] == b""


def test_what_is_not_there(store: Store):
    assert store.get(KEY) is None
    assert store.head(KEY) is None
    assert list(store.list()) == []
    store.delete(KEY)


def test_a_folder_is_no_object(store: Store):
    store.put_once(KEY, b"data", PLAIN)
    assert store.get("models/pose") is None
    assert store.head("models") is None


def test_same_again_is_fine_and_is_told(store: Store):
    first = store.put_once(KEY, b"data", JSON)
    again = store.put_once(KEY, b"data", JSON)
    assert not again.written
    assert again.etag == first.etag


def test_other_bytes_are_refused_and_the_old_stay(store: Store):
    store.put_once(KEY, b"old", JSON)
    with pytest.raises(ConflictError) as caught:
        store.put_once(KEY, b"other", JSON)
    message = str(caught.value)
    assert KEY in message and store.address in message
    assert sha256_hex(b"old")[:12] in message and sha256_hex(b"other")[:12] in message
    assert "Cache-Control" not in message, "it differs in bytes alone"
    assert store.get(KEY)[0] == b"old"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (Headers("application/json", "no-cache", "br"), r"Cache-Control \('public, max-age.*', not 'no-cache'\)"),
        (Headers("application/json", JSON.cache_control), r"Content-Encoding \('br', not 'none'\)"),
        (Headers("text/plain", JSON.cache_control, "br"), r"Content-Type \('application/json', not 'text/plain'\)"),
    ],
)
def test_other_headers_are_refused(store: Store, changed: Headers, named: str):
    store.put_once(KEY, b"data", JSON)
    with pytest.raises(ConflictError, match=named):
        store.put_once(KEY, b"data", changed)
    assert store.head(KEY).headers == JSON


def test_one_of_many_creators_wins(store: Store):
    def create(number: int) -> bool:
        try:
            return store.put_once(KEY, f"from {number}".encode(), PLAIN).written
        except ConflictError:
            return False

    won = at_once(create)
    assert sum(won) == 1
    assert store.get(KEY)[0] == f"from {won.index(True)}".encode()


def test_many_creators_of_the_same_all_succeed(store: Store):
    infos = at_once(lambda _: store.put_once(KEY, b"same", JSON))
    assert sum(info.written for info in infos) == 1
    assert len({info.etag for info in infos}) == 1


def test_swap_of_what_was_seen(store: Store):
    first = store.swap(KEY, b"one", PLAIN, None)
    second = store.swap(KEY, b"two", JSON, first.etag)
    assert first.written and second.written
    data, found = store.get(KEY)
    assert (data, found.headers, found.etag) == (b"two", JSON, second.etag)


def test_swap_of_something_else_is_refused(store: Store):
    first = store.swap(KEY, b"one", PLAIN, None)
    store.swap(KEY, b"two", PLAIN, first.etag)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.swap(KEY, b"three", PLAIN, first.etag)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.swap(KEY, b"three", PLAIN, None)
    assert store.get(KEY)[0] == b"two"


def test_swap_of_what_is_gone_is_refused(store: Store):
    first = store.swap(KEY, b"one", PLAIN, None)
    store.delete(KEY)
    with pytest.raises(ConflictError, match="not there any more"):
        store.swap(KEY, b"two", PLAIN, first.etag)
    assert store.get(KEY) is None


def test_swap_whose_reply_was_lost_is_recognised(store: Store):
    first = store.swap(KEY, b"one", PLAIN, None)
    second = store.swap(KEY, b"two", PLAIN, first.etag)
    again = store.swap(KEY, b"two", PLAIN, first.etag)
    assert not again.written
    assert again.etag == second.etag
    with pytest.raises(ConflictError):
        store.swap(KEY, b"two", JSON, first.etag)


def test_no_swap_of_many_is_lost(store: Store):
    store.swap(KEY, json.dumps({"count": 0}).encode(), PLAIN, None)

    def advance(number: int) -> int:
        for attempt in range(1000):
            data, found = store.get(KEY)
            document = {"count": json.loads(data)["count"] + 1, "by": number}
            try:
                store.swap(KEY, json.dumps(document).encode(), PLAIN, found.etag)
            except ConflictError:
                continue
            return attempt
        raise AssertionError("a thousand swaps failed")

    at_once(advance)
    assert json.loads(store.get(KEY)[0])["count"] == RIVALS


def test_listing_by_prefix(store: Store):
    keys = ["a-b.bin", "a.bin", "a/b.bin", "a/c/d.bin", "a/cc.bin", "b.bin"]
    for key in keys:
        store.put_once(key, key.encode(), PLAIN)

    def listed(prefix: str) -> list[str]:
        return sorted(item.key for item in store.list(prefix))

    assert listed("") == keys
    assert listed("a/c") == ["a/c/d.bin", "a/cc.bin"]
    assert listed("a/") == ["a/b.bin", "a/c/d.bin", "a/cc.bin"]
    assert listed("nothing/") == []
    assert {item.key: item.bytes for item in store.list()} == {key: len(key) for key in keys}
    assert all(abs(item.modified - datetime.now(UTC)) < timedelta(minutes=5) for item in store.list())


def test_deleted_object_is_gone_and_may_come_again(store: Store):
    store.put_once(KEY, b"old", JSON)
    store.put_once("models/pose/1.0/other.bin", b"stays", PLAIN)
    store.delete(KEY)
    assert [item.key for item in store.list()] == ["models/pose/1.0/other.bin"]
    assert store.put_once(KEY, b"new", PLAIN).written


BAD_KEYS = ["", "/a", "a/", "a//b", "..", "a/../b", "./a", ".hidden", "a/.b", "-a", "a b", "a\\b", "a\nb", "ä", "a%2fb"]


@pytest.mark.parametrize("key", [*BAD_KEYS, "a" * 901])
def test_bad_keys_are_refused_at_every_door(store: Store, key: str):
    calls: list[Callable[[], object]] = [
        lambda: store.put_once(key, b"", PLAIN),
        lambda: store.swap(key, b"", PLAIN, None),
        lambda: store.get(key),
        lambda: store.head(key),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="cannot be the key"):
            call()


@pytest.mark.parametrize("prefix", ["/", "../", "a//", ".a"])
def test_bad_prefixes_are_refused(store: Store, prefix: str):
    with pytest.raises(UsageError, match="No key begins"):
        list(store.list(prefix))


@pytest.mark.parametrize("value", ["", "a\r\nSet-Cookie: x", "ä", " a", "\x00"])
def test_headers_hold_one_line_of_ascii(value: str):
    with pytest.raises(UsageError, match="Cache-Control"):
        Headers("text/plain", value)


@pytest.mark.parametrize("address", ["ftp://host/a", "gs://bucket", "https://host/models", "s3+x://a"])
def test_unknown_kinds_of_store_are_refused(address: str):
    with pytest.raises(UsageError, match=r"no kind of store.*s3://"):
        open_store(address)
