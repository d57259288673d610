"""The stages that several verbs share: weights → ONNX → quantized weights → files → bytes on the wire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from yolo_edge.bundle.manifest import record_files, wire_bytes_of
from yolo_edge.checkpoint.export import ExportedModel, export_checkpoint, load_onnx
from yolo_edge.checkpoint.image_size import SizeChoice, SizeRequest, choose_size
from yolo_edge.checkpoint.inspect import describe_checkpoint
from yolo_edge.console import say
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.lowering.engine import Engine, find_engine
from yolo_edge.quantization.budget import bytes_for_bits
from yolo_edge.quantization.codes import Codes, Encodings
from yolo_edge.quantization.scheme import QuantizationRequest
from yolo_edge.speed.contender import Contender
from yolo_edge.tfjs.graph import GraphModel
from yolo_edge.tfjs.manifest import MODEL_FILE, serialize_model, write_model

DIRECT = "direct"
"""The engine of what is made to be measured."""

DEFAULT_SIZE = (640, 640)
"""Height and width that a checkpoint is exported at, pixels."""


def resolve_size(
    request: SizeRequest, path: Path, *, trust: bool = False
) -> tuple[tuple[int, int] | None, SizeChoice | None]:
    """Find the input size that was asked for.

    Args:
        request: what was asked for.
        path: the ``.pt`` or ``.onnx`` file.
        trust: see :func:`export_model`.

    Returns:
        Height and width in pixels, None for the source's own; and how they were chosen, where they follow from an
        aspect.

    Raises:
        UsageError: a size is to be chosen for an ONNX file, which has one.
        CheckpointError: the checkpoint cannot be used.
    """
    if request.aspect is None:
        return request.size, None
    require_open_size(path)
    choice = choose_size(request.aspect, describe_checkpoint(path, trust=trust).image_size or DEFAULT_SIZE[0])
    say(f"Input size: {choice.sentence()}")
    return choice.image_size, choice


def require_open_size(path: Path) -> None:
    """Refuse an ONNX file where input sizes are to be chosen.

    Raises:
        UsageError: it is one.
    """
    if path.suffix.lower() == ".onnx":
        raise UsageError(f"{path} has its input size already, so none can be chosen.", fix="Give the .pt.")


def export_model(
    path: Path, size: tuple[int, int] | None, *, end2end: bool = False, trust: bool = False
) -> ExportedModel:
    """Export a checkpoint, or load an ONNX file.

    Args:
        path: the ``.pt`` or ``.onnx`` file.
        size: input height and width in pixels; 640 by default for a checkpoint, its own for an ONNX file.
        end2end: export the end-to-end output of a YOLO26 checkpoint.
        trust: load a checkpoint of one's own without the pickle check.

    Raises:
        InputError: the file cannot be used, or an ONNX file is of another size.
        UsageError: an ONNX file has no end-to-end output, and it was asked for.
    """
    if path.suffix.lower() != ".onnx":
        return export_checkpoint(path, size or DEFAULT_SIZE, end2end=end2end, trust=trust)
    exported = load_onnx(path)
    if size and size != exported.head.image_size:
        height, width = exported.head.image_size
        raise ModelError(
            f"{path} was exported at {height}x{width} px, and {size[0]}x{size[1]} was asked for.",
            fix=f"Ask for no size (--imgsz) or for {height}x{width}, or convert the .pt.",
        )
    if end2end and exported.head.layout != "end2end":
        raise UsageError(f"{path} has a raw output.", fix="Give --end2end with the .pt, or leave it out.")
    return exported


def complete_request(
    request: QuantizationRequest, exported: ExportedModel, lowering: Engine, bits: float | None = None
) -> QuantizationRequest:
    """Add what is known once the model is: its head, its size, and how to measure a quantized form of it."""

    def measure(encodings: Encodings) -> int:
        return wire_bytes_of(serialize_model(lowering.lower(exported.model, encodings)))

    budget = request.max_bytes if bits is None else bytes_for_bits(bits, count_parameters(exported))
    return replace(request, head=exported.head, max_bytes=budget, measure=measure)


def holds_codes(encodings: Encodings) -> bool:
    """Tell whether weights become integer codes, whose bytes on the wire are measured at the best Brotli quality."""
    return any(isinstance(encoding, Codes) for encoding in encodings.values())


def shipped_encodings(graph: GraphModel, encodings: Encodings) -> Encodings:
    """Return those quantized weights that a graph model really holds.

    The direct engine holds them all. The tensorflow engine leaves those as float32 that its chain rewrote.
    """
    if graph.initializer:  # packed, which the direct engine alone does
        return encodings
    held = {weight.initializer for weight in graph.weights if weight.stored}
    return {name: encoding for name, encoding in encodings.items() if name in held}


def count_parameters(exported: ExportedModel) -> int:
    """Count the learned values: kernels and biases of the convolutions."""
    from math import prod

    weights = {tensor.name: prod(tensor.dims) for tensor in exported.model.graph.initializer}
    convolutions = [node for node in exported.model.graph.node if node.op_type == "Conv"]
    names = {name for node in convolutions for name in node.input[1:] if name in weights}
    return sum(weights[name] for name in names)


@dataclass(frozen=True)
class Lowered:
    """A graph model that was made to be measured.

    Attributes:
        contender: it, as a race takes it.
        raw_bytes: of ``model.json`` and shards.
    """

    contender: Contender
    raw_bytes: int


def write_lowered(exported: ExportedModel, encodings: Encodings, directory: Path, name: str) -> Lowered:
    """Lower a model into a directory that is not kept, and measure the files that browsers load, as ``convert`` does.

    Args:
        exported: the float model.
        encodings: initializer name → its quantized form; none for float32.
        directory: made here; what is above it must exist.
        name: what to call it in a race.
    """
    directory.mkdir()
    files = write_model(find_engine(DIRECT).lower(exported.model, encodings), directory)
    records = record_files(directory, files, (), quantized=holds_codes(encodings)).values()
    wire = sum(record.wire_bytes or 0 for record in records)
    contender = Contender(name, directory, MODEL_FILE, exported.head.image_size, wire)
    return Lowered(contender, sum(record.bytes for record in records))
