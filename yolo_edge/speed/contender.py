"""What is raced: converted directories, and whatever else answers a photo with poses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from yolo_edge.bundle.compress import BEST_QUALITY, FLOAT_QUALITY, compressed
from yolo_edge.bundle.manifest import verify_directory
from yolo_edge.errors import UsageError
from yolo_edge.runtime.base import source_kind
from yolo_edge.tfjs.manifest import MODEL_FILE

Flag = bool | int | float
"""A value of a flag of TensorFlow.js."""

BEST_QUALITY_BYTES = 3_000_000
"""Files of other makers up to this size are compressed at Brotli's best quality, larger ones at that of float weights:
the best one takes 3 s a MB."""


@dataclass(frozen=True)
class InputForm:
    """What a model takes.

    Attributes:
        dtype: of the values, ``float32`` or ``int32``.
        layout: ``NHWC`` or ``NCHW``.
        values_of: makes them from a letterboxed photo, float32 ``[1, H, W, 3]``, RGB, 0-1.
    """

    dtype: Literal["float32", "int32"]
    layout: Literal["NHWC", "NCHW"]
    values_of: Callable[[NDArray[np.float32]], NDArray[Any]]

    def shape(self, image_size: tuple[int, int]) -> list[int]:
        """Return the shape at an input height and width."""
        return [1, *image_size, 3] if self.layout == "NHWC" else [1, 3, *image_size]


INPUT_FORMS: dict[str, InputForm] = {
    "float": InputForm("float32", "NHWC", lambda images: images),
    "bytes": InputForm("int32", "NHWC", lambda images: np.rint(images * 255).astype(np.int32)),
    "channels first": InputForm("float32", "NCHW", lambda images: images.transpose(0, 3, 1, 2)),
}
"""By the names that contenders give."""


@dataclass(frozen=True)
class Contender:
    """A model that is raced.

    Attributes:
        name: what people recognise it by.
        folder: where its files lie.
        file: the one that is loaded; it names the others.
        image_size: input height and width, pixels.
        wire_bytes: of its files, after Brotli.
        runner: what runs it: ``graph`` (TensorFlow.js), ``onnx`` (onnxruntime-web) or ``litert`` (LiteRT.js); see
            ``js/lane.mjs``.
        input_form: of :data:`INPUT_FORMS`.
        outputs: the outputs to ask for; all where none is named.
        decode: how the output becomes persons, see ``js/finders.mjs``; None where that is not measured.
        contract: decode contract of ``yolo``.
        keypoint_names: of ``yolo``.
        is_peer: another maker's model or runtime.
        licence: of the model or the runtime that is another maker's; empty for directories.
        flags: of TensorFlow.js that are set before it is loaded, by name.
    """

    name: str
    folder: Path
    file: str
    image_size: tuple[int, int]
    wire_bytes: int
    runner: Literal["graph", "onnx", "litert"] = "graph"
    input_form: str = "float"
    outputs: tuple[str, ...] = ()
    decode: Literal["yolo", "movenet"] | None = None
    contract: dict[str, Any] | None = None
    keypoint_names: tuple[str, ...] = ()
    is_peer: bool = False
    licence: str = ""
    flags: tuple[tuple[str, Flag], ...] = ()


def parse_flags(texts: Sequence[str]) -> tuple[tuple[str, Flag], ...]:
    """Read flags of TensorFlow.js, ``"WEBGL_PACK=false"``.

    Raises:
        UsageError: one is not a name and a value.
    """
    flags = []
    for text in texts:
        name, _, value = text.partition("=")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not name.isidentifier() or not isinstance(parsed, bool | int | float) or not isfinite(parsed):
            raise UsageError(f"{text!r} is no flag of TensorFlow.js.", fix="Write --flag WEBGL_PACK=false.")
        flags.append((name, parsed))
    return tuple(flags)


def with_flags(contenders: Sequence[Contender], flags: tuple[tuple[str, Flag], ...]) -> tuple[Contender, ...]:
    """Enter each contender once more, with flags of TensorFlow.js; where there are none, as they are."""
    if not flags:
        return tuple(contenders)
    suffix = ", ".join(f"{name}={json.dumps(value)}" for name, value in flags)
    twins = [replace(contender, name=f"{contender.name} {suffix}", flags=flags) for contender in contenders]
    return (*contenders, *twins)


def directory_contenders(directories: Sequence[Path]) -> tuple[Contender, ...]:
    """Check converted directories and enter them.

    Raises:
        UsageError: there is none, or one is given twice.
        ModelError: one is missing, damaged, or not of yolo-edge.
    """
    if not directories:
        raise UsageError("There is no model to measure.", fix="Give one or more converted directories.")
    for directory in directories:
        if source_kind(directory) != "directory":
            raise UsageError(f"{directory} is no converted directory.", fix="Make one with: yolo-edge convert")
    twice = [str(path) for path, count in Counter(path.resolve() for path in directories).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice.", fix="Give each directory once.")
    return tuple(map(_directory_contender, directories, _short_names(directories)))


def _directory_contender(directory: Path, name: str) -> Contender:
    manifest = verify_directory(directory)
    return Contender(
        name=name,
        folder=directory,
        file=MODEL_FILE,
        image_size=manifest.model.image_size,
        wire_bytes=manifest.wire_bytes,
        decode="yolo",
        contract=manifest.contract.model_dump(mode="json"),
        keypoint_names=manifest.model.keypoint_names,
    )


def _short_names(directories: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as many as it takes to tell them apart."""
    parts = [path.resolve().parts for path in directories]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(path[-count:]) for path in parts]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different directories have different paths")


def wire_bytes_of_files(paths: Iterable[Path]) -> int:
    """Return what files of other makers take on the wire, see :data:`BEST_QUALITY_BYTES`.

    Raises:
        OSError: one cannot be read.
    """
    total = 0
    for path in paths:
        data = path.read_bytes()
        quality = BEST_QUALITY if len(data) <= BEST_QUALITY_BYTES else FLOAT_QUALITY
        total += len(compressed(data, quality))
    return total
