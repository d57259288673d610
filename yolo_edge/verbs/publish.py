"""``publish``: put a release into a store, whole or not at all, and let a channel point to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from yolo_edge.addresses import safe_site_address
from yolo_edge.console import say
from yolo_edge.errors import UsageError
from yolo_edge.publication.channel import Flip
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.delivery import Received, address_of, look_at_release
from yolo_edge.publication.layout import channel_key, check_name, check_version, record_key
from yolo_edge.publication.promotion import Flipping, promote
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import (
    PlannedRelease,
    PublishedRelease,
    look_up_release,
    plan_release,
    publish_release,
)
from yolo_edge.publication.requirement import read_reports, require_passed
from yolo_edge.publication.signature import load_signer
from yolo_edge.publication.store import Store, open_store

State = Literal["published", "already published", "dry run"]


@dataclass(frozen=True)
class Publication:
    """What ``publish`` did.

    Attributes:
        state: whether the version is new.
        store: its address.
        record: the commit record.
        files_written: files that were uploaded.
        bytes_written: their stored bytes.
        planned: what would be uploaded; None but in a dry run.
        flip: what became of the channel, or would; None without one.
        url: address that the store is served at; None if none was given.
        received: what a browser gets of each file, where an address to look at was given.
        notes: what else there is to say, in sentences without a full stop.
    """

    state: State
    store: str
    record: CommitRecord
    files_written: int
    bytes_written: int
    planned: PlannedRelease | None
    flip: Flip | None
    url: str | None
    received: tuple[Received, ...]
    notes: tuple[str, ...]

    @property
    def record_key(self) -> str:
        """Key of the commit record; also its path below the address that the store is served at."""
        return record_key(self.record.name, self.record.version)

    def model_key(self, variant: str) -> str:
        """Return the key of a variant's ``model.json``, which ``tf.loadGraphModel`` takes the address of."""
        return self.record.key_of(self.record.variants[variant].model)

    @property
    def loader_key(self) -> str | None:
        """Key of the loader for browsers; None where it was not published along."""
        return self.record.key_of(self.record.web) if self.record.web else None

    @property
    def channel_key(self) -> str | None:
        """Key of the channel file, which the loader takes the address of; None without a channel."""
        return channel_key(self.flip.channel.name, self.flip.channel.channel) if self.flip else None

    def address(self, key: str) -> str:
        """Return where a page loads an object; its key where nobody said at which address the store is served."""
        return key if self.url is None else address_of(self.url, key)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        record = self.record
        channel = self.flip.channel if self.flip else None
        return {
            "state": self.state,
            "store": self.store,
            "name": record.name,
            "version": record.version,
            "release": record.release,
            "record": self.record_key,
            "url": self.url,
            "loader": self.loader_key,
            "models": {variant: self.model_key(variant) for variant in record.variants},
            "signed_by": record.signature.key_id if record.signature else None,
            "files": len(record.files),
            "stored_bytes": sum(file.stored_bytes for file in record.files.values()),
            "files_written": self.files_written,
            "bytes_written": self.bytes_written,
            "planned": self.planned
            and {"published": self.planned.published, "files": self.planned.files, "bytes": self.planned.bytes},
            "channel": channel
            and {
                "channel": channel.channel,
                "key": self.channel_key,
                "seq": channel.seq,
                "version": channel.version,
                "changed": self.flip is not None and self.flip.changed,
            },
            "received": [entry.to_json() for entry in self.received],
            "notes": list(self.notes),
        }


