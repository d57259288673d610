"""Channels: the one mutable object of a release, changed by compare-and-swap alone.

A channel file says which version readers get, and how it came to that. ``seq`` goes up by one with each change, so a
reader who keeps the highest it has seen knows an old file that somebody put back. ``origin`` is the ``seq`` at which
the version was promoted; rolling back goes to what was before the origin, so two rollbacks go back two versions
instead of to and fro.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from yolo_edge.errors import ConflictError, SignatureError
from yolo_edge.publication.documents import (
    ChannelName,
    Digest,
    ModelName,
    Section,
    SignedDocument,
    Version,
    parse_document,
)
from yolo_edge.publication.layout import CHANNEL_HEADERS, channel_key, record_path
from yolo_edge.publication.record import CommitRecord, integrity_of
from yolo_edge.publication.signature import Signer, check_signature, sign
from yolo_edge.publication.store import Store, sha256_hex

HISTORY_LENGTH = 50
"""Earlier states that a channel file keeps."""

_ATTEMPTS = 100
_LONGEST_PAUSE = 1.0  # seconds between two attempts; R2 takes one write a second to one key
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Action = Literal["promote", "rollback", "canary"]


def _is_a_time(value: str) -> str:
    datetime.strptime(value, _TIME_FORMAT)
    return value


Time = Annotated[str, AfterValidator(_is_a_time)]
"""UTC, as ``2026-11-24T13:00:00Z``."""


def _plain_number(value: float) -> int | float:
    if round(value, 2) != value:
        raise ValueError("a percentage has at most two decimal places")
    return int(value) if value == int(value) else value


Percent = Annotated[int | float, Field(gt=0, lt=100), AfterValidator(_plain_number)]
"""Written alike by Python and JavaScript: 5, not 5.0."""


class RecordReference(Section):
    """Where a commit record is, and its hash.

    Attributes:
        path: relative to the channel file.
        sha256: hex, of the record's bytes.
        integrity: the same for browsers.
    """

    path: str
    sha256: Digest
    integrity: str


class Target(Section):
    """A version to load."""

    version: Version
    release: Digest
    record: RecordReference

    @model_validator(mode="after")
    def _leads_to_its_record(self) -> Self:
        if self.record.path != record_path(self.version):
            raise ValueError(f"the record of {self.version} does not lie at {self.record.path}")
        return self


class Canary(Target):
    """A version that a part of the readers gets.

    A reader with a client id takes it if the first 8 hex digits of ``sha256(salt + ":" + client id)``, over 2^32, are
    less than ``percent`` / 100. So a client always gets the same, more percent only add clients, and each canary draws
    its clients anew by its salt.
    """

    percent: Percent
    salt: str

    def takes(self, client_id: str) -> bool:
        """Tell whether a client gets this version."""
        draw = int(sha256_hex(f"{self.salt}:{client_id}".encode())[:8], 16)
        return draw / 2**32 * 100 < self.percent


class PastState(Section):
    """What a channel was at before a change."""

    seq: int
    version: Version
    release: Digest
    action: Action
    origin: int
    updated: Time
    nonce: str
    canary: str | None


class Channel(SignedDocument, Target):
    """The whole document.

    Attributes:
        seq: 1 for the first state, one more with each.
        version: what readers get.
        canary: what a part of them gets.
        action: what made this state.
        origin: the ``seq`` at which the version was promoted.
        nonce: random, so that no two states are the same bytes.
        updated: when.
        expires: when readers should stop to trust the file; None for never.
        history: earlier states, the newest first.
    """

    kind: Literal["channel"] = "channel"
    name: ModelName
    channel: ChannelName
    seq: int = Field(ge=1)
    canary: Canary | None = None
    action: Action
    origin: int
    nonce: str
    updated: Time
    expires: Time | None = None
    history: tuple[PastState, ...] = ()

    def past(self) -> PastState:
        """Return this state, as the history of the next one tells it."""
        return PastState(
            canary=self.canary.version if self.canary else None,
            **{name: getattr(self, name) for name in PastState.model_fields if name != "canary"},
        )

    @property
    def expired(self) -> bool:
        """Tell whether the file should not be trusted any more."""
        return self.expires is not None and _time(self.expires) <= datetime.now(UTC)


@dataclass(frozen=True)
class Change:
    """What a channel shall become.

    Attributes:
        action: the name of the change.
        target: what readers get.
        canary: what a part of them gets.
        origin: the ``seq`` of the target's promotion; None for this change.
    """

    action: Action
    target: Target
    canary: Canary | None = None
    origin: int | None = None


@dataclass(frozen=True)
class Flip:
    """What :func:`flip` did.

    Attributes:
        channel: the channel as it is now.
        previous: the channel as it was; None if it is new.
        changed: False where it was so already.
    """

    channel: Channel
    previous: Channel | None
    changed: bool


Decide = Callable[[Channel | None], Change | None]
"""Present state → what to make of it; None to leave it."""


def target_of(record: CommitRecord) -> Target:
    """Return what a channel file says of a version."""
    sha256 = sha256_hex(record.to_bytes())
    reference = RecordReference(path=record_path(record.version), sha256=sha256, integrity=integrity_of(sha256))
    return Target(version=record.version, release=record.release, record=reference)


def read_channel(store: Store, name: str, channel: str) -> tuple[Channel, str] | None:
    """Return a channel and the tag of its file; None if there is no such channel.

    Raises:
        ModelError: the file is damaged, of a newer schema, or of another channel.
    """
    key = channel_key(name, channel)
    found = store.get(key)
    if found is None:
        return None
    data, info = found
    document = parse_document(Channel, data, f"{key} in {store.address}")
    if (document.name, document.channel) != (name, channel):
        raise SignatureError(
            f"{key} in {store.address} is the channel {document.channel} of {document.name}.",
            fix="Somebody has put it there: look at who may write to the store.",
        )
    return document, info.etag


def require_channel(store: Store, name: str, channel: str) -> Channel:
    """Return a channel.

    Raises:
        ConflictError: there is none of this name.
    """
    found = read_channel(store, name, channel)
    if found is None:
        raise ConflictError(
            f"{name} has no channel {channel} in {store.address}.",
            fix=f"See which it has: yolo-edge channels {name}. The first promote makes one.",
        )
    return found[0]


def flip(
    store: Store,
    name: str,
    channel: str,
    decide: Decide,
    *,
    signer: Signer | None = None,
    lifetime: timedelta | None = None,
    dry_run: bool = False,
) -> Flip:
    """Change a channel, whoever else is changing it.

    Args:
        store: where it is.
        name: of the model.
        channel: its name.
        decide: what to make of the present state; None leaves it. Called again when somebody else was quicker.
        signer: what the file is signed with.
        lifetime: how long readers may trust the file; None for ever.
        dry_run: write nothing, and return what would be done.

    Raises:
        ConflictError: ``decide`` raised it, others were quicker time and again, or the file is signed and there is no
            signer.
    """
    key, nonce = channel_key(name, channel), secrets.token_hex(16)
    attempts: list[tuple[Channel, Channel | None]] = []
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.02 * 2**attempt)))
        found = read_channel(store, name, channel)
        current, etag = found or (None, None)
        if attempts and current is not None and nonce in (current.nonce, *(state.nonce for state in current.history)):
            return Flip(*attempts[-1], changed=True)  # an earlier attempt took effect, and its reply was lost
        _require_signer(current, signer, f"The channel {channel} of {name}")
        change = decide(current)
        if current is not None and change is None:
            return Flip(current, current, changed=False)
        assert change is not None
        following = sign(_following(name, channel, current, change, nonce, lifetime), signer)
        if dry_run:
            return Flip(following, current, changed=True)
        attempts.append((following, current))
        try:
            store.swap(key, following.to_bytes(), CHANNEL_HEADERS, etag)
        except ConflictError:
            continue
        return Flip(following, current, changed=True)
    raise ConflictError(
        f"Others changed the channel {channel} of {name} at each of {_ATTEMPTS} attempts.", fix="Try again later."
    )


def _following(
    name: str, channel: str, current: Channel | None, change: Change, nonce: str, lifetime: timedelta | None
) -> Channel:
    seq = current.seq + 1 if current else 1
    now = datetime.now(UTC)
    if lifetime is None and current is not None and current.expires is not None:
        lifetime = _time(current.expires) - _time(current.updated)  # what was promised once is not lost by a change
    history = (current.past(), *current.history)[:HISTORY_LENGTH] if current else ()
    return Channel(
        name=name,
        channel=channel,
        seq=seq,
        canary=change.canary,
        action=change.action,
        origin=change.origin if change.origin is not None else seq,
        nonce=nonce,
        updated=now.strftime(_TIME_FORMAT),
        expires=(now + lifetime).strftime(_TIME_FORMAT) if lifetime else None,
        history=history,
        **dict(change.target),
    )


def _require_signer(current: Channel | None, signer: Signer | None, what: str) -> None:
    if current is None or current.signature is None:
        return
    key_id = signer.public_key.key_id if signer else None
    if key_id != current.signature.key_id:
        given = f"by {key_id}" if key_id else "unsigned"
        raise ConflictError(
            f"{what} is signed by {current.signature.key_id}; a change {given} would be refused by its readers.",
            fix="Give --sign with the same key. A new key needs a new channel.",
        )
    assert signer is not None
    # Or the publisher would vouch for what somebody else has written into the file.
    check_signature(current, signer.public_key, what)


def _time(value: str) -> datetime:
    return datetime.strptime(value, _TIME_FORMAT).replace(tzinfo=UTC)
