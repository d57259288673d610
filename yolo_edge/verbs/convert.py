"""``convert``: weights → a directory that ``tf.loadGraphModel`` loads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.contract import make_contract
from yolo_edge.bundle.golden import GOLDEN_FILE, make_golden, write_golden
from yolo_edge.bundle.manifest import (
    Manifest,
    SourceRecord,
    model_record,
    record_files,
    tool_record,
    write_manifest,
)
from yolo_edge.checkpoint.export import ExportedModel
from yolo_edge.checkpoint.image_size import SizeChoice, parse_size_request
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import UsageError
from yolo_edge.figures import require_matplotlib
from yolo_edge.files import MANIFEST_FILE, keep_apart, settled, staged_directory
from yolo_edge.lowering.engine import find_engine
from yolo_edge.quantization.budget import parse_bytes
from yolo_edge.quantization.photos import DEFAULT_SAMPLES, find_photos
from yolo_edge.quantization.plan import PLAN_FILE, read_plan, write_plan
from yolo_edge.quantization.scheme import (
    BUILTIN_PHOTOS,
    NO_PHOTOS,
    QuantizationRequest,
    Quantized,
    Scheme,
    check_request,
    find_scheme,
)
from yolo_edge.quantization.sensitivity import (
    LayerSensitivity,
    draw_sensitivity,
    measure_sensitivity,
    sensitivity_csv,
)
from yolo_edge.tfjs.manifest import write_model
from yolo_edge.verbs.pipeline import (
    complete_request,
    count_parameters,
    export_model,
    holds_codes,
    resolve_size,
    shipped_encodings,
)
from yolo_edge.verbs.seed import check_seed

ONNX_FILE = "model.onnx"
SENSITIVITY_TABLE = "sensitivity.csv"
SENSITIVITY_CHART = "sensitivity.png"


@dataclass(frozen=True)
class Conversion:
    """What ``convert`` made.

    Attributes:
        directory: where it lies.
        manifest: its ``manifest.json``.
        operations: operation type → how many of them run in a frame.
        sensitivity: what each layer's rounding costs, where that was asked for; the costliest first.
        size_choice: how the input size was chosen; None where it was given.
    """

    directory: Path
    manifest: Manifest
    operations: dict[str, int]
    sensitivity: tuple[LayerSensitivity, ...] = ()
    size_choice: SizeChoice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "directory": str(self.directory),
            "manifest": self.manifest.model_dump(mode="json"),
            "operations": self.operations,
            "sensitivity": [asdict(layer) for layer in self.sensitivity],
            "size_choice": self.size_choice and self.size_choice.to_json(),
        }


def convert(
    source: str | Path,
    output: str | Path,
    *,
    imgsz: str | int | None = None,
    aspect: str | None = None,
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
    sensitivity: bool = False,
) -> Conversion:
    """Convert YOLO pose weights to a TensorFlow.js graph model.

    Args:
        source: a catalogue name (``yolo11n-pose``), a ``.pt`` or an ``.onnx`` file.
        output: the directory to make: ``model.json``, shards of at most 4 MiB, ``golden.json``, ``manifest.json``.
        imgsz: input size in pixels: one side (``640``), or height x width (``"480x640"``); multiples of 32. 640 for a
            checkpoint; an ONNX file has its own, which this must then equal. ``"auto"`` follows from ``aspect``.
        aspect: with ``"auto"``: the shape of the camera's picture, width to height, ``"16:9"`` (the default) or
            ``"1280x720"``. The longest side is what the checkpoint was trained at, the other is rounded up.
        quantize: ``float32``, ``float16``, ``int8``, ``int4`` or ``rd``.
        engine: ``direct`` or ``tensorflow``.
        onnx: ``"keep"`` leaves the ONNX model in the directory as ``model.onnx``.
        end2end: export the end-to-end output of a YOLO26 checkpoint.
        name: name of the model in the manifest; the source's stem by default.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace an existing output directory that yolo-edge made.
        calibration: photos for ``int8``, ``int4`` and ``rd``: a folder, a COCO json, an Ultralytics data yaml;
            ``"builtin"``, the default, for those that the installed packages ship; ``"none"`` for ``int8`` to round to
            nearest.
        samples: how many calibration inputs to compose of the photos, and the most photos to read.
        seed: of the choice of photos and of the calibration.
        max_bytes: ``rd``: budget on the wire for the whole model, ``"1.4MB"`` or bytes.
        bits: ``rd``: the same as bits on the wire a parameter.
        plan: a ``quantization.yaml`` to repeat, or the directory that holds it.
        sensitivity: measure what each layer's rounding costs; writes ``sensitivity.csv`` and ``sensitivity.png``.

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
    request = QuantizationRequest(
        calibration=calibration,
        samples=samples,
        seed=check_seed(seed),
        max_bytes=None if max_bytes is None else parse_bytes(str(max_bytes)),
        plan=None if plan is None else read_plan(Path(plan)),
    )
    check_request(scheme, request, bits)
    if scheme.is_packed and engine != "direct":
        raise UsageError(
            f"--quantize {quantize} needs --engine direct: the codes of a channel have a scale of their own, which the "
            f"{engine} chain cannot write.",
            fix="Leave --engine out, or use --quantize int8.",
        )
    lowering.require()
    if sensitivity:
        _check_sensitivity(scheme, calibration)
    wanted = parse_size_request(imgsz, aspect)
    keep_apart(Path(output), [Path(source)])
    with staged_directory(Path(output), force=force) as directory:
        path = resolve_source(str(source))
        size, choice = resolve_size(wanted, path, trust=trust)
        exported = export_model(path, size, end2end=end2end, trust=trust)
        quantized = scheme.encode(exported.model, complete_request(request, exported, lowering, bits))
        say(f"Lowering to a TF.js graph model ({engine} engine, {quantize} weights)")
        graph = lowering.lower(exported.model, quantized.encodings)
        files = write_model(graph, directory)
        contract = make_contract(exported.head, next(iter(graph.outputs)))
        say("Computing golden vectors")
        write_golden(make_golden(exported.model, shipped_encodings(graph, quantized.encodings), contract), directory)
        others = (GOLDEN_FILE, *_write_others(directory, exported, quantized, onnx))
        layers = _measured(exported, quantized, request) if sensitivity else ()
        if layers:
            others += _write_sensitivity(directory, layers, f"{name or path.stem}, {quantize}")
        say("Measuring wire bytes (Brotli)")
        records = record_files(directory, files, others, quantized=holds_codes(quantized.encodings))
        manifest = Manifest(
            name=name or path.stem,
            scheme=quantize,
            source=SourceRecord(**asdict(exported.source)),
            tool=tool_record(engine),
            model=model_record(exported.head, count_parameters(exported), sum(graph.operations().values())),
            contract=contract,
            files=records,
            raw_bytes=sum(record.bytes for record in records.values() if record.wire_bytes is not None),
            wire_bytes=sum(record.wire_bytes or 0 for record in records.values()),
        )
        write_manifest(manifest, directory)
    say(f"Wrote {settled(Path(output))} ({MANIFEST_FILE}, {', '.join(files)})")
    return Conversion(Path(output), manifest, dict(graph.operations().most_common()), layers, choice)


