"""What is judged: a directory that yolo-edge converted, or a TF.js YOLO pose model of other making.

A directory of yolo-edge says in its manifest what its output means. Of a foreign one only the shapes are known, so its
meaning is taken from the reference model, and its layout is found by looking: which axis of the output holds a
detection's values, and whether coordinates are input pixels or shares of the input's sides, as the TensorFlow exports
of Ultralytics up to 8.4.82 have them (``ultralytics/nn/modules/head.py``, ``Detect._inference`` with ``format`` in
``saved_model, tfjs``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from yolo_edge.bundle.compress import BEST_QUALITY, FLOAT_QUALITY, brotli_bytes
from yolo_edge.bundle.manifest import Manifest, read_manifest
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.files import MANIFEST_FILE, sha256_of
from yolo_edge.pose.head import PoseHead
from yolo_edge.runtime.base import Runtime
from yolo_edge.tfjs.manifest import MODEL_FILE, read_model_json

Units = Literal["pixels", "normalised"]

LAYOUTS = ("auto", "pixels", "normalised")
"""What ``--layout`` takes: units of a foreign model's coordinates; auto finds them by running it once."""

_LARGEST_SHARE = 4.0
"""Coordinates of sure detections in shares of the input stay below this; in pixels none does."""


@dataclass(frozen=True)
class Candidate:
    """A model directory to judge.

    Attributes:
        name: what reports call it.
        directory: where it lies.
        scheme: how its weights are stored; ``"foreign"`` for models of other making.
        digest: sha256 over the files that browsers load, and over the decode contract.
        raw_bytes: of ``model.json`` and shards.
        wire_bytes: the same after Brotli.
        image_size: input height and width, pixels.
        manifest: None for a foreign model.
        units: of a foreign model's coordinates; None until they are known, or where the manifest says.
    """

    name: str
    directory: Path
    scheme: str
    digest: str
    raw_bytes: int
    wire_bytes: int
    image_size: tuple[int, int]
    manifest: Manifest | None = None
    units: Units | None = None


def find_candidate(directory: Path, *, layout: str = "auto") -> Candidate:
    """Read what a directory is, without running it.

    Args:
        directory: with a ``model.json``.
        layout: of :data:`LAYOUTS`; for foreign models alone.

    Raises:
        UsageError: there is no such layout, or it is given for a directory of yolo-edge.
        ModelError: the directory holds no graph model of one photo.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout {layout!r}.", fix=f"Choose one of {', '.join(LAYOUTS)}.")
    if not (directory / MODEL_FILE).is_file():
        raise ModelError(
            f"{directory} is not a converted model: it holds no {MODEL_FILE}.", fix="Make one with: yolo-edge convert"
        )
    if not _is_ours(directory):
        return _foreign(directory, layout)
    if layout != "auto":
        raise UsageError(f"{directory} says itself what its layout is.", fix="Leave --layout out.")
    manifest = read_manifest(directory)
    listed = sorted((name, record.sha256) for name, record in manifest.files.items() if record.wire_bytes is not None)
    listed.append((MANIFEST_FILE, sha256(manifest.contract.model_dump_json().encode()).hexdigest()))
    return Candidate(
        name=directory.resolve().name,
        directory=directory,
        scheme=manifest.scheme,
        digest=_digest(listed),
        raw_bytes=manifest.raw_bytes,
        wire_bytes=manifest.wire_bytes,
        image_size=manifest.head.image_size,
        manifest=manifest,
    )


def _is_ours(directory: Path) -> bool:
    """Other web projects have a ``manifest.json`` as well; ours says ``schema_version``."""
    path = directory / MANIFEST_FILE
    return path.is_file() and '"schema_version"' in path.read_text(encoding="utf-8", errors="replace")


def _foreign(directory: Path, layout: str) -> Candidate:
    document = read_model_json(directory)
    groups = document.get("weightsManifest") or []
    names = [MODEL_FILE, *(str(path) for group in groups for path in group.get("paths", ()))]
    for name in names:
        if (directory / name).resolve().parent != directory.resolve() or not (directory / name).is_file():
            raise ModelError(f"{directory} lacks the shard {name}.", fix="Fetch or convert it again.")
    holds_codes = _holds_codes([weight for group in groups for weight in group.get("weights", ())])
    contents = {name: (directory / name).read_bytes() for name in names}
    wire = sum(
        brotli_bytes(data, BEST_QUALITY if holds_codes or name == MODEL_FILE else FLOAT_QUALITY)
        for name, data in contents.items()
    )
    return Candidate(
        name=directory.resolve().name,
        directory=directory,
        scheme="foreign",
        digest=_digest([(name, sha256_of(directory / name)) for name in sorted(names)]),
        raw_bytes=sum(map(len, contents.values())),
        wire_bytes=wire,
        image_size=_foreign_size(document, directory),
        units=None if layout == "auto" else "pixels" if layout == "pixels" else "normalised",
    )


def _holds_codes(weights: list[dict[str, Any]]) -> bool:
    """Whether most of the values are integer codes, which Brotli is worth its best quality for."""
    sizes = [
        (math.prod(weight.get("shape", ())), weight.get("quantization", {}).get("dtype", "")) for weight in weights
    ]
    codes = sum(size for size, dtype in sizes if dtype.startswith("uint"))
    return bool(2 * codes > sum(size for size, _ in sizes))


def _digest(listed: list[tuple[str, str]]) -> str:
    return sha256("\n".join(f"{name} {digest}" for name, digest in listed).encode()).hexdigest()


def _foreign_size(document: dict[str, Any], directory: Path) -> tuple[int, int]:
    """Height and width of the one image input: from the signature, else from the graph's placeholder."""
    shapes = [
        [int(dim["size"]) for dim in info.get("tensorShape", {}).get("dim", ())]
        for info in (document.get("signature") or {}).get("inputs", {}).values()
        if "resourceId" not in info
    ]
    shapes += [
        [int(dim["size"]) for dim in node.get("attr", {}).get("shape", {}).get("shape", {}).get("dim", ())]
        for node in document.get("modelTopology", {}).get("node", ())
        if node.get("op") == "Placeholder"
    ]
    for shape in shapes:
        if len(shape) == 4 and shape[3] == 3 and min(shape[1:3]) > 0:
            return shape[1], shape[2]
    raise ModelError(
        f"{directory} has no input of one photo, [1, H, W, 3] of a fixed size.", fix="Export it with a fixed size."
    )


