"""What a browser really receives of a release: each file fetched by its address, as a browser asks for it."""

from __future__ import annotations

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.remote import Delivery, fetch_file
from yolo_edge.errors import NetworkError
from yolo_edge.files import sha256_of
from yolo_edge.publication.layout import IMMUTABLE, record_key
from yolo_edge.publication.record import CommitRecord

_WORKERS = 6


@dataclass(frozen=True)
class Received:
    """How a file of a release arrives.

    Attributes:
        path: from the base of the release.
        address: of the file.
        delivery: how it was sent.
    """

    path: str
    address: str
    delivery: Delivery

    def to_json(self) -> dict[str, Any]:
        """Return the delivery as JSON-ready values."""
        return {"path": self.path, "address": self.address, **asdict(self.delivery)}


def address_of(url: str, key: str) -> str:
    """Return where an object is served."""
    return f"{url.rstrip('/')}/{key}"


def look_at_release(url: str, record: CommitRecord) -> tuple[Received, ...]:
    """Fetch a published version through the address that browsers use.

    Args:
        url: what stands before ``models/…``.
        record: of the version.

    Returns:
        One entry a file, the commit record first.

    Raises:
        NetworkError: a file is not served, arrives with other bytes, or with headers that would make browsers fetch it
            again and again.
    """
    data = record.to_bytes()
    expected = {"": (record_key(record.name, record.version), hashlib.sha256(data).hexdigest(), len(data))}
    expected |= {path: (record.key_of(path), file.sha256, file.bytes) for path, file in record.files.items()}
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch, ThreadPoolExecutor(_WORKERS) as threads:
        looks = [
            threads.submit(
                _look, path or "manifest.json", address_of(url, key), sha256, size, Path(scratch) / str(index)
            )
            for index, (path, (key, sha256, size)) in enumerate(expected.items())
        ]
        return tuple(look.result() for look in looks)


def _look(path: str, address: str, sha256: str, size: int, target: Path) -> Received:
    delivery = fetch_file(address, target, size)
    if sha256_of(target) != sha256:
        raise NetworkError(
            f"{address} arrives with other bytes than were published.",
            fix="Purge the cache of the CDN, then run yolo-edge doctor with --url.",
        )
    if delivery.cache_control != IMMUTABLE:
        raise NetworkError(
            f"{address} arrives with Cache-Control {delivery.cache_control or 'none'!r}, not {IMMUTABLE!r}.",
            fix="Let the CDN respect the headers of the origin; see docs/cdn.md.",
        )
    target.unlink()
    return Received(path, address, delivery)
