"""``convert``: weights → a directory that ``tf.loadGraphModel`` loads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from yolo_edge.bundle.contract import make_contract
from yolo_edge.bundle.manifest import (
    Manifest,
    SourceRecord,
    model_record,
    record_files,
    tool_record,
    wire_bytes_of,
    write_manifest,
)
from yolo_edge.checkpoint.export import ExportedModel, export_checkpoint, load_onnx, parse_image_size
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.files import MANIFEST_FILE, staged_directory
from yolo_edge.lowering.engine import Engine, find_engine
from yolo_edge.quantization.budget import bytes_for_bits, parse_bytes
from yolo_edge.quantization.codes import Codes, Encodings
from yolo_edge.quantization.photos import DEFAULT_SAMPLES
from yolo_edge.quantization.plan import PLAN_FILE, read_plan, write_plan
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, check_request, find_scheme
from yolo_edge.tfjs.manifest import serialize_model, write_model

ONNX_FILE = "model.onnx"


@dataclass(frozen=True)
class Conversion:
    """What ``convert`` made.

    Attributes:
        directory: where it lies.
        manifest: its ``manifest.json``.
        operations: operation type → how many of them run in a frame.
    """

    directory: Path
    manifest: Manifest
    operations: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "directory": str(self.directory),
            "manifest": self.manifest.model_dump(mode="json"),
            "operations": self.operations,
        }


def convert(
    source: str | Path,
    output: str | Path,
    *,
    imgsz: str | int | None = None,
    quantize: str = "float32",
    engine: str = "direct",
    onnx: str | None = None,
    end2end: bool = False,
    name: str | None = None,
    trust: bool = False,
    force: bool = False,
    calibration: str | Path | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    max_bytes: str | int | None = None,
    bits: float | None = None,
    plan: str | Path | None = None,
) -> Conversion:
    """Convert YOLO pose weights to a TensorFlow.js graph model.

    Args:
        source: a catalogue name (``yolo11n-pose``), a ``.pt`` or an ``.onnx`` file.
        output: the directory to make: ``model.json``, shards of at most 4 MiB, ``manifest.json``.
        imgsz: input size in pixels: one side (``640``), or height x width (``"480x640"``); multiples of 32. 640 for a
            checkpoint; an ONNX file has its own, which this must then equal.
        quantize: ``float32``, ``float16``, ``int8`` or ``rd``.
        engine: ``direct`` or ``tensorflow``.
        onnx: ``"keep"`` leaves the ONNX model in the directory as ``model.onnx``.
        end2end: export the end-to-end output of a YOLO26 checkpoint.
        name: name of the model in the manifest; the source's stem by default.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace an existing output directory that yolo-edge made.
        calibration: photos for ``int8`` and ``rd``: a folder, a COCO json, an Ultralytics data yaml, or ``"builtin"``
            for those that the installed packages ship. Without it ``int8`` rounds to nearest, ``rd`` takes builtin.
        samples: the most photos to calibrate on.
        seed: of the choice of photos and of the calibration.
        max_bytes: ``rd``: budget on the wire for the whole model, ``"1.4MB"`` or bytes.
        bits: ``rd``: the same as bits on the wire a parameter.
        plan: a ``quantization.yaml`` to repeat, or the directory that holds it.

    Raises:
        InputError: the source or the output cannot be used.
        UsageError: an option is wrong.
        NetworkError: a store or index answered wrongly.
        MissingComponentError: the engine is not installed.
    """
    scheme, lowering = find_scheme(quantize), find_engine(engine)
    if onnx not in (None, "keep"):
        raise UsageError(f"--onnx takes 'keep', not {onnx!r}.", fix="Give --onnx keep, or leave it out.")
    if not str(output):
        raise UsageError("The output directory has no name.", fix="Give one with -o DIR.")
    lowering.require()
    request = QuantizationRequest(
        calibration=calibration,
        samples=samples,
        seed=seed,
        max_bytes=None if max_bytes is None else parse_bytes(str(max_bytes)),
        plan=None if plan is None else read_plan(Path(plan)),
    )
    check_request(scheme, request, bits)
    size = None if imgsz is None else parse_image_size(str(imgsz))
    with staged_directory(Path(output), force=force) as directory:
        path = resolve_source(str(source))
        exported = _exported(path, size, end2end=end2end, trust=trust)
        quantized = scheme.encode(exported.model, _completed(request, exported, lowering, bits))
        say(f"Lowering to a TF.js graph model ({engine} engine, {quantize} weights)")
        graph = lowering.lower(exported.model, quantized.encodings)
        files = write_model(graph, directory)
        others = _write_others(directory, exported, quantized, onnx)
        say("Measuring wire bytes (Brotli)")
        records = record_files(directory, files, others, quantized=_holds_codes(quantized.encodings))
        manifest = Manifest(
            name=name or path.stem,
            scheme=quantize,
            source=SourceRecord(**asdict(exported.source)),
            tool=tool_record(engine),
            model=model_record(exported.head, _parameters(exported), sum(graph.operations().values())),
            contract=make_contract(exported.head, next(iter(graph.outputs))),
            files=records,
            raw_bytes=sum(record.bytes for record in records.values() if record.wire_bytes is not None),
            wire_bytes=sum(record.wire_bytes or 0 for record in records.values()),
        )
        write_manifest(manifest, directory)
    say(f"Wrote {output} ({MANIFEST_FILE}, {', '.join(files)})")
    return Conversion(Path(output), manifest, dict(graph.operations().most_common()))


def _completed(
    request: QuantizationRequest, exported: ExportedModel, lowering: Engine, bits: float | None
) -> QuantizationRequest:
    """Add what is known once the model is: its head, its size, and how to measure a quantized form of it."""

    def measure(encodings: Encodings) -> int:
        return wire_bytes_of(serialize_model(lowering.lower(exported.model, encodings)))

    budget = request.max_bytes if bits is None else bytes_for_bits(bits, _parameters(exported))
    return replace(request, head=exported.head, max_bytes=budget, measure=measure)


def _write_others(directory: Path, exported: ExportedModel, quantized: Quantized, onnx: str | None) -> tuple[str, ...]:
    """Write the files that people read and browsers do not."""
    others: list[str] = []
    if onnx == "keep":
        (directory / ONNX_FILE).write_bytes(exported.serialized())
        others.append(ONNX_FILE)
    if quantized.plan is not None:
        write_plan(quantized.plan, directory)
        others.append(PLAN_FILE)
    return tuple(others)


def _exported(path: Path, size: tuple[int, int] | None, *, end2end: bool, trust: bool) -> ExportedModel:
    if path.suffix.lower() != ".onnx":
        return export_checkpoint(path, size or (640, 640), end2end=end2end, trust=trust)
    exported = load_onnx(path)
    if size and size != exported.head.image_size:
        height, width = exported.head.image_size
        raise ModelError(
            f"{path} was exported at {height}x{width} px, and {size[0]}x{size[1]} was asked for.",
            fix="Leave --imgsz out, or convert the .pt.",
        )
    if end2end and exported.head.layout != "end2end":
        raise UsageError(f"{path} has a raw output.", fix="Give --end2end with the .pt, or leave it out.")
    return exported


def _holds_codes(encodings: Encodings) -> bool:
    return any(isinstance(encoding, Codes) for encoding in encodings.values())


def _parameters(exported: ExportedModel) -> int:
    """Count the learned values: kernels and biases of the convolutions."""
    from math import prod

    weights = {tensor.name: prod(tensor.dims) for tensor in exported.model.graph.initializer}
    convolutions = [node for node in exported.model.graph.node if node.op_type == "Conv"]
    names = {name for node in convolutions for name in node.input[1:] if name in weights}
    return sum(weights[name] for name in names)
