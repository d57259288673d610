"""``releases``, ``channels`` and ``history``: what a store holds, and how it came to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yolo_edge.publication.channel import Channel, require_channel
from yolo_edge.publication.inventory import Release, list_channels, list_releases, require_something
from yolo_edge.publication.layout import check_name, record_key
from yolo_edge.publication.store import open_store
from yolo_edge.verbs.channel import channel_to_json


@dataclass(frozen=True)
class ReleaseListing:
    """A published version.

    Attributes:
        release: what the store holds of it.
    """

    release: Release

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON-ready values."""
        record = self.release.record
        return {
            "name": record.name,
            "version": record.version,
            "release": record.release,
            "record": record_key(record.name, record.version),
            "published": self.release.published.isoformat(timespec="seconds"),
            "retired": self.release.retired.isoformat(timespec="seconds") if self.release.retired else None,
            "channels": list(self.release.channels),
            "variants": {name: variant.model_dump(mode="json") for name, variant in record.variants.items()},
            "gate": record.gate is not None,
            "licence": record.licence,
            "signed_by": record.signature.key_id if record.signature else None,
        }


@dataclass(frozen=True)
class ChannelListing:
    """A channel.

    Attributes:
        channel: its file.
    """

    channel: Channel

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON-ready values."""
        return channel_to_json(self.channel)


@dataclass(frozen=True)
class HistoryEntry:
    """A state of a channel.

    Attributes:
        channel: its name.
        seq: the number of the state.
        action: what made it.
        version: what readers got.
        canary: what a part of them got; None if there was none.
        updated: when it was made, UTC.
        current: whether it is the present one.
    """

    channel: str
    seq: int
    action: str
    version: str
    canary: str | None
    updated: str
    current: bool

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready values."""
        return dict(vars(self))


def releases(name: str | None = None, *, store: str, endpoint_url: str | None = None) -> tuple[ReleaseListing, ...]:
    """List the published versions, by name, the highest first.

    Args:
        name: of one model; None for all.
        store: ``s3://bucket/prefix``, ``file:///folder`` or the path of a folder.
        endpoint_url: of an S3 service other than Amazon's.

    Raises:
        UsageError: a name or address cannot be one.
        InputError: the store is a folder that is not there.
        ConflictError: there is no such model.
        NetworkError: the store is not reached, or refuses.
        ModelError: a document in it is damaged.
    """
    place = open_store(store, endpoint_url=endpoint_url)
    if name is not None:
        check_name(name, "model")
    found = list_releases(place, name)
    if not found:
        require_something(place, name)
    return tuple(map(ReleaseListing, found))


def channels(name: str, *, store: str, endpoint_url: str | None = None) -> tuple[ChannelListing, ...]:
    """List the channels of a model.

    Args:
        name: of the model.
        store: as for :func:`releases`.
        endpoint_url: as for :func:`releases`.

    Raises:
        UsageError: a name or address cannot be one.
        InputError: the store is a folder that is not there.
        ConflictError: there is no such model.
        NetworkError: the store is not reached, or refuses.
        ModelError: a channel file is damaged.
    """
    place = open_store(store, endpoint_url=endpoint_url)
    found = list_channels(place, check_name(name, "model"))
    if not found:
        require_something(place, name)
    return tuple(map(ChannelListing, found))


def history(
    name: str, *, store: str, channel: str | None = None, endpoint_url: str | None = None
) -> tuple[HistoryEntry, ...]:
    """List the states of a model's channels, the newest first. A channel file keeps the last 50.

    Args:
        name: of the model.
        store: as for :func:`releases`.
        channel: one of its channels; None for all.
        endpoint_url: as for :func:`releases`.

    Raises:
        UsageError: a name or address cannot be one.
        InputError: the store is a folder that is not there.
        ConflictError: there is no such model or channel.
        NetworkError: the store is not reached, or refuses.
        ModelError: a channel file is damaged.
    """
    place = open_store(store, endpoint_url=endpoint_url)
    check_name(name, "model")
    if channel is not None:
        check_name(channel, "channel")
        require_something(place, name)  # else a misspelt folder or model would be told as a channel that is missing
        found: tuple[Channel, ...] = (require_channel(place, name, channel),)
    else:
        found = list_channels(place, name)
    if not found:
        require_something(place, name)
    entries = [entry for each in found for entry in _entries(each)]
    return tuple(sorted(entries, key=lambda entry: (entry.updated, entry.seq), reverse=True))


def _entries(channel: Channel) -> list[HistoryEntry]:
    states = [channel.past(), *channel.history]
    return [
        HistoryEntry(
            channel.channel, state.seq, state.action, state.version, state.canary, state.updated, state is states[0]
        )
        for state in states
    ]