def units_of(output: NDArray[np.float32], head: PoseHead, source: Path) -> Units:
    """Tell the units of a foreign model from its output on a photo with a person.

    Args:
        output: as the model gives it, ``[1, C, N]`` or ``[1, N, C]``.
        head: the reference's.
        source: the directory, for messages.

    Raises:
        ModelError: the output has another shape than the head's.
    """
    rows = _channels_first(output, head, source)[0]
    best = int(rows[4 : 4 + len(head.classes)].max(axis=0).argmax())
    return "normalised" if float(np.abs(rows[:4, best]).max()) < _LARGEST_SHARE else "pixels"


def _channels_first(output: NDArray[np.float32], head: PoseHead, source: Path) -> NDArray[np.float32]:
    if output.shape == head.output_shape:
        return output
    if output.ndim == 3 and output.transpose(0, 2, 1).shape == head.output_shape:
        return np.ascontiguousarray(output.transpose(0, 2, 1))
    raise ModelError(
        f"{source} gives an output of shape {list(output.shape)}, the reference one of {list(head.output_shape)}.",
        fix="Give the weights that it was made from as --reference, at the same size.",
    )


def adapted(candidate: Candidate, runtime: Runtime, head: PoseHead) -> Runtime:
    """Return a runtime that answers in the contract's layout, whoever made the model."""
    return runtime if candidate.manifest is not None else _Adapted(candidate, runtime, head)


class _Adapted:
    """A foreign model in the contract's layout: channels first, input pixels."""

    def __init__(self, candidate: Candidate, runtime: Runtime, head: PoseHead) -> None:
        self._candidate, self._runtime, self._head = candidate, runtime, head
        self.name, self.timings = runtime.name, runtime.timings
        self._factors: NDArray[np.float32] | None = None

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        output = _channels_first(self._runtime.run(images), self._head, self._candidate.directory)
        return output * self._scale() if self._candidate.units == "normalised" else output

    def _scale(self) -> NDArray[np.float32]:
        """Input pixels a share, one factor a channel ``[1, C, 1]``: width for x, height for y, 1 for scores."""
        if self._factors is None:
            head, (height, width) = self._head, self._head.image_size
            keypoint = (width, height, 1.0)[: head.keypoint_dimensions]
            factors = [width, height, width, height, *[1.0] * len(head.classes), *keypoint * head.keypoint_count]
            self._factors = np.array(factors, np.float32)[None, :, None]
        return self._factors

    def close(self) -> None:
        self._runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
