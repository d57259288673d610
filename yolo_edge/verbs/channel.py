"""``promote``, ``rollback`` and ``canary``: which version the readers of a channel get."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from yolo_edge.publication.channel import Channel, Flip
from yolo_edge.publication.layout import channel_key, check_name, check_version
from yolo_edge.publication.promotion import Flipping, roll_back, try_canary
from yolo_edge.publication.promotion import promote as promote_version
from yolo_edge.publication.signature import load_signer
from yolo_edge.publication.store import open_store


@dataclass(frozen=True)
class ChannelChange:
    """What became of a channel.

    Attributes:
        store: its address.
        channel: as it is now.
        previous: as it was; None if it is new.
        changed: False where it was so already.
    """

    store: str
    channel: Channel
    previous: Channel | None
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "store": self.store,
            "changed": self.changed,
            "previous": channel_to_json(self.previous) if self.previous else None,
            **channel_to_json(self.channel),
        }


def channel_to_json(channel: Channel) -> dict[str, Any]:
    """Return what a channel is at as JSON-ready values, without its history."""
    return {
        "name": channel.name,
        "channel": channel.channel,
        "key": channel_key(channel.name, channel.channel),
        "seq": channel.seq,
        "version": channel.version,
        "release": channel.release,
        "canary": {"version": channel.canary.version, "percent": channel.canary.percent} if channel.canary else None,
        "action": channel.action,
        "updated": channel.updated,
        "expires": channel.expires,
        "signed_by": channel.signature.key_id if channel.signature else None,
    }


def promote(
    name: str,
    version: str,
    *,
    channel: str,
    store: str,
    expect: str | None = None,
    endpoint_url: str | None = None,
    sign: str | Path | None = None,
    expires: timedelta | None = None,
) -> ChannelChange:
    """Let the readers of a channel get a version. The channel is made if it is not there; its canary ends.

    Args:
        name: of the model.
        version: published before.
        channel: of the model.
        store: ``s3://bucket/prefix``, ``file:///folder`` or the path of a folder.
        expect: what the channel must be at: a version, a ``seq``, or ``none`` for no channel.
        endpoint_url: of an S3 service other than Amazon's.
        sign: a private key, PEM, for the channel file.
        expires: how long readers may trust the channel file. Given again, it counts from now.

    Raises:
        UsageError: a name, version or address cannot be one.
        ConflictError: the version is not there or retired, or the channel is at something else than expected.
        NetworkError: the store is not reached, or refuses.
    """
    flipping = _flipping(name, channel, store, expect, endpoint_url, sign, expires)
    return _change(flipping, promote_version(flipping, check_version(version)))


def rollback(
    name: str,
    *,
    channel: str,
    store: str,
    to: str | None = None,
    expect: str | None = None,
    endpoint_url: str | None = None,
    sign: str | Path | None = None,
    expires: timedelta | None = None,
) -> ChannelChange:
    """Let the readers of a channel get what they had before. Its canary ends.

    Args:
        name: of the model.
        channel: of the model.
        store: as for :func:`promote`.
        to: a version that the channel was at; by default the last one that was not retired.
        expect: as for :func:`promote`.
        endpoint_url: as for :func:`promote`.
        sign: as for :func:`promote`.
        expires: as for :func:`promote`.

    Raises:
        UsageError: a name, version or address cannot be one.
        ConflictError: there is nothing to go back to, or the channel is at something else than expected.
        NetworkError: the store is not reached, or refuses.
    """
    flipping = _flipping(name, channel, store, expect, endpoint_url, sign, expires)
    return _change(flipping, roll_back(flipping, check_version(to) if to is not None else None))


def canary(
    name: str,
    version: str,
    *,
    channel: str,
    percent: float,
    store: str,
    expect: str | None = None,
    endpoint_url: str | None = None,
    sign: str | Path | None = None,
    expires: timedelta | None = None,
) -> ChannelChange:
    """Let a part of the readers of a channel get another version.

    Args:
        name: of the model.
        version: published before.
        channel: of the model.
        percent: of the readers, 0 to below 100 with two decimal places; 0 ends the canary.
        store: as for :func:`promote`.
        expect: as for :func:`promote`.
        endpoint_url: as for :func:`promote`.
        sign: as for :func:`promote`.
        expires: as for :func:`promote`.

    Raises:
        UsageError: a name, version, percentage or address cannot be one.
        ConflictError: the version is not there or retired, there is no channel, or it is at something else than
            expected.
        NetworkError: the store is not reached, or refuses.
    """
    flipping = _flipping(name, channel, store, expect, endpoint_url, sign, expires)
    return _change(flipping, try_canary(flipping, check_version(version), percent))


def _flipping(
    name: str,
    channel: str,
    store: str,
    expect: str | None,
    endpoint_url: str | None,
    sign: str | Path | None,
    expires: timedelta | None,
) -> Flipping:
    return Flipping(
        store=open_store(store, endpoint_url=endpoint_url),
        name=check_name(name, "model"),
        channel=check_name(channel, "channel"),
        expect=expect,
        signer=load_signer(Path(sign)) if sign is not None else None,
        lifetime=expires,
    )


def _change(flipping: Flipping, flip: Flip) -> ChannelChange:
    flipping.store.settle()
    return ChannelChange(flipping.store.address, flip.channel, flip.previous, flip.changed)
