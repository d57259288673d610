"""What may become of a channel: promote, roll back, try on a part of the readers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from yolo_edge.errors import ConflictError, SignatureError, UsageError
from yolo_edge.publication.channel import Canary, Change, Channel, Decide, Flip, PastState, Target, flip, target_of
from yolo_edge.publication.layout import retirement_key
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import read_record, require_record
from yolo_edge.publication.signature import Signer, check_signature
from yolo_edge.publication.store import Store

NEW = "none"
"""What is expected of a channel that is not there yet."""


@dataclass(frozen=True)
class Flipping:
    """How a channel is changed.

    Attributes:
        store: where it is.
        name: of the model.
        channel: of the channel.
        expect: the version or the ``seq`` that the channel must be at, ``none`` if it must not be there yet; None for
            whatever it is at.
        signer: what the file is signed with.
        lifetime: how long readers may trust the file; None for ever.
        dry_run: write nothing, and return what would be done.
    """

    store: Store
    name: str
    channel: str
    expect: str | None = None
    signer: Signer | None = None
    lifetime: timedelta | None = None
    dry_run: bool = False

    def require_expected(self, current: Channel | None) -> None:
        """Check that the channel is at what is expected.

        Raises:
            ConflictError: it is at something else.
        """
        if self.expect is None:
            return
        found = (NEW,) if current is None else (current.version, str(current.seq))
        if self.expect not in found:
            at = "is not there" if current is None else f"is at {current.version} (seq {current.seq})"
            raise ConflictError(
                f"The channel {self.channel} of {self.name} {at}, not at {self.expect}.",
                fix="Look at what happened: yolo-edge history. Then give --expect what it is at now.",
            )


def promote(flipping: Flipping, version: str, *, record: CommitRecord | None = None) -> Flip:
    """Let a channel's readers get a version. Its canary ends.

    Args:
        flipping: which channel.
        version: published before.
        record: of the version, where it has just been read and found not to be retired.

    Raises:
        ConflictError: the version is not there, was retired, or the channel is not at what was expected.
    """
    target = _target(flipping, record or require_record(flipping.store, flipping.name, version))

    def decide(current: Channel | None) -> Change | None:
        is_so = current is not None and current.version == version and current.canary is None
        is_signed = flipping.signer is None or (current is not None and current.signature is not None)
        if is_so and is_signed and flipping.lifetime is None:  # a signature or a new date of expiry is a change
            return None
        flipping.require_expected(current)
        return Change("promote", target, origin=current.origin if is_so and current else None)

    return _flipped(flipping, decide)


def roll_back(flipping: Flipping, version: str | None = None) -> Flip:
    """Let a channel's readers get what they had before. Its canary ends.

    Args:
        flipping: which channel.
        version: one that the channel was at; None for the last that was not retired.

    Raises:
        ConflictError: there is no channel, it was never at such a version, or the version was retired.
    """

    def decide(current: Channel | None) -> Change | None:
        flipping.require_expected(current)
        if current is None:
            raise ConflictError(
                f"{flipping.name} has no channel {flipping.channel}.", fix=f"See yolo-edge channels {flipping.name}."
            )
        state, record = _earlier(flipping, current, version)
        if state.version == current.version and current.canary is None:
            return None
        return Change("rollback", _target(flipping, record), origin=state.origin)

    return _flipped(flipping, decide)


def try_canary(flipping: Flipping, version: str, percent: float) -> Flip:
    """Let a part of a channel's readers get another version; 0 percent ends that.

    Raises:
        UsageError: the percentage is not from 0 to below 100, or has more than two decimal places.
        ConflictError: there is no channel, or the version is not there, was retired, or is what all readers get.
    """
    if not 0 <= percent < 100 or round(percent, 2) != percent:
        raise UsageError(
            f"{percent:g} is no percentage of a canary.",
            fix="Give 0 to 99.99 with at most two decimal places; for all readers: yolo-edge promote.",
        )
    target = _target(flipping, require_record(flipping.store, flipping.name, version))

    def decide(current: Channel | None) -> Change | None:
        flipping.require_expected(current)
        if current is None:
            raise ConflictError(
                f"{flipping.name} has no channel {flipping.channel} to try {version} on.",
                fix="Promote a version first; a canary is a part of a channel's readers.",
            )
        return _canary_change(current, target, percent)

    return _flipped(flipping, decide)


def _target(flipping: Flipping, record: CommitRecord) -> Target:
    """Return what a channel says of a version; a signed channel leads to signed records alone."""
    if flipping.signer is not None:
        try:
            check_signature(record, flipping.signer.public_key, f"The record of {record.name} {record.version}")
        except SignatureError as error:
            raise ConflictError(
                f"{error.what} Readers of a signed channel would refuse it.",
                fix="Publish it with --sign, under a new version.",
            ) from error
    return target_of(record)


def _canary_change(current: Channel, target: Target, percent: float) -> Change | None:
    present = current.canary
    stable = Target(**{name: getattr(current, name) for name in Target.model_fields})
    if percent == 0:
        return Change("canary", stable, None, current.origin) if present else None
    if current.version == target.version:
        raise ConflictError(
            f"All readers of {current.channel} get {target.version} already.", fix="Give another version."
        )
    if present and (present.version, present.percent) == (target.version, percent):
        return None
    # The same version keeps its salt, so that the readers who have it keep it when the part grows.
    salt = present.salt if present and present.version == target.version else secrets.token_hex(8)
    canary = Canary(percent=percent, salt=salt, **dict(target))
    return Change("canary", stable, canary, current.origin)


def _earlier(flipping: Flipping, current: Channel, version: str | None) -> tuple[PastState, CommitRecord]:
    """Return the state to go back to, and the record of its version."""
    wanted = [
        state
        for state in current.history
        if (state.seq < current.origin and state.version != current.version if version is None else True)
        and version in (None, state.version)
    ]
    for state in wanted:
        record = read_record(flipping.store, flipping.name, state.version)
        is_retired = flipping.store.head(retirement_key(flipping.name, state.version)) is not None
        if record is not None and not is_retired:
            return state, record
    what = "before that is there" if version is None else f"of {version} in its history that can be served"
    raise ConflictError(
        f"The channel {flipping.channel} of {flipping.name} is at {current.version}, and no state {what}.",
        fix=f"See yolo-edge history {flipping.name}; any published version can be promoted.",
    )


def _flipped(flipping: Flipping, decide: Decide) -> Flip:
    result = flip(
        flipping.store,
        flipping.name,
        flipping.channel,
        decide,
        signer=flipping.signer,
        lifetime=flipping.lifetime,
        dry_run=flipping.dry_run,
    )
    # Retiring marks the version first and looks at the channels then, so one of the two sees the other.
    versions = [result.channel.version, *([result.channel.canary.version] if result.channel.canary else [])]
    for version in versions if result.changed else ():
        if flipping.store.head(retirement_key(flipping.name, version)) is None:
            continue
        raise ConflictError(
            f"{flipping.name} {version} was retired at the same moment; {flipping.channel} is at it.",
            fix=f"Run: yolo-edge rollback {flipping.name} --channel {flipping.channel}. Until then nothing is deleted.",
        )
    return result
