"""``manifest.json``: what a converted directory holds, where it came from, and the hash of every file.

Law: ``read_manifest(directory)`` gives back the manifest that ``write_manifest`` was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from yolo_edge.bundle.compress import BEST_QUALITY, FLOAT_QUALITY, brotli_bytes, compressed
from yolo_edge.bundle.contract import DecodeContract
from yolo_edge.errors import ModelError
from yolo_edge.files import MANIFEST_FILE, sha256_of
from yolo_edge.pose.head import PoseHead
from yolo_edge.schema import validated

SCHEMA_VERSION = 1

_LIBRARIES = ("numpy", "onnx", "onnxslim", "torch", "ultralytics")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Section):
    """One file of the directory.

    Attributes:
        sha256: hex digest of its bytes.
        bytes: its size.
        wire_bytes: its size after Brotli, as a browser receives it; None for files that browsers do not load.
        wire_quality: the Brotli quality ``wire_bytes`` was measured with.
    """

    sha256: str
    bytes: int
    wire_bytes: int | None = None
    wire_quality: int | None = None


class SourceRecord(_Section):
    """The file the model was made from."""

    file: str
    sha256: str
    bytes: int


class ToolRecord(_Section):
    """What made the directory."""

    version: str
    engine: str
    libraries: dict[str, str]


class ModelRecord(_Section):
    """The pose model: the fields of :class:`yolo_edge.pose.head.PoseHead`, and its size."""

    task: Literal["pose"] = "pose"
    family: str
    layout: Literal["raw", "end2end"]
    image_size: tuple[int, int]
    classes: tuple[str, ...]
    keypoint_count: int
    keypoint_dimensions: int
    keypoint_names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    output_shape: tuple[int, int, int]
    licence: str
    parameters: int
    operations: int


class Manifest(_Section):
    """The whole document."""

    schema_version: int = SCHEMA_VERSION
    name: str
    scheme: str
    source: SourceRecord
    tool: ToolRecord
    model: ModelRecord
    contract: DecodeContract
    files: dict[str, FileRecord]
    raw_bytes: int
    wire_bytes: int

    @property
    def head(self) -> PoseHead:
        """What the model's output means."""
        fields = self.model.model_dump(exclude={"task", "parameters", "operations"})
        return PoseHead(**fields)


def model_record(head: PoseHead, parameters: int, operations: int) -> ModelRecord:
    """Describe a model for the manifest."""
    fields = {name: getattr(head, name) for name in PoseHead.__dataclass_fields__}
    return ModelRecord(parameters=parameters, operations=operations, **fields)


def tool_record(engine: str) -> ToolRecord:
    """Describe the tool and the libraries that shape the bytes."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ToolRecord(version=metadata.version("yolo-edge"), engine=engine, libraries=versions)


def wire_bytes_of(files: Mapping[str, bytes]) -> int:
    """Return what the files of a quantized graph model take on the wire, as :func:`record_files` measures them."""
    return sum(brotli_bytes(content, BEST_QUALITY) for content in files.values())


def record_files(
    directory: Path, served: tuple[str, ...], others: tuple[str, ...], *, quantized: bool
) -> dict[str, FileRecord]:
    """Hash and measure the files of a directory.

    Args:
        directory: where they are.
        served: files that browsers load (``model.json`` and shards).
        others: files that only people read.
        quantized: whether shards hold codes, which are measured at the best Brotli quality.
    """
    records = {}
    for name in served:
        data = (directory / name).read_bytes()
        quality = FLOAT_QUALITY if name.endswith(".bin") and not quantized else BEST_QUALITY
        records[name] = FileRecord(
            sha256=sha256_of(directory / name),
            bytes=len(data),
            wire_bytes=len(compressed(data, quality)),
            wire_quality=quality,
        )
    for name in others:
        records[name] = FileRecord(sha256=sha256_of(directory / name), bytes=(directory / name).stat().st_size)
    return records


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json`` into a directory."""
    document = manifest.model_dump(mode="json")
    (directory / MANIFEST_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> Manifest:
    """Read ``manifest.json`` of a directory.

    Raises:
        ModelError: it is missing, damaged, or of a newer schema.
    """
    path = directory / MANIFEST_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{directory} has no {MANIFEST_FILE}, so it was not made by yolo-edge.", fix="Give a converted directory."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", fix="Convert the weights again.") from error
    return validated(Manifest, document, path, newest=SCHEMA_VERSION, fix="Convert the weights again.")


def verify_directory(directory: Path) -> Manifest:
    """Check that every file of a converted directory is the one its manifest names.

    Raises:
        ModelError: a file is missing, or its bytes have changed.
    """
    manifest = read_manifest(directory)
    for name, record in manifest.files.items():
        path = directory / name
        if path.parent != directory or not path.is_file():
            raise ModelError(f"{path} is missing, though the manifest names it.", fix="Convert or fetch it again.")
        if path.stat().st_size != record.bytes or sha256_of(path) != record.sha256:
            raise ModelError(
                f"{path} has changed since it was made: its sha256 is not the manifest's {record.sha256[:16]}….",
                fix="Convert or fetch it again.",
            )
    return manifest
