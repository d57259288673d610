"""Reading a published release as its users do: from the channel to the record to the files, each checked by the last.

Who may write to the store, but has no signing key, cannot make a reader accept anything: records and channels are
signed, a record is named by its hash in the channel, files are named by their hashes in the record, and an old channel
file that is put back has a lower ``seq`` than the reader has seen.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from yolo_edge.bundle.remote import Delivery, fetch_file
from yolo_edge.cache import cache_root
from yolo_edge.console import progress
from yolo_edge.errors import InputError, OutputError, SignatureError
from yolo_edge.files import MANIFEST_FILE, sha256_of, staged_file
from yolo_edge.publication.channel import Canary, Channel, Target
from yolo_edge.publication.documents import LARGEST_DOCUMENT, SignedDocument, parse_document
from yolo_edge.publication.layout import channel_key, record_key
from yolo_edge.publication.record import CommitRecord, PublishedFile
from yolo_edge.publication.signature import PublicKey, check_signature
from yolo_edge.tfjs.manifest import MODEL_FILE

_WORKERS = 6

_Document = TypeVar("_Document", bound=SignedDocument)


@dataclass(frozen=True)
class Trust:
    """What a reader asks of documents.

    Attributes:
        key: that they must be signed with; None asks for no signature.
        remember: whether to keep the highest ``seq`` of a channel, and refuse a lower one.
    """

    key: PublicKey | None = None
    remember: bool = True


@dataclass(frozen=True)
class ServedRelease:
    """A commit record that was fetched and checked.

    Attributes:
        address: of the record.
        record: what it says.
        channel: the file that led to it; None if it was asked for itself.
        canary: whether it is the channel's canary.
    """

    address: str
    record: CommitRecord
    channel: Channel | None
    canary: bool = False

    def address_of(self, path: str) -> str:
        """Return where a file of the release is served."""
        return urljoin(self.address, self.record.base + path)


def read_served(address: str, trust: Trust) -> tuple[ServedRelease, ...]:
    """Fetch a channel file or commit record, and check it.

    Args:
        address: https address of the channel file or the commit record.
        trust: what to ask of it.

    Returns:
        The release, and that of the channel's canary where it has one.

    Raises:
        SignatureError: it is not signed by the key, expired, was replayed, or leads to another record.
        ModelError: it is damaged, or of a newer schema.
        NetworkError: it is not served.
    """
    data = _document(address)
    if _kind(data) != "channel":
        record = _checked(CommitRecord, data, address, trust)
        _require_place(address, record_key(record.name, record.version))
        return (ServedRelease(address, record, None),)
    channel = _checked(Channel, data, address, trust)
    _require_place(address, channel_key(channel.name, channel.channel))
    _require_current(channel, address, trust)
    served = [_led_to(channel, channel, address, trust)]
    if channel.canary is not None:
        served.append(_led_to(channel, channel.canary, address, trust))
    return tuple(served)


def find_document(address: str) -> str | None:
    """Return the address of the channel file or commit record that an address stands for; None if of neither.

    Args:
        address: of the document, or of the directory with a commit record.

    Raises:
        NetworkError: nothing is served there.
    """
    parts = urlsplit(address)
    if PurePosixPath(parts.path).name == MODEL_FILE:
        return None
    is_document = parts.path.endswith(".json")
    place = address if is_document else urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{MANIFEST_FILE}"))
    return place if _kind(_document(place)) in ("channel", "release") else None


def fetch_files(served: ServedRelease, target: Path) -> dict[str, Delivery]:
    """Fetch all files of a release, each checked against the record.

    Args:
        served: the release.
        target: an empty directory; each file gets its path below it.

    Returns:
        Path → how it was sent.

    Raises:
        SignatureError: a file has other bytes than the record says.
        NetworkError: a file is not served.
    """
    files = served.record.files

    def fetch(path: str) -> Delivery:
        entry = files[path]
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        delivery = fetch_file(served.address_of(path), place, entry.bytes)
        _require_bytes(place, entry, served.address_of(path))
        return delivery

    with (
        ThreadPoolExecutor(_WORKERS) as threads,
        progress(f"Fetching {served.record.name} {served.record.version}", len(files), "files") as advance,
    ):
        deliveries = {}
        for path, delivery in zip(files, threads.map(fetch, files), strict=True):
            deliveries[path] = delivery
            advance(1)
    return deliveries


def _led_to(channel: Channel, target: Target, address: str, trust: Trust) -> ServedRelease:
    place = urljoin(address, target.record.path)
    data = _document(place)
    if hashlib.sha256(data).hexdigest() != target.record.sha256:
        raise SignatureError(
            f"{place} is not the record that {address} names by its sha256.",
            fix="Do not use it: whoever may write to the store has changed one of the two.",
        )
    record = _checked(CommitRecord, data, place, trust)
    if (record.name, record.version, record.release) != (channel.name, target.version, target.release):
        raise SignatureError(
            f"{address} leads to {record.name} {record.version}, not to {channel.name} {target.version}.",
            fix="Do not use it: whoever may write to the store has changed one of the two.",
        )
    return ServedRelease(place, record, channel, canary=isinstance(target, Canary))


def _checked(form: type[_Document], data: bytes, address: str, trust: Trust) -> _Document:
    document = parse_document(form, data, address)
    if trust.key is not None:
        check_signature(document, trust.key, address)
    return document


def _require_place(address: str, key: str) -> None:
    """Check that a document lies where it belongs: a genuine one may be put in the place of another."""
    if not urlsplit(address).path.endswith(f"/{key}"):
        raise SignatureError(
            f"{address} is the document of {key}.",
            fix="Do not use it: whoever may write to the store has put it in the place of another.",
        )


def _require_current(channel: Channel, address: str, trust: Trust) -> None:
    if channel.expired:
        raise SignatureError(
            f"{address} expired on {channel.expires}.",
            fix="Its publisher renews it with: yolo-edge promote … --expires. An old copy may have been put back.",
        )
    if not trust.remember:
        return
    path = _memory(address, trust)
    seen = _seen(path)
    if channel.seq < seen:
        raise SignatureError(
            f"{address} is at seq {channel.seq}, and {seen} was seen before: an old file was put back.",
            fix=f"Look at who may write to the store. If the channel was begun anew, delete {path}.",
        )
    try:
        with staged_file(path, force=True) as staging:
            staging.write_text(json.dumps({"address": address, "seq": channel.seq}) + "\n", encoding="utf-8")
    except OutputError as error:
        raise OutputError(
            f"{error.what} So it cannot be remembered which seq was seen.", fix="Make the cache writable."
        ) from error


def _memory(address: str, trust: Trust) -> Path:
    """Where the highest seq of a channel is kept. Each key has its own: an unsigned file must not raise it."""
    name = hashlib.sha256(f"{trust.key.key_id if trust.key else ''} {address}".encode()).hexdigest()[:32]
    return cache_root() / "channels" / f"{name}.json"


def _seen(path: Path) -> int:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["seq"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}, which says which seq of a channel was seen, cannot be read.", fix="Delete it if it is damaged."
        ) from error


def _document(address: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        target = Path(scratch) / "document.json"
        fetch_file(address, target, LARGEST_DOCUMENT, exact=False)
        return target.read_bytes()


def _kind(data: bytes) -> str | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def _require_bytes(path: Path, entry: PublishedFile, address: str) -> None:
    if sha256_of(path) != entry.sha256:
        raise SignatureError(
            f"{address} is not the file that the commit record names by its sha256.",
            fix="Purge the cache of the CDN. If it stays so, somebody has changed what is in the store.",
        )