def publish(
    directory: str | Path | Mapping[str, Path],
    *,
    store: str,
    name: str,
    version: str,
    channel: str | None = None,
    expect: str | None = None,
    endpoint_url: str | None = None,
    url: str | None = None,
    dry_run: bool = False,
    require_gate: str | Path | Sequence[str | Path] | None = None,
    precompress: bool | None = None,
    precompress_json: bool = False,
    sign: str | Path | None = None,
    expires: timedelta | None = None,
) -> Publication:
    """Put converted directories into a store as a version that never changes.

    Running it again after anything, a crash or a lost connection, finishes the job or finds it done.

    Args:
        directory: a converted directory, or a folder of several, which become the variants; or variant → directory.
        store: ``s3://bucket/prefix``, ``file:///folder`` or the path of a folder.
        name: of the model: lowercase letters, digits and dashes.
        version: a semantic version, never used before.
        channel: let this channel point to the version then.
        expect: what the channel must be at: a version, a ``seq``, or ``none``.
        endpoint_url: of an S3 service other than Amazon's.
        url: address that the store is served at; each file is fetched through it then, as a browser would.
        dry_run: read and check everything, look up what is there, and write nothing.
        require_gate: a ``report.json`` of ``validate``, or its directory; several for several input sizes. They must
            have judged these very bytes, and not failed them. They are published along, as one.
        precompress: store shards as Brotli; by default in S3 stores, as CDNs do not compress them.
        precompress_json: store ``.json`` and ``.js`` files as Brotli too.
        sign: a private key, PEM, for the commit record and the channel file.
        expires: how long readers may trust the channel file.

    Returns:
        What was done.

    Raises:
        UsageError: a name, version or address cannot be one.
        InputError: the directory holds no models, or a file changed since it was made.
        GateError: the report failed a variant, or judged other bytes.
        ConflictError: the version is there with other files, or the channel is not at what was expected.
        NetworkError: the store is not reached, refuses, does not honour conditional writes, or ``url`` serves something
            else.
        MissingComponentError: a package is missing that the store or the signature needs.
    """
    name, version = check_name(name, "model"), check_version(version)
    if url is not None:
        safe_site_address(url)
    if channel is not None:
        check_name(channel, "channel")
    elif expect is not None or expires is not None:
        raise UsageError("--expect and --expires are about a channel.", fix="Add --channel, or leave them out.")
    place = open_store(store, endpoint_url=endpoint_url)
    signer = load_signer(Path(sign)) if sign is not None else None
    report = read_reports(_paths(require_gate)) if require_gate is not None else None
    models = directory if isinstance(directory, Mapping) else Path(directory)
    compression = Compression(_stores_brotli(place) if precompress is None else precompress, precompress_json)
    content = read_content(models, compression, report=report.data if report else None)
    notes = [f"Not published, as no manifest lists it: {entry}" for entry in content.left_out]
    if report is not None:
        undecided = require_passed(report, content.directories)
        notes += [f"The report found too few photos to decide on every bound of {variant}" for variant in undecided]
    record = plan_release(content, name, version, gate=report.record() if report else None, signer=signer)
    done: PlannedRelease | PublishedRelease
    if dry_run:
        say("Dry run: nothing is written.")
        done = look_up_release(place, content, record, signer=signer)
    else:
        done = publish_release(place, content, record, signer=signer)
    flip = None
    if channel is not None:
        flipping = Flipping(place, name, channel, expect, signer, expires, dry_run)
        flip = promote(flipping, version, record=done.record)
    if isinstance(done, PlannedRelease):
        return Publication("dry run", place.address, done.record, 0, 0, done, flip, url, (), tuple(notes))
    place.settle()
    received = look_at_release(url, done.record) if url is not None else ()
    return _result(place, done, flip, url, received, notes)


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]


def _stores_brotli(store: Store) -> bool:
    """A host that takes a folder compresses by itself; what fronts a bucket leaves ``.bin`` files alone."""
    return not store.address.startswith("file:")


def _result(
    store: Store,
    done: PublishedRelease,
    flip: Flip | None,
    url: str | None,
    received: tuple[Received, ...],
    notes: list[str],
) -> Publication:
    state: State = "published" if done.written else "already published"
    return Publication(
        state,
        store.address,
        done.record,
        done.files_written,
        done.bytes_written,
        None,
        flip,
        url,
        received,
        tuple(notes),
    )