def _check_sensitivity(scheme: Scheme, calibration: str | Path | None) -> None:
    if "calibration" not in scheme.options or calibration == NO_PHOTOS:
        raise UsageError(
            "--sensitivity measures rounding on calibration photos, and none are used here.",
            fix="Use --quantize int8, int4 or rd, with photos.",
        )
    require_matplotlib()


def _measured(
    exported: ExportedModel, quantized: Quantized, request: QuantizationRequest
) -> tuple[LayerSensitivity, ...]:
    """Measure the sensitivities; none for an end-to-end output, which is not calibrated either."""
    if quantized.plan is None:
        return ()
    chosen = quantized.plan.calibration
    source = None if request.calibration in (None, BUILTIN_PHOTOS) else request.calibration
    photos = find_photos(source, samples=chosen.samples, seed=chosen.seed)
    return measure_sensitivity(exported.model, exported.head, photos, quantized.encodings, seed=chosen.seed)


def _write_sensitivity(directory: Path, layers: tuple[LayerSensitivity, ...], title: str) -> tuple[str, ...]:
    (directory / SENSITIVITY_TABLE).write_text(sensitivity_csv(layers), encoding="utf-8")
    draw_sensitivity(layers, title, directory / SENSITIVITY_CHART)
    return (SENSITIVITY_TABLE, SENSITIVITY_CHART)


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
