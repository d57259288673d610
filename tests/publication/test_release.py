"""A version is published wholly or not at all, and never changes: on a folder and on S3, over http and https."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest

from tests.publication.directories import make_variant
from yolo_edge.errors import ConflictError, ModelError, NetworkError
from yolo_edge.publication.content import Compression, Content, read_content
from yolo_edge.publication.layout import IMMUTABLE, LEASE_STEM, record_key, version_prefix
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import PublishedRelease, plan_release, publish_release, read_record
from yolo_edge.publication.store import Store


def content_of(tmp_path, seed: int = 0, *, shards: bool = True) -> Content:
    directory = tmp_path / f"variant-{seed}"
    return read_content(directory if directory.exists() else make_variant(directory, seed=seed), Compression(shards))


def publish(store: Store, content: Content, version: str = "1.0.0") -> PublishedRelease:
    return publish_release(store, content, plan_release(content, "lite", version))


def whole(store: Store, record: CommitRecord) -> bool:
    """Whether every file of a record is there, with the bytes and headers that it says."""
    base = version_prefix(record.name, record.version) + record.base
    found = {path: store.head(base + path) for path in record.files}
    return all(
        info is not None
        and (info.sha256, info.bytes) == (record.files[path].stored_sha256, record.files[path].stored_bytes)
        and info.headers == record.headers_of(path)
        and info.headers.cache_control == IMMUTABLE
        for path, info in found.items()
    )


class Interrupted(Exception):
    """Stands for the death of a publisher."""


def interrupt() -> NoReturn:
    raise Interrupted


class Mortal:
    """A store whose client dies right before or right after its n-th call; what calls then, dies too."""

    def __init__(self, store: Store, calls: int, after: bool, die: Callable[[], NoReturn] = interrupt) -> None:
        self.store, self.left, self.after, self.die = store, calls, after, die
        self.address = store.address
        self.lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            with self.lock:
                self.left -= 1
                left = self.left
            if left < 0 or (left == 0 and not self.after):
                self.die()
            result = getattr(self.store, name)(*arguments, **options)
            if left == 0:
                self.die()
            return result

        return call


def test_a_release_is_whole_and_leaves_nothing_else(store, tmp_path):
    done = publish(store, content_of(tmp_path))
    assert done.written and done.files_written == len(done.record.files)
    assert read_record(store, "lite", "1.0.0") == done.record
    assert whole(store, done.record)
    names = [listed.key for listed in store.list()]
    assert len(names) == len(done.record.files) + 1
    assert not any(LEASE_STEM in name for name in names)


def test_again_is_already_published(store, tmp_path):
    first = publish(store, content_of(tmp_path))
    again = publish(store, content_of(tmp_path))
    assert (again.written, again.files_written, again.record) == (False, 0, first.record)


def test_compressed_or_not_is_the_same_release(store, tmp_path):
    publish(store, content_of(tmp_path))
    assert not publish(store, content_of(tmp_path, shards=False)).written


def test_other_bytes_under_a_version_are_named_and_refused(store, tmp_path):
    done = publish(store, content_of(tmp_path))
    with pytest.raises(ConflictError, match=r"int8/group1-shard1of2\.bin has sha256") as caught:
        publish(store, content_of(tmp_path, seed=1))
    assert caught.value.exit_code == 5
    assert whole(store, done.record)


def test_a_lost_file_is_put_back(store, tmp_path):
    content = content_of(tmp_path)
    done = publish(store, content)
    base = version_prefix("lite", "1.0.0") + done.record.base
    store.delete(base + "int8/model.json")
    again = publish(store, content)
    assert (again.written, again.files_written) == (False, 1)
    assert whole(store, done.record)
    store.delete(base + "int8/group1-shard1of2.bin")
    with pytest.raises(NetworkError, match=r"lacks int8/group1-shard1of2\.bin"):
        publish(store, content_of(tmp_path, shards=False))


@pytest.mark.parametrize("after", [False, True])
def test_a_publisher_that_dies_anywhere_can_begin_again(tmp_path, after):
    """The same at every request of a process that is killed, over S3: ``benchmarks/publication.py``."""
    from yolo_edge.publication.store import open_store

    content = content_of(tmp_path)
    for calls in range(1, 40):
        store = open_store(str(tmp_path / f"site-{calls}"))
        try:
            publish_release(Mortal(store, calls, after), content, plan_release(content, "lite", "1.0.0"))
        except Interrupted:
            record = read_record(store, "lite", "1.0.0")
            assert record is None or whole(store, record), f"half a release is visible after {calls} calls"
            assert whole(store, publish(store, content).record)
        else:
            assert calls > 10, "the publisher never died"
            return
    pytest.fail("a publish takes more calls than expected")


def test_five_rivals_with_the_same_bytes_all_succeed(store, tmp_path):
    content = content_of(tmp_path)
    with ThreadPoolExecutor(5) as pool:
        done = list(pool.map(lambda _: publish(store, content), range(5)))
    assert len({entry.record.release for entry in done}) == 1
    assert whole(store, done[0].record)


def test_of_five_rivals_with_other_bytes_one_wins(store, tmp_path):
    contents = [content_of(tmp_path, seed) for seed in range(5)]

    def attempt(content: Content) -> str | None:
        try:
            return publish(store, content).record.release
        except ConflictError:
            return None

    with ThreadPoolExecutor(5) as pool:
        won = [release for release in pool.map(attempt, contents) if release]
    record = read_record(store, "lite", "1.0.0")
    assert won == [record.release]
    assert whole(store, record)


def test_a_damaged_record_is_no_release(store, tmp_path):
    from yolo_edge.publication.layout import RECORD_HEADERS

    done = publish(store, content_of(tmp_path))
    edited = done.record.to_bytes().replace(b'"int8/model.json":{"bytes":', b'"int8/model.json":{"bytes":1')
    store.put_once(record_key("lite", "2.0.0"), edited, RECORD_HEADERS)
    with pytest.raises(ModelError, match="table of files is not the one that the release is named for"):
        read_record(store, "lite", "2.0.0")


def test_the_same_directory_gives_the_same_record(tmp_path):
    content = content_of(tmp_path)
    first, second = (plan_release(content, "lite", "1.0.0").to_bytes() for _ in range(2))
    assert first == second
