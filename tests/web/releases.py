"""Small release trees, as the publisher writes them: channels, commit records, variants."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.manifest import read_manifest

LEFT_OUT = {"model.onnx"}


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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
    def folder(self) -> Path:
        return self.root / "models" / self.name

    def channel_path(self, channel: str = "stable") -> str:
        return f"models/{self.name}/channels/{channel}.json"

    def publish(self, version: str, variants: dict[str, Path]) -> dict[str, Any]:
        """Write a version of converted directories; return its commit record."""
        files, described = {}, {}
        for variant, directory in variants.items():
            manifest = read_manifest(directory)
            for path in sorted(directory.iterdir()):
                if path.name in LEFT_OUT:
                    continue
                data = path.read_bytes()
                files[f"{variant}/{path.name}"] = {
                    "bytes": len(data),
                    "sha256": digest(data),
                    "integrity": f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}",
                    "content_type": "application/json" if path.suffix == ".json" else "application/octet-stream",
                    "content_encoding": None,
                    "stored_bytes": len(data),
                    "stored_sha256": digest(data),
                }
            described[variant] = {
                "scheme": manifest.scheme,
                "family": manifest.model.family,
                "image_size": list(manifest.model.image_size),
                "model": f"{variant}/model.json",
                "manifest": f"{variant}/manifest.json",
                "raw_bytes": manifest.raw_bytes,
                "wire_bytes": manifest.wire_bytes,
            }
        release = digest(canonical(files))
        base = f"{release[:16]}/"
        for variant, directory in variants.items():
            target = self.folder / version / base / variant
            target.mkdir(parents=True)
            for path in directory.iterdir():
                if path.name not in LEFT_OUT:
                    shutil.copyfile(path, target / path.name)
        record = {
            "schema_version": 1,
            "kind": "release",
            "name": self.name,
            "version": version,
            "release": release,
            "base": base,
            "variants": described,
            "web": None,
            "files": files,
            "licence": "AGPL-3.0",
            "gate": None,
        }
        (self.folder / version / "manifest.json").write_bytes(canonical(record))
        return record

    def pointer(self, version: str) -> dict[str, Any]:
        data = (self.folder / version / "manifest.json").read_bytes()
        return {
            "version": version,
            "release": json.loads(data)["release"],
            "record": {
                "path": f"../{version}/manifest.json",
                "sha256": digest(data),
                "integrity": f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}",
            },
        }

    def promote(self, version: str, *, canary: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Point the stable channel to a version; ``changes`` replace fields of the document."""
        self.seq += 1
        document = {
            "schema_version": 1,
            "kind": "channel",
            "name": self.name,
            "channel": "stable",
            "seq": self.seq,
            **self.pointer(version),
            "canary": canary,
            "action": "promote",
            "origin": self.seq,
            "nonce": f"{self.seq:032x}",
            "updated": "2026-11-24T13:00:00Z",
            "expires": None,
            "history": [],
            **changes,
        }
        path = self.root / self.channel_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(canonical(document))
        return document
