"""What a store holds: versions, what they weigh, which channels are at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from yolo_edge.errors import ConflictError
from yolo_edge.publication.channel import Channel, require_channel
from yolo_edge.publication.layout import (
    CHANNELS,
    RECORD_FILE,
    RETIREMENT_FILE,
    channels_prefix,
    models_prefix,
    name_prefix,
    split_key,
    version_order,
)
from yolo_edge.publication.local import LocalStore
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import read_record
from yolo_edge.publication.store import ListedObject, Store

_WORKERS = 8


@dataclass(frozen=True)
class Release:
    """A published version.

    Attributes:
        record: its commit record.
        published: when the record was written, by the clock of the store.
        retired: when it was withdrawn; None if it was not.
        channels: those whose readers get it, a canary's as ``stable (5 %)``.
    """

    record: CommitRecord
    published: datetime
    retired: datetime | None
    channels: tuple[str, ...]


def list_channels(store: Store, name: str) -> tuple[Channel, ...]:
    """Return the channels of a model, in the order of their names.

    Raises:
        ModelError: a channel file is damaged.
    """
    return _channels_among(store, name, store.list(channels_prefix(name)))


def _channels_among(store: Store, name: str, listed: Iterable[ListedObject]) -> tuple[Channel, ...]:
    """Read the channels of a model that are among listed objects."""
    paths = [PurePosixPath(entry.key) for entry in listed if entry.key.startswith(channels_prefix(name))]
    return tuple(require_channel(store, name, stem) for stem in sorted(p.stem for p in paths if p.suffix == ".json"))


def list_models(store: Store) -> tuple[str, ...]:
    """Return the names of the models that the store holds something of."""
    parts = (split_key(entry.key) for entry in store.list(models_prefix()))
    return tuple(sorted({part[0] for part in parts if part}))


def require_model(store: Store, name: str) -> None:
    """Do nothing where the store holds something of a model.

    Raises:
        ConflictError: it does not; the message names those that there are.
    """
    if any(True for _ in store.list(name_prefix(name))):
        return
    others = ", ".join(list_models(store))
    raise ConflictError(
        f"There is no model {name} in {store.address}.",
        fix=f"Check the name; there are: {others}." if others else "Check the address: no model is there at all.",
    )


def require_something(store: Store, name: str | None = None) -> None:
    """Tell what was misspelt from what is empty: do nothing where the folder of a store and a model are there.

    Args:
        store: where nothing was found.
        name: of the model that was looked for; None for all.

    Raises:
        InputError: the store is a folder that is not there.
        ConflictError: the store holds nothing of the model.
    """
    if isinstance(store, LocalStore):
        store.require_folder()
    if name is not None:
        require_model(store, name)


def list_releases(store: Store, name: str | None = None) -> tuple[Release, ...]:
    """Return the published versions, by name, the highest first.

    Args:
        store: to look at.
        name: of one model; None for all.

    Raises:
        ModelError: a document is damaged.
    """
    listed = list(store.list(name_prefix(name) if name else models_prefix()))
    written = dict(_marks(listed, RECORD_FILE))
    retired = dict(_marks(listed, RETIREMENT_FILE))
    names = sorted({entry[0] for entry in written})
    channels = {each: _channels_among(store, each, listed) for each in names}
    with ThreadPoolExecutor(_WORKERS) as threads:
        records = threads.map(lambda entry: read_record(store, *entry), written)
        releases = [
            Release(record, written[entry], retired.get(entry), _channels_at(channels[entry[0]], entry[1]))
            for entry, record in zip(written, records, strict=True)
            if record is not None
        ]
    releases.sort(key=lambda release: version_order(release.record.version), reverse=True)
    return tuple(sorted(releases, key=lambda release: release.record.name))


def _marks(listed: list[ListedObject], file: str) -> Iterator[tuple[tuple[str, str], datetime]]:
    for entry in listed:
        parts = split_key(entry.key)
        if parts and parts[1] != CHANNELS and parts[2] == file:
            yield (parts[0], parts[1]), entry.modified


def _channels_at(channels: tuple[Channel, ...], version: str) -> tuple[str, ...]:
    told = []
    for channel in channels:
        if channel.version == version:
            told.append(channel.channel)
        if channel.canary and channel.canary.version == version:
            told.append(f"{channel.channel} ({channel.canary.percent:g} %)")
    return tuple(told)
