"""Taking away what nobody can load: releases that were never committed, and those that were withdrawn.

A commit record is never taken away: it is what keeps a version from being used again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal

from yolo_edge.console import progress
from yolo_edge.errors import ConflictError
from yolo_edge.publication.inventory import list_channels
from yolo_edge.publication.layout import (
    CHANNELS,
    LEASE_HEADERS,
    LEASE_STEM,
    RECORD_FILE,
    RECORD_HEADERS,
    RETIREMENT_FILE,
    canonical,
    collection_key,
    models_prefix,
    name_prefix,
    retirement_key,
    split_key,
    version_prefix,
)
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import read_record
from yolo_edge.publication.store import ListedObject, Store

GRACE = timedelta(days=7)
"""How long files without a commit record are left alone: somebody may be about to finish."""

SHORTEST_GRACE = timedelta(hours=1)
"""A publish takes seconds, its repetition after a failed CI job may take longer."""

_WORKERS = 12

Reason = Literal["never committed", "retired", "forgotten lease"]


@dataclass(frozen=True)
class Garbage:
    """Objects that can go.

    Attributes:
        name: of the model.
        version: of the model.
        prefix: what their keys begin with.
        reason: why.
        keys: the objects.
        bytes: their stored size.
        modified: when the newest of them was written.
        due: from when on they can go.
    """

    name: str
    version: str
    prefix: str
    reason: Reason
    keys: tuple[str, ...]
    bytes: int
    modified: datetime
    due: datetime

    @property
    def is_due(self) -> bool:
        """Tell whether the grace is over."""
        return self.due < datetime.now(UTC)


def find_garbage(store: Store, *, name: str | None = None, grace: timedelta = GRACE) -> tuple[Garbage, ...]:
    """Return what can go, now or once the grace is over, in the order of its keys.

    Args:
        store: to look at.
        name: of one model; None for all.
        grace: how old the newest object of a release must be, and the mark of a withdrawn version.

    Raises:
        ModelError: a commit record or channel file is damaged: nothing is said to be garbage then.
    """
    return _unreachable_below(store, name_prefix(name) if name else models_prefix(), grace)


def collect_garbage(store: Store, garbage: Iterable[Garbage], *, grace: timedelta = GRACE) -> tuple[Garbage, ...]:
    """Delete what :func:`find_garbage` found, is due, and still is garbage.

    Each release is marked, and then looked at again. A publisher leaves a lease and its record, and then looks for the
    mark. So one of the two sees the other: either the release stays, or the publisher waits and puts back what went.

    Returns:
        What was deleted.
    """
    deleted = []
    garbage = tuple(garbage)
    with (
        ThreadPoolExecutor(_WORKERS) as threads,
        progress("Deleting", sum(len(entry.keys) for entry in garbage), "objects") as advance,
    ):
        for entry in garbage:
            with _marked(store, entry):
                if entry.is_due and entry in _unreachable_below(
                    store, version_prefix(entry.name, entry.version), grace
                ):
                    list(threads.map(store.delete, entry.keys))
                    deleted.append(entry)
            advance(len(entry.keys))
    return tuple(deleted)


@contextmanager
def _marked(store: Store, entry: Garbage) -> Iterator[None]:
    base = entry.prefix.removeprefix(version_prefix(entry.name, entry.version))
    mark = collection_key(entry.name, entry.version, base)
    store.put_once(mark, b"{}", LEASE_HEADERS)
    try:
        yield
    finally:
        store.delete(mark)


def retire(store: Store, name: str, version: str) -> bool:
    """Withdraw a version: it cannot be promoted any more, and its files are collected after the grace.

    Returns:
        Whether this call did it; False if it was retired before.

    Raises:
        ConflictError: the version is not there, or a channel is at it.
    """
    if read_record(store, name, version) is None:
        raise ConflictError(f"{name} {version} is not in {store.address}.", fix="See what is: yolo-edge releases.")
    key = retirement_key(name, version)
    _require_unused(store, name, version)
    document = {"kind": "retirement", "name": name, "schema_version": 1, "version": version}
    written = store.put_once(key, canonical(document), RECORD_HEADERS).written
    try:
        _require_unused(store, name, version)  # promoted between the two: see promotion.py, which looks the other way
    except ConflictError:
        store.delete(key)
        raise
    return written


def _unreachable_below(store: Store, prefix: str, grace: timedelta) -> tuple[Garbage, ...]:
    by_version: dict[tuple[str, str], list[tuple[str, ListedObject]]] = defaultdict(list)
    for listed in store.list(prefix):
        parts = split_key(listed.key)
        if parts is not None and parts[1] != CHANNELS:
            by_version[parts[0], parts[1]].append((parts[2], listed))
    found: list[Garbage] = []
    for (model, version), entries in sorted(by_version.items()):
        found += _unreachable_of(store, model, version, entries, grace)
    return tuple(found)


def _require_unused(store: Store, name: str, version: str) -> None:
    users = [
        channel.channel
        for channel in list_channels(store, name)
        if version in (channel.version, channel.canary.version if channel.canary else None)
    ]
    if users:
        raise ConflictError(
            f"The readers of {', '.join(users)} get {name} {version}.",
            fix="Promote another version there first, or roll back.",
        )


def _unreachable_of(
    store: Store, name: str, version: str, entries: list[tuple[str, ListedObject]], grace: timedelta
) -> list[Garbage]:
    record = read_record(store, name, version) if any(rest == RECORD_FILE for rest, _ in entries) else None
    retired = next((listed.modified for rest, listed in entries if rest == RETIREMENT_FILE), None)
    by_release: dict[str, list[ListedObject]] = defaultdict(list)
    for rest, listed in entries:
        directory, slash, _ = rest.partition("/")
        if slash:
            by_release[directory + slash].append(listed)
    found = []
    for base, objects in sorted(by_release.items()):
        reason, to_go = _verdict(record, base, retired, objects, grace)
        if not to_go or (reason == "retired" and _is_used(store, name, version)):
            continue
        newest = max(listed.modified for listed in to_go)
        since = max(newest, retired) if reason == "retired" and retired else newest
        found.append(
            Garbage(
                name=name,
                version=version,
                prefix=version_prefix(name, version) + base,
                reason=reason,
                keys=tuple(sorted(listed.key for listed in to_go)),
                bytes=sum(listed.bytes for listed in to_go),
                modified=newest,
                due=since + grace,
            )
        )
    return found


def _verdict(
    record: CommitRecord | None,
    base: str,
    retired: datetime | None,
    objects: list[ListedObject],
    grace: timedelta,
) -> tuple[Reason, list[ListedObject]]:
    """Say why a directory can go, at once or later, and which of its objects."""
    if record is None or record.base != base:
        return "never committed", objects
    if retired is not None:
        return "retired", objects
    before = datetime.now(UTC) - grace
    leases = [  # one that is not old yet may be of somebody who publishes
        listed
        for listed in objects
        if PurePosixPath(listed.key).name.startswith(LEASE_STEM) and listed.modified < before
    ]
    return "forgotten lease", leases


def _is_used(store: Store, name: str, version: str) -> bool:
    try:
        _require_unused(store, name, version)
    except ConflictError:
        return True
    return False
