"""``inspect``: what a ``.pt``, an ``.onnx`` or a converted directory holds, without torch and without running it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from yolo_edge.checkpoint.inspect import LayerSize, describe_checkpoint
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.errors import InputError

if TYPE_CHECKING:
    import onnx
    from rich.console import Group

    from yolo_edge.pose.head import PoseHead
    from yolo_edge.tfjs.graph import GraphModel

Kind = Literal["checkpoint", "onnx", "tfjs"]

_MOST_ROWS = 30


@dataclass(frozen=True)
class Inspection:
    """What a model file or directory holds. None and empty stand for what it does not say.

    Attributes:
        path: the file or directory.
        kind: ``checkpoint`` (.pt), ``onnx`` or ``tfjs`` (a converted directory).
        bytes: size of the file, or of all files a browser loads from the directory.
        task: ``pose``, ``detect`` …
        family: head family, see :mod:`yolo_edge.pose.head`.
        classes: class names by index.
        keypoint_shape: keypoints a person, and values a keypoint (2 or 3).
        image_size: height and width in pixels: of the training for a checkpoint, of the input otherwise.
        licence: as the file states it.
        parameters: number of learned values. A checkpoint has more than its export, whose batch norms are fused.
        operations: operation type → how many run in a frame; empty for a checkpoint, which holds layers, no graph.
        layers: sizes by layer: top-level layers of a checkpoint or ONNX graph, operations with weights of a directory.
        details: what else there is to say, by label.
    """

    path: Path
    kind: Kind
    bytes: int
    task: str | None
    family: str | None
    classes: tuple[str, ...]
    keypoint_shape: tuple[int, int] | None
    image_size: tuple[int, int] | None
    licence: str | None
    parameters: int
    operations: dict[str, int]
    layers: tuple[LayerSize, ...]
    details: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {**asdict(self), "path": str(self.path)}


def inspect(source: str | Path, *, trust: bool = False) -> Inspection:
    """Say what a model holds.

    Args:
        source: a ``.pt`` or ``.onnx`` file, a converted directory, or a catalogue name.
        trust: describe a checkpoint that the safety check refuses, too. Nothing in it is run either way.

    Raises:
        InputError: there is no such file, or it is damaged, unsafe, or none of these kinds.
    """
    path = Path(source)
    if path.is_dir():
        return _inspect_directory(path)
    path = resolve_source(str(source))
    return _inspect_onnx(path) if path.suffix.lower() == ".onnx" else _inspect_checkpoint(path, trust)


def _inspect_checkpoint(path: Path, trust: bool) -> Inspection:
    found = describe_checkpoint(path, trust=trust)
    details = {
        "head": found.head,
        "end-to-end branch": "yes" if found.has_end2end_branch else "no",
        "ultralytics": found.ultralytics_version or "unknown",
        "saved": found.date or "unknown",
        "sha256": found.sha256,
    }
    return Inspection(
        path=path,
        kind="checkpoint",
        bytes=found.bytes,
        task=found.task,
        family=found.family,
        classes=found.classes,
        keypoint_shape=found.keypoint_shape,
        image_size=(found.image_size, found.image_size) if found.image_size else None,
        licence=found.licence,
        parameters=found.parameters,
        operations={},
        layers=found.layers,
        details=details,
    )


def _inspect_onnx(path: Path) -> Inspection:
    from yolo_edge.files import sha256_of
    from yolo_edge.pose.head import read_head

    model = _read_onnx(path)
    layers = _onnx_layers(model)
    details = {
        "opset": ", ".join(str(opset.version) for opset in model.opset_import if opset.domain in ("", "ai.onnx")),
        "sha256": sha256_of(path),
    }
    return Inspection(
        path=path,
        kind="onnx",
        bytes=path.stat().st_size,
        operations=_counted(node.op_type for node in model.graph.node),
        parameters=sum(layer.parameters for layer in layers),
        layers=layers,
        **_head_facts(read_head(model, path.name), details),
    )


def _inspect_directory(path: Path) -> Inspection:
    from yolo_edge.bundle.golden import GOLDEN_FILE
    from yolo_edge.bundle.manifest import read_manifest
    from yolo_edge.files import MANIFEST_FILE
    from yolo_edge.tfjs.manifest import MODEL_FILE, read_model

    if not (path / MODEL_FILE).is_file():
        raise InputError(
            f"{path} is no converted model: it has no model.json.", fix="Give a directory that `convert` made."
        )
    facts: dict[str, Any] = dict.fromkeys(("task", "family", "keypoint_shape", "image_size", "licence"))
    facts |= {"classes": (), "details": {"manifest": "none: not made by yolo-edge"}}
    model = read_model(path)
    layers = _tfjs_layers(model)
    parameters = sum(layer.parameters for layer in layers)
    if (path / MANIFEST_FILE).is_file():
        manifest = read_manifest(path)
        parameters = manifest.model.parameters  # not all constants of a graph were learned
        details = {
            "name": manifest.name,
            "weights": manifest.scheme,
            "engine": manifest.tool.engine,
            "made by": f"yolo-edge {manifest.tool.version}",
            "made from": f"{manifest.source.file} (sha256 {manifest.source.sha256})",
            "on the wire": f"{manifest.wire_bytes:,} bytes (Brotli)",
            "golden vectors": GOLDEN_FILE if GOLDEN_FILE in manifest.files else "none: made by an older yolo-edge",
        }
        facts = _head_facts(manifest.head, details)
    return Inspection(
        path=path,
        kind="tfjs",
        bytes=sum(file.stat().st_size for file in path.iterdir() if file.name == MODEL_FILE or file.suffix == ".bin"),
        operations=_counted(model.operations().elements()),
        parameters=parameters,
        layers=layers,
        **facts,
    )


def _head_facts(head: PoseHead, details: dict[str, str]) -> dict[str, Any]:
    return {
        "task": "pose",
        "family": head.family,
        "classes": head.classes,
        "keypoint_shape": (head.keypoint_count, head.keypoint_dimensions),
        "image_size": head.image_size,
        "licence": head.licence,
        "details": {"output": f"{head.layout} {list(head.output_shape)}", **details},
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


# ONNX


def _read_onnx(path: Path) -> onnx.ModelProto:
    import onnx

    from yolo_edge.errors import ModelError

    try:
        return onnx.load(path)
    except Exception as error:  # protobuf raises types of its own
        raise ModelError(f"{path} is not a valid ONNX model: {error}.", fix="Export or download it again.") from error


def _onnx_layers(model: onnx.ModelProto) -> tuple[LayerSize, ...]:
    """Sizes by top-level layer: torch's exporter names nodes by their place, ``/model.22/cv2.0/conv/Conv``."""
    from math import prod

    from onnx import TensorProto

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds: dict[str, Counter[str]] = {}
    parameters: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for node in model.graph.node:
        place = re.match(r"/?model\.(\d+)(?=/)", node.name)
        layer = place.group(1) if place else "other"
        kinds.setdefault(layer, Counter())[node.op_type] += 1
        for name in node.input:
            tensor = tensors.pop(name, None)  # a shared tensor counts once, with its first user
            if tensor is not None:
                sizes[layer] += tensor.ByteSize()
                is_learned = node.op_type.startswith("Conv") and tensor.data_type == TensorProto.FLOAT
                parameters[layer] += prod(tensor.dims) if is_learned else 0
    return tuple(
        LayerSize(layer, " ".join(f"{op}x{count}" for op, count in ops.most_common(3)), parameters[layer], sizes[layer])
        for layer, ops in sorted(kinds.items(), key=lambda item: int(item[0]) if item[0].isdecimal() else len(kinds))
    )


