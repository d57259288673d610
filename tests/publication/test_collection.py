"""What nobody can load goes; what anybody might load, or is about to finish, stays."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.publication.directories import make_variant
from tests.publication.test_release import content_of, publish, whole
from yolo_edge.errors import ConflictError
from yolo_edge.publication.collection import GRACE, Garbage, collect_garbage, find_garbage, retire
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.inventory import list_releases
from yolo_edge.publication.layout import LEASE_HEADERS, file_headers, record_key
from yolo_edge.publication.promotion import Flipping, promote
from yolo_edge.publication.store import Store, open_store


@pytest.fixture
def local(tmp_path) -> Store:
    return open_store(str(tmp_path / "site"))


def age(store: Store, days: float, key: str = "") -> None:
    """Let files of a folder look as if they had been written days ago."""
    then = time.time() - days * 86400
    for path in Path(urlsplit(store.address).path).rglob("*"):
        if path.is_file() and key in path.as_posix():
            os.utime(path, (then, then))


def leave_half(store: Store) -> str:
    """Leave what a publisher that died left; return the key of the last file."""
    for name in ("a.bin", "b.bin"):
        key = f"models/lite/3.0.0/0123456789abcdef/int8/{name}"
        store.put_once(key, name.encode(), file_headers(name, None))
    return key


def due(store: Store, grace: timedelta = GRACE) -> tuple[Garbage, ...]:
    """What can go now."""
    return tuple(entry for entry in find_garbage(store, grace=grace) if entry.is_due)


def test_old_uncommitted_files_go_and_all_else_stays(local, tmp_path):
    done = publish(local, content_of(tmp_path))
    half = leave_half(local)
    assert due(local) == (), "somebody may be about to finish"
    assert collect_garbage(local, find_garbage(local)) == (), "what is not due yet is not taken"
    assert local.head(half) is not None
    age(local, 8)
    (garbage,) = due(local)
    assert (garbage.reason, garbage.version, len(garbage.keys)) == ("never committed", "3.0.0", 2)
    assert collect_garbage(local, [garbage]) == (garbage,)
    assert local.head(half) is None
    assert whole(local, done.record)
    assert due(local) == ()


def test_on_s3_the_age_is_the_services(store, tmp_path):
    publish(store, content_of(tmp_path))
    leave_half(store)
    assert due(store) == ()
    time.sleep(1.1)  # services keep whole seconds
    (garbage,) = due(store, grace=timedelta(0))
    assert garbage.reason == "never committed"
    assert collect_garbage(store, [garbage], grace=timedelta(0)) == (garbage,)
    assert not list(store.list("models/lite/3.0.0/"))


def test_a_publisher_that_begins_meanwhile_keeps_its_files(local):
    half = leave_half(local)
    age(local, 8)
    garbage = due(local)
    local.put_once("models/lite/3.0.0/0123456789abcdef/publishing-ab.json", b"{}", LEASE_HEADERS)
    assert collect_garbage(local, garbage) == ()
    assert local.head(half) is not None


def test_the_losers_files_go(local, tmp_path):
    winner = publish(local, content_of(tmp_path))
    key = "models/lite/1.0.0/fedcba9876543210/int8/model.json"
    local.put_once(key, b"{}", file_headers(key, None))
    age(local, 8)
    (garbage,) = due(local)
    assert garbage.prefix == "models/lite/1.0.0/fedcba9876543210/"
    collect_garbage(local, [garbage])
    assert whole(local, winner.record)


def test_forgotten_leases_go_alone(local, tmp_path):
    done = publish(local, content_of(tmp_path))
    lease = f"models/lite/1.0.0/{done.record.base}publishing-ab.json"
    local.put_once(lease, b"{}", LEASE_HEADERS)
    age(local, 8)
    (garbage,) = due(local)
    assert (garbage.reason, garbage.keys) == ("forgotten lease", (lease,))
    collect_garbage(local, [garbage])
    assert whole(local, done.record)


def test_a_retired_version_goes_after_the_grace_and_is_never_used_again(local, tmp_path):
    content = content_of(tmp_path)
    done = publish(local, content)
    assert retire(local, "lite", "1.0.0")
    assert not retire(local, "lite", "1.0.0"), "twice is once"
    assert due(local) == ()
    age(local, 8)
    (garbage,) = due(local)
    assert garbage.reason == "retired"
    collect_garbage(local, [garbage])
    assert [listed.key for listed in local.list()] == [record_key("lite", "1.0.0"), "models/lite/1.0.0/retired.json"]
    for again in (content, read_content(make_variant(tmp_path / "new", seed=9), Compression(shards=False))):
        with pytest.raises(ConflictError, match=r"1\.0\.0 was retired"):
            publish(local, again)
    (release,) = list_releases(local)
    assert release.retired is not None and release.record == done.record


def test_what_readers_get_is_not_retired(local, tmp_path):
    from yolo_edge.publication.promotion import try_canary

    content = content_of(tmp_path)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        publish(local, content, version)
    promote(Flipping(local, "lite", "stable"), "1.0.0")
    try_canary(Flipping(local, "lite", "stable"), "1.1.0", 5)
    for version in ("1.0.0", "1.1.0"):
        with pytest.raises(ConflictError, match="The readers of stable get"):
            retire(local, "lite", version)
    assert retire(local, "lite", "1.2.0")
    with pytest.raises(ConflictError, match=r"9\.0\.0 is not in"):
        retire(local, "lite", "9.0.0")


def test_retiring_and_promoting_at_once_ends_well(local, tmp_path):
    """Whoever comes second sees the first: never is a version both retired and silently a channel's."""
    publish(local, content_of(tmp_path))

    class PromotedMeanwhile:
        address = local.address

        def __getattr__(self, name):
            return getattr(local, name)

        def put_once(self, *arguments):
            promote(Flipping(local, "lite", "stable"), "1.0.0")
            return local.put_once(*arguments)

    with pytest.raises(ConflictError, match="The readers of stable get"):
        retire(PromotedMeanwhile(), "lite", "1.0.0")
    assert local.head("models/lite/1.0.0/retired.json") is None


