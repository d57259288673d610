"""``retire`` and ``collect``: withdraw a version, and take away what nobody can load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import compress
from operator import not_
from typing import Any

from yolo_edge.errors import UsageError
from yolo_edge.publication.collection import (
    GRACE,
    SHORTEST_GRACE,
    Garbage,
    collect_garbage,
    find_garbage,
)
from yolo_edge.publication.collection import retire as retire_version
from yolo_edge.publication.inventory import require_something
from yolo_edge.publication.layout import check_name, check_version
from yolo_edge.publication.store import open_store


@dataclass(frozen=True)
class Collection:
    """What ``collect`` found.

    Attributes:
        store: its address.
        garbage: what can go.
        deleted: whether it is gone.
        waiting: what can go later, once the grace is over.
    """

    store: str
    garbage: tuple[Garbage, ...]
    deleted: bool
    waiting: tuple[Garbage, ...] = ()

    @property
    def bytes(self) -> int:
        """Stored bytes of all of it."""
        return sum(entry.bytes for entry in self.garbage)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "store": self.store,
            "deleted": self.deleted,
            "bytes": self.bytes,
            "garbage": [_garbage_to_json(entry) for entry in self.garbage],
            "waiting": [_garbage_to_json(entry) for entry in self.waiting],
        }


def _garbage_to_json(entry: Garbage) -> dict[str, Any]:
    return {
        "name": entry.name,
        "version": entry.version,
        "prefix": entry.prefix,
        "reason": entry.reason,
        "objects": len(entry.keys),
        "bytes": entry.bytes,
        "modified": entry.modified.isoformat(timespec="seconds"),
        "due": entry.due.isoformat(timespec="seconds"),
    }


@dataclass(frozen=True)
class Retirement:
    """What ``retire`` did.

    Attributes:
        store: its address.
        name: of the model.
        version: that was withdrawn.
        changed: False if it was before.
    """

    store: str
    name: str
    version: str
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return dict(vars(self))


def collect(
    *,
    store: str,
    name: str | None = None,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    endpoint_url: str | None = None,
) -> Collection:
    """Delete the files of releases that were never committed, and of versions that were retired.

    Commit records stay, so no version is ever used again.

    Args:
        store: ``s3://bucket/prefix``, ``file:///folder`` or the path of a folder.
        name: of one model; None for all.
        grace: how old the newest file of an uncommitted release must be, and a retirement; an hour at least.
        dry_run: say what would go, and delete nothing.
        endpoint_url: of an S3 service other than Amazon's.

    Raises:
        UsageError: a name or address cannot be one, or the grace is too short.
        InputError: the store is a folder that is not there.
        ConflictError: there is no such model.
        NetworkError: the store is not reached, or refuses.
        ModelError: a document in it is damaged; nothing is deleted then.
    """
    if grace < SHORTEST_GRACE:
        raise UsageError(
            "The grace is less than an hour: somebody may be publishing.", fix="Give --grace 1h or more, as 7d."
        )
    if name is not None:
        check_name(name, "model")
    place = open_store(store, endpoint_url=endpoint_url)
    found = find_garbage(place, name=name, grace=grace)
    if not found:
        require_something(place, name)
    due = [entry.is_due for entry in found]
    garbage, waiting = tuple(compress(found, due)), tuple(compress(found, map(not_, due)))
    if dry_run:
        return Collection(place.address, garbage, deleted=False, waiting=waiting)
    deleted = collect_garbage(place, garbage, grace=grace)
    place.settle()
    return Collection(place.address, deleted, deleted=True, waiting=waiting)


def retire(name: str, version: str, *, store: str, endpoint_url: str | None = None) -> Retirement:
    """Withdraw a version: it cannot be promoted any more, and ``collect`` takes its files after the grace.

    Pages that load it by its own address stop working then; those that follow a channel do not notice.

    Args:
        name: of the model.
        version: published before, and no channel's.
        store: as for :func:`collect`.
        endpoint_url: as for :func:`collect`.

    Raises:
        UsageError: a name, version or address cannot be one.
        ConflictError: the version is not there, or a channel's readers get it.
        NetworkError: the store is not reached, or refuses.
    """
    place = open_store(store, endpoint_url=endpoint_url)
    changed = retire_version(place, check_name(name, "model"), check_version(version))
    place.settle()
    return Retirement(place.address, name, version, changed)
