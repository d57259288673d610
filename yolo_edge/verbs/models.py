"""``models``: what weights are known by name, and which of them are here already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.checkpoint.catalogue import cached_path, is_cached, load_catalogue


@dataclass(frozen=True)
class ModelListing:
    """One entry of the catalogue.

    Attributes:
        name: what to give as SOURCE.
        bytes: size of the weights file.
        licence: SPDX identifier.
        cached: the file in the cache, verified; None when it is yet to be downloaded.
    """

    name: str
    bytes: int
    licence: str
    cached: Path | None

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON-ready values."""
        cached = str(self.cached) if self.cached else None
        return {"name": self.name, "bytes": self.bytes, "licence": self.licence, "cached": cached}


def models() -> tuple[ModelListing, ...]:
    """List the weights of the catalogue. Needs no network.

    Raises:
        InputError: the catalogue file was edited and is wrong.
    """
    return tuple(
        ModelListing(entry.name, entry.bytes, entry.licence, cached_path(entry) if is_cached(entry) else None)
        for entry in load_catalogue()
    )