def test_releases_are_listed_with_their_channels(local, tmp_path):
    content = content_of(tmp_path)
    for version in ("1.0.0", "1.10.0", "1.2.0"):
        publish(local, content, version)
    promote(Flipping(local, "lite", "stable"), "1.2.0")
    listed = list_releases(local)
    assert [release.record.version for release in listed] == ["1.10.0", "1.2.0", "1.0.0"]
    assert [release.channels for release in listed] == [(), ("stable",), ()]
    assert list_releases(local, "other") == ()


def test_a_publisher_who_comes_between_the_look_and_the_deletion_puts_all_back(local, tmp_path):
    """Files of a dead publisher are old; a collector has looked, the next publisher finds them and commits; they go."""
    import threading

    content = content_of(tmp_path)
    done = publish(local, content)
    local.delete(record_key("lite", "1.0.0"))
    age(local, 9)
    garbage = due(local)
    assert [entry.reason for entry in garbage] == ["never committed"]
    committed = threading.Event()

    class Slow:
        """Deletes once the publisher has committed."""

        address = local.address

        def __getattr__(self, name):
            return getattr(local, name)

        def delete(self, key):
            committed.wait(10)
            local.delete(key)

    collector = threading.Thread(target=collect_garbage, args=(Slow(), garbage))
    collector.start()
    while local.head(f"models/lite/1.0.0/collecting-{done.record.base.rstrip('/')}.json") is None:
        time.sleep(0.01)
    time.sleep(0.2)  # it has looked, and waits

    class Committing:
        address = local.address

        def __getattr__(self, name):
            return getattr(local, name)

        def put_once(self, key, *arguments):
            written = local.put_once(key, *arguments)
            if key == record_key("lite", "1.0.0"):
                committed.set()
            return written

    again = publish(Committing(), content)
    collector.join()
    assert again.written
    assert whole(local, again.record), "committed, and not whole"