# TF.js


def _tfjs_layers(model: GraphModel) -> tuple[LayerSize, ...]:
    """Sizes of the operations that have weights of more than one dimension (kernels), with their biases."""
    weights = {weight.name: weight for weight in model.weights}
    layers = []
    for node in model.nodes:
        used = [weights.pop(name) for name in node.inputs if name in weights]
        floats = [weight for weight in used if weight.dtype == "float32"]
        if any(weight.values.ndim > 1 for weight in floats) and "Conv" in node.op:
            parameters = sum(weight.values.size for weight in floats)
            layers.append(LayerSize(node.name, node.op, parameters, sum(weight.values.nbytes for weight in used)))
    return tuple(layers)


# On the terminal


def render(inspection: Inspection) -> Group:
    """Show an inspection as tables: what it is, its operations, its layers (the largest, where there are many)."""
    from rich.console import Group
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _facts(inspection):
        grid.add_row(label, value)
    parts: list[Any] = [grid]
    layers = inspection.layers
    if layers:
        table = Table("layer", "kind", "parameters", "bytes", box=None, pad_edge=False)
        for column in table.columns[2:]:
            column.justify = "right"
        shown = set(sorted(layers, key=lambda layer: layer.bytes, reverse=True)[:_MOST_ROWS])
        for layer in layers:
            if layer in shown:
                table.add_row(layer.index, layer.kind, f"{layer.parameters:,}", f"{layer.bytes:,}")
        hidden = [layer for layer in layers if layer not in shown]
        if hidden:
            sums = sum(layer.parameters for layer in hidden), sum(layer.bytes for layer in hidden)
            table.add_row("…", f"{len(hidden)} smaller ones", f"{sums[0]:,}", f"{sums[1]:,}")
        parts += ["", table]
    return Group(*parts)


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    unknown = "unknown"
    classes, shape, size = inspection.classes, inspection.keypoint_shape, inspection.image_size
    named = ", ".join(classes[:8]) + (" …" if len(classes) > 8 else "")
    facts = [
        ("file", f"{inspection.path} ({inspection.kind}, {inspection.bytes:,} bytes)"),
        ("task", f"{inspection.task or unknown}" + (f", family {inspection.family}" if inspection.family else "")),
        ("classes", f"{len(classes)}: {named}" if classes else unknown),
        ("keypoints", f"{shape[0]} of {shape[1]} values" if shape else "none"),
        ("image size", f"{size[0]}x{size[1]} px (height x width)" if size else unknown),
        ("licence", inspection.licence or unknown),
        ("parameters", f"{inspection.parameters:,}"),
    ]
    if inspection.operations:
        counts = ", ".join(f"{name} {count}" for name, count in inspection.operations.items())
        facts.append(("operations", f"{sum(inspection.operations.values())}: {counts}"))
    return facts + list(inspection.details.items())
