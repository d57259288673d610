"""The protocol of publishing: a version is there wholly or not at all, and never changes.

1. Read the commit record. One of the same files ends the work, after a look at whether all of them are there; one of
   other files is a conflict.
2. Leave a lease, so that :mod:`yolo_edge.publication.collection` leaves the files alone.
3. Create the files, each under a key that no other bytes can have; ``model.json`` files last. One that is there already
   is compared, so the work may be begun again after anything.
4. Look at each file as the store now describes it.
5. Create the commit record: the one moment in which the version appears.

All writes are create-only, so of two publishers of different files exactly one wins, at step 5.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from yolo_edge.console import progress, say
from yolo_edge.errors import ConflictError, NetworkError, SignatureError
from yolo_edge.publication.conditions import require_conditional_writes
from yolo_edge.publication.content import Content, StoredFile
from yolo_edge.publication.documents import parse_document
from yolo_edge.publication.layout import (
    LEASE_HEADERS,
    LEASE_STEM,
    RECORD_HEADERS,
    collection_key,
    file_headers,
    record_key,
    retirement_key,
)
from yolo_edge.publication.record import CommitRecord, GateRecord, content_differences, make_record
from yolo_edge.publication.signature import Signer, check_signature, sign
from yolo_edge.publication.store import ObjectInfo, Store, differences
from yolo_edge.tfjs.manifest import MODEL_FILE

COLLECTION_SECONDS = 60.0
"""How long a publisher waits for somebody who deletes what a dead one left of the same release."""

_POLL_SECONDS = 0.5

WORKERS = 12
"""Requests side by side; the S3 client keeps 16 connections."""


@dataclass(frozen=True)
class PublishedRelease:
    """What publishing did.

    Attributes:
        record: the commit record, as it is in the store.
        written: whether this call created the record; False where the version was published before.
        files_written: files that this call created.
        bytes_written: their stored bytes.
    """

    record: CommitRecord
    written: bool
    files_written: int
    bytes_written: int


@dataclass(frozen=True)
class PlannedRelease:
    """What publishing would do.

    Attributes:
        record: the commit record, as it is in the store or would be.
        published: whether the version is there already.
        files: how many files would be created.
        bytes: their stored bytes.
    """

    record: CommitRecord
    published: bool
    files: int
    bytes: int


def plan_release(
    content: Content, name: str, version: str, *, gate: GateRecord | None = None, signer: Signer | None = None
) -> CommitRecord:
    """Return the commit record that publishing would create. Nothing is read or written."""
    record = make_record(
        name,
        version,
        variants=content.variants,
        files={file.path: file.entry for file in content.files},
        licence=content.licence,
        web=content.web,
        gate=gate,
    )
    return sign(record, signer)


def publish_release(
    store: Store, content: Content, record: CommitRecord, *, signer: Signer | None = None
) -> PublishedRelease:
    """Create a version, or finish what an earlier call began.

    Args:
        store: where to.
        content: the files.
        record: of :func:`plan_release`.
        signer: what the record is signed with.

    Raises:
        ConflictError: the version was published with other files, unsigned or by another key, or was retired.
        NetworkError: the store is not reached, refuses, or does not honour conditional writes.
    """
    name, version = record.name, record.version
    with ThreadPoolExecutor(WORKERS) as threads:
        retired = threads.submit(store.head, retirement_key(name, version))
        published = read_record(store, name, version)
        if retired.result() is not None:
            raise _retired(name, version)
        if published is None:
            done = _create(store, content, record, threads)
            if done is not None:
                return done
            published = require_record(store, name, version)  # somebody else was quicker: perhaps with the same files
        _require_same(published, record, signer, store.address)
        return _heal(store, content, published, threads)


def look_up_release(
    store: Store, content: Content, record: CommitRecord, *, signer: Signer | None = None
) -> PlannedRelease:
    """Return what :func:`publish_release` would do, which takes the same. Nothing is written.

    Raises:
        ConflictError: the version was published with other files, unsigned or by another key, or was retired.
        NetworkError: the store is not reached or refuses.
    """
    name, version = record.name, record.version
    published = read_record(store, name, version)
    if store.head(retirement_key(name, version)) is not None:
        raise _retired(name, version)
    if published is None:
        base = record.key_of("")
        there = {listed.key for listed in store.list(base)}
        missing = [file for file in content.files if base + file.path not in there]
    else:
        _require_same(published, record, signer, store.address)
        missing = _missing(store, content, published)
    size = sum(len(file.data) for file in missing)
    return PlannedRelease(published or record, published is not None, len(missing), size)


def read_record(store: Store, name: str, version: str) -> CommitRecord | None:
    """Return the commit record of a version; None if it was never published.

    Raises:
        ModelError: it is damaged, or of a newer schema.
    """
    key = record_key(name, version)
    found = store.get(key)
    if found is None:
        return None
    record = parse_document(CommitRecord, found[0], f"{key} in {store.address}")
    if (record.name, record.version) != (name, version):
        raise SignatureError(
            f"{key} in {store.address} is the record of {record.name} {record.version}.",
            fix="Somebody has put it there: look at who may write to the store.",
        )
    return record


def require_record(store: Store, name: str, version: str) -> CommitRecord:
    """Return the commit record of a version that can be served.

    Raises:
        ConflictError: it was never published, or was retired.
    """
    record = read_record(store, name, version)
    if record is None:
        raise ConflictError(
            f"{name} {version} is not in {store.address}.", fix="See what is: yolo-edge releases. Or publish it first."
        )
    if store.head(retirement_key(name, version)) is not None:
        raise ConflictError(f"{name} {version} was retired.", fix="Choose another version: yolo-edge releases.")
    return record


def _create(
    store: Store, content: Content, record: CommitRecord, threads: ThreadPoolExecutor
) -> PublishedRelease | None:
    """Write the files and the record; None if somebody else has written another record meanwhile."""
    base = record.key_of("")
    lease = f"{base}{LEASE_STEM}{secrets.token_hex(8)}.json"
    probe = threads.submit(require_conditional_writes, store)
    store.put_once(lease, b"{}", LEASE_HEADERS)
    models, others = _parted(content.files)
    written = _put_all(store, base, others, threads) + _put_all(store, base, models, threads)
    _look_at_all(store, base, content.files, threads)
    probe.result()  # until here no key could be of other bytes, so nothing could be overwritten
    try:
        committed = store.put_once(record_key(record.name, record.version), record.to_bytes(), RECORD_HEADERS)
    except ConflictError:
        return None
    if len(written) < len(content.files):
        # Files of an earlier run may have been old enough to be collected, by somebody who did not see the lease yet.
        _wait_for_collection(store, record)
        written += _put_all(store, base, content.files, threads)
    _give_up(store, lease)
    return PublishedRelease(record, committed.written, len(written), sum(info.bytes for info in written))


def _wait_for_collection(store: Store, record: CommitRecord) -> None:
    mark = collection_key(record.name, record.version, record.base)
    deadline = time.monotonic() + COLLECTION_SECONDS
    while store.head(mark) is not None:
        if time.monotonic() > deadline:
            raise NetworkError(
                f"Somebody is collecting {record.name} {record.version} in {store.address}, or died of it ({mark}).",
                fix="Let that end, then run the same command again: it puts back what is missing.",
            )
        time.sleep(_POLL_SECONDS)


def _give_up(store: Store, lease: str) -> None:
    try:
        store.delete(lease)
    except NetworkError as error:  # publishing does not need the right to delete; collect takes it away
        say(f"The lease {lease} stays in {store.address}: {error.what}")


def _heal(store: Store, content: Content, published: CommitRecord, threads: ThreadPoolExecutor) -> PublishedRelease:
    """Create those files of a published version that are not there any more."""
    written = _put_all(store, published.key_of(""), _missing(store, content, published), threads)
    return PublishedRelease(published, False, len(written), sum(info.bytes for info in written))


def _missing(store: Store, content: Content, published: CommitRecord) -> list[StoredFile]:
    """Return those files of a published version that the store does not hold."""
    base = published.key_of("")
    sizes = {listed.key.removeprefix(base): listed.bytes for listed in store.list(base)}
    missing = [path for path in published.files if path not in sizes]
    others = [path for path, file in published.files.items() if sizes.get(path, file.stored_bytes) != file.stored_bytes]
    if others:
        raise ConflictError(
            f"{base}{others[0]} in {store.address} is not the file that was published.",
            fix="Somebody has replaced it: look at who may write to the store, and publish under a new version.",
        )
    here = {file.path: file for file in content.files if file.entry == published.files.get(file.path)}
    lost = [path for path in missing if path not in here]
    if lost:
        raise NetworkError(
            f"{published.name} {published.version} lacks {lost[0]} in {store.address}; here it would be another file.",
            fix="Publish with the options, report and version of brotli of the first time.",
        )
    return [here[path] for path in missing]


def _retired(name: str, version: str) -> ConflictError:
    return ConflictError(f"{name} {version} was retired.", fix="A version is never used again: raise it.")


def _require_same(published: CommitRecord, wanted: CommitRecord, signer: Signer | None, address: str) -> None:
    named = f"{wanted.name} {wanted.version}"
    told = content_differences(published, wanted)
    if told:
        more = f", and {len(told) - 3} more" if len(told) > 3 else ""
        raise ConflictError(
            f"{named} is in {address} already, with other files: {'; '.join(told[:3])}{more}.",
            fix="What is published does not change: raise the version.",
        )
    if signer is not None:
        try:
            check_signature(published, signer.public_key, f"The record of {named}")
        except SignatureError as error:
            raise ConflictError(
                f"{named} is published already. {error.what}", fix="A record does not change: raise the version."
            ) from error


def _parted(files: Iterable[StoredFile]) -> tuple[list[StoredFile], list[StoredFile]]:
    """Return the files that browsers load first, and the others."""
    models: list[StoredFile] = []
    others: list[StoredFile] = []
    for file in files:
        (models if PurePosixPath(file.path).name == MODEL_FILE else others).append(file)
    return models, others


def _put_all(store: Store, base: str, files: Iterable[StoredFile], threads: ThreadPoolExecutor) -> list[ObjectInfo]:
    """Create files; return those that were not there."""
    files = list(files)

    def put(file: StoredFile) -> ObjectInfo:
        return store.put_once(base + file.path, file.data, file_headers(file.path, file.entry.content_encoding))

    with progress("Uploading", sum(len(file.data) for file in files), "bytes") as advance:
        return [info for info in _each(threads, put, files, lambda file: advance(len(file.data))) if info.written]


def _look_at_all(store: Store, base: str, files: Iterable[StoredFile], threads: ThreadPoolExecutor) -> None:
    """Check that the store describes each file as it was sent."""
    files = list(files)
    for file, found in zip(files, threads.map(lambda file: store.head(base + file.path), files), strict=True):
        told = (
            ("nothing",)
            if found is None
            else differences(found, file.data, file_headers(file.path, file.entry.content_encoding))
        )
        if told:
            raise NetworkError(
                f"{store.address} does not hold {file.path} as it was sent: {'; '.join(told)}.",
                fix="Run yolo-edge doctor on the store; nothing was published.",
            )


def _each(
    threads: ThreadPoolExecutor,
    work: Callable[[StoredFile], ObjectInfo],
    files: list[StoredFile],
    done: Callable[[StoredFile], None],
) -> Iterable[ObjectInfo]:
    """Yield results in the order of the files; the first failure drops what has not begun."""
    pending = [threads.submit(work, file) for file in files]
    try:
        for file, future in zip(files, pending, strict=True):
            yield future.result()
            done(file)
    finally:
        for future in pending:
            future.cancel()
