"""Release trees by the project's own publisher, with channels that a test may make wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.publication.channel import Channel, target_of
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.layout import canonical, channel_key, name_prefix
from yolo_edge.publication.release import plan_release, publish_release, require_record
from yolo_edge.publication.store import Store, open_store


@dataclass
class Releases:
    """A store of one model.

    Attributes:
        root: the folder of the store.
        name: of the model.
        seq: of the channel file that was written last.
    """

    root: Path
    name: str = "yolo-lite"
    seq: int = 0

    @property
    def store(self) -> Store:
        return open_store(str(self.root))

    @property
    def folder(self) -> Path:
        return self.root / name_prefix(self.name)

    def publish(self, version: str, variants: dict[str, Path]) -> None:
        """Publish converted directories."""
        content = read_content(variants, Compression(shards=False))
        publish_release(self.store, content, plan_release(content, self.name, version))

    def pointer(self, version: str) -> dict[str, Any]:
        return target_of(require_record(self.store, self.name, version)).model_dump(mode="json")

    def promote(self, version: str, *, canary: dict[str, Any] | None = None, **changes: Any) -> None:
        """Point the stable channel to a version; ``changes`` replace fields of the document, rightly or wrongly."""
        self.seq += 1
        channel = Channel(
            name=self.name,
            channel="stable",
            seq=self.seq,
            **self.pointer(version),
            canary=canary,
            action="promote",
            origin=self.seq,
            nonce=f"{self.seq:032x}",
            updated="2026-11-24T13:00:00Z",
        )
        path = self.root / channel_key(self.name, "stable")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(canonical(channel.unsigned() | changes))
