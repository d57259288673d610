"""``frontier``: how small a model can be made, and what each size costs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.bundle.manifest import SCHEMA_VERSION, record_files
from yolo_edge.checkpoint.export import ExportedModel, parse_image_size
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.figures import require_matplotlib
from yolo_edge.files import staged_directory, write_listing
from yolo_edge.lowering.engine import find_engine
from yolo_edge.photos.benchmark import Benchmark, find_benchmark
from yolo_edge.photos.reading import ReadablePhotos, readable
from yolo_edge.pose.oks import COCO_SIGMAS
from yolo_edge.quantization.budget import bytes_for_bits, parse_bytes
from yolo_edge.quantization.codes import Encodings
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.quantization.photos import DEFAULT_SAMPLES, find_photos
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS, SCHEME_NAMES, QuantizationRequest, find_scheme
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import write_model
from yolo_edge.validation.agreement import measure_agreement
from yolo_edge.validation.coco import KeypointEvaluation, evaluate_keypoints, measure_loss, require_pycocotools
from yolo_edge.validation.detection import find_persons
from yolo_edge.validation.frontier import FrontierPoint, draw_frontier, frontier_csv
from yolo_edge.validation.matching import PersonsByPhoto
from yolo_edge.verbs.pipeline import complete_request, count_parameters, export_model, holds_codes

if TYPE_CHECKING:
    import onnx

CSV_FILE, JSON_FILE, PICTURES = "frontier.csv", "frontier.json", ("frontier.png", "frontier.svg")

DEFAULT_SCHEMES = ("float16", "int8", "int4")
DEFAULT_BITS = (4.6, 4.0, 3.4, 3.0)
"""Sizes of the ``rd`` points that are drawn when none are named, bits on the wire a parameter."""

_BUDGETED = "rd"
_ENGINE = "direct"
_FIX = "Write points as float16,int8,rd:1.6MB,rd:1.4MB."


@dataclass(frozen=True)
class PlannedPoint:
    """A point to measure: ``scheme``, or ``scheme:budget``."""

    name: str
    scheme: str
    max_bytes: int | None = None


@dataclass(frozen=True)
class SkippedPoint:
    """A point whose budget cannot be met."""

    name: str
    reason: str


@dataclass(frozen=True)
class Frontier:
    """What ``frontier`` measured.

    Attributes:
        directory: where table and picture lie.
        model: file name of the weights.
        sha256: of that file.
        image_size: input height and width, pixels.
        photos: name of the photos that the points were measured on.
        photo_count: how many they are.
        calibration: what the calibrated schemes were calibrated on.
        average_precision: the float model's, 0-1; None without labels.
        points: the variants, in the order asked for.
        skipped: points whose budget cannot be met.
    """

    directory: Path
    model: str
    sha256: str
    image_size: tuple[int, int]
    photos: str
    photo_count: int
    calibration: str
    average_precision: float | None
    points: tuple[FrontierPoint, ...]
    skipped: tuple[SkippedPoint, ...]

    def document(self) -> dict[str, Any]:
        """Return what stands in ``frontier.json``: everything but the place."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "image_size": list(self.image_size),
            "photos": {"name": self.photos, "count": self.photo_count},
            "calibration": self.calibration,
            "average_precision": None if self.average_precision is None else round(self.average_precision, 6),
            "points": [point.to_row() for point in self.points],
            "skipped": [{"point": point.name, "reason": point.reason} for point in self.skipped],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {"directory": str(self.directory), **self.document()}


def frontier(
    source: str | Path,
    output: str | Path,
    *,
    schemes: str | Sequence[str] | None = None,
    photos: str | Path | None = None,
    calibration: str | Path | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    imgsz: str | int | None = None,
    trust: bool = False,
    force: bool = False,
) -> Frontier:
    """Quantize a model to several sizes and draw size against quality.

    Each point's decoded weights are run by onnxruntime on the photos. Its persons are compared with the float model's
    (:mod:`yolo_edge.validation.agreement`) and, where the photos have COCO keypoint labels, with the labels.

    Args:
        source: a catalogue name (``yolo11n-pose``), a ``.pt`` or an ``.onnx`` file.
        output: the directory to make: ``frontier.csv``, ``.json``, ``.png`` and ``.svg``.
        schemes: points, ``"float16,int8,rd:1.6MB"`` or a sequence of such; ``float16``, ``int8``, ``int4`` where there
            is one, and ``rd`` at 4.6, 4.0, 3.4 and 3.0 bits a parameter by default.
        photos: what to measure on, as :func:`yolo_edge.photos.benchmark.find_benchmark` takes it: a folder, a COCO
            json, …; ``"builtin"`` by default, which is enough for a smoke test alone.
        calibration: photos for schemes that are calibrated, as ``convert`` takes them; ``"builtin"`` by default.
        samples: the most photos to calibrate on.
        seed: of the choice of photos and of the calibration.
        imgsz: input size in pixels, as ``convert`` takes it.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace an existing output directory that yolo-edge made.

    Raises:
        UsageError: an option is wrong, a scheme unknown, a budget missing or given to a scheme without one.
        InputError: the source, the photos or the output cannot be used; the float model finds no person on the photos;
            no budget can be met.
        MissingComponentError: matplotlib is not installed, or pycocotools with labelled photos.
    """
    planned = None if schemes is None else parse_points(schemes)
    if not str(output):
        raise UsageError("The output directory has no name.", fix="Give one with -o DIR.")
    size = None if imgsz is None else parse_image_size(str(imgsz))
    require_matplotlib()
    with staged_directory(Path(output), force=force) as directory:
        benchmark = _checked_photos(photos)
        request = _checked_request(calibration, samples, seed)
        path = resolve_source(str(source))
        bench = _Bench(export_model(path, size, trust=trust), readable(benchmark))
        points, skipped = _measure_all(bench, planned or default_points(count_parameters(bench.exported)), request)
        result = Frontier(
            directory=Path(output),
            model=bench.exported.source.file,
            sha256=bench.exported.source.sha256,
            image_size=bench.exported.head.image_size,
            photos=benchmark.name,
            photo_count=len(bench.reference),
            calibration=Path(str(request.calibration)).name,
            average_precision=None if bench.evaluation is None else bench.evaluation.average_precision(),
            points=points,
            skipped=skipped,
        )
        _write(result, directory)
    say(f"Wrote {output} ({CSV_FILE}, {JSON_FILE}, {', '.join(PICTURES)})")
    return result


def parse_points(schemes: str | Sequence[str]) -> tuple[PlannedPoint, ...]:
    """Read points as people write them: ``"float16,int8,rd:1.6MB"``.

    Raises:
        UsageError: there are none, one is named twice, a scheme is unknown, or a budget is missing or wrong.
    """
    texts = schemes.split(",") if isinstance(schemes, str) else schemes
    points = [_parse_point(text.strip()) for text in texts if text.strip()]
    if not points:
        raise UsageError("--schemes names no point.", fix=_FIX)
    names = [point.name for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--schemes names {', '.join(twice)} twice.", fix="Name each point once.")
    return tuple(points)


def _parse_point(text: str) -> PlannedPoint:
    name, colon, budget = text.partition(":")
    takes_budget = "max_bytes" in find_scheme(name).options
    if colon and not takes_budget:
        raise UsageError(f"{name} takes no budget, so {text!r} is no point.", fix=f"Write {name}.")
    if takes_budget and not budget:
        raise UsageError(f"{name} needs a budget.", fix=f"Write {name}:1.4MB.")
    return PlannedPoint(text, name, parse_bytes(budget) if colon else None)


def default_points(parameters: int) -> tuple[PlannedPoint, ...]:
    """Return the points to measure when none are named.

    Args:
        parameters: how many the model has.
    """
    fixed = [PlannedPoint(name, name) for name in DEFAULT_SCHEMES if name in SCHEME_NAMES]
    kilobytes = [bytes_for_bits(bits, parameters) // 1000 for bits in DEFAULT_BITS]
    sized = [PlannedPoint(f"{_BUDGETED}:{size / 1000:.3f}MB", _BUDGETED, size * 1000) for size in kilobytes if size]
    return (*fixed, *sized)


def _checked_photos(photos: str | Path | None) -> Benchmark:
    """Find the photos to measure on, before anything that takes minutes."""
    found = find_benchmark(photos)
    if found.labels:
        require_pycocotools()
    if found.kind == BUILTIN_PHOTOS:
        say(
            f"Measuring on {len(found.photos)} photos: two that the ultralytics package ships, and copies. This is "
            "a smoke test, its figures mean little. Give --photos FOLDER, or a COCO json with keypoint labels."
        )
    return found


def _checked_request(calibration: str | Path | None, samples: int, seed: int) -> QuantizationRequest:
    source = calibration or BUILTIN_PHOTOS
    if source != BUILTIN_PHOTOS:
        find_photos(source, samples=samples, seed=seed)
    return QuantizationRequest(calibration=source, samples=samples, seed=seed)


class _Bench:
    """The float model on the photos, with which every variant is compared.

    Attributes:
        exported: the float model.
        photos: what it is run on.
        reference: its persons.
        evaluation: those matched with the labels; None without labels.
    """

    def __init__(self, exported: ExportedModel, photos: ReadablePhotos) -> None:
        self.exported = exported
        self.photos = photos
        self._labels = photos.benchmark.labels
        counts = {exported.head.keypoint_count, photos.benchmark.keypoint_count}
        if self._labels and (counts != {len(COCO_SIGMAS)} or len(exported.head.classes) != 1):
            say("Measuring agreement alone: for average precision, labels and model must have 17 COCO keypoints")
            self._labels = ()
        self.reference = self.persons(exported.model, "float32")
        if measure_agreement(self.reference, self.reference).persons == 0:
            raise InputError(
                f"The float model is sure of no person on {photos.benchmark.name}, so nothing can be compared.",
                fix="Give --photos with persons on them, and trained weights.",
            )
        self.evaluation = self._evaluation(self.reference)

    def persons(self, model: onnx.ModelProto, title: str) -> PersonsByPhoto:
        """Run a model of the float model's graph on the photos."""
        with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
            path = Path(scratch) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            with open_runtime("onnx", path) as runtime:
                return find_persons(runtime, self.exported.head, self.photos, title=f"Running {title}")

    def measure(self, planned: PlannedPoint, encodings: Encodings) -> FrontierPoint:
        """Measure size and quality of a quantized form."""
        raw, wire = _sizes(self.exported, encodings)
        persons = self.persons(decoded_model(self.exported.model, encodings), planned.name)
        evaluation = self._evaluation(persons)
        return FrontierPoint(
            name=planned.name,
            scheme=planned.scheme,
            max_bytes=planned.max_bytes,
            raw_bytes=raw,
            wire_bytes=wire,
            agreement=measure_agreement(self.reference, persons),
            loss=measure_loss(self.evaluation, evaluation) if self.evaluation and evaluation else None,
        )

    def _evaluation(self, persons: PersonsByPhoto) -> KeypointEvaluation | None:
        return evaluate_keypoints(self._labels, persons) if self._labels else None


def _measure_all(
    bench: _Bench, planned: Sequence[PlannedPoint], request: QuantizationRequest
) -> tuple[tuple[FrontierPoint, ...], tuple[SkippedPoint, ...]]:
    points: list[FrontierPoint] = []
    skipped: list[SkippedPoint] = []
    for point in planned:
        with _unreachable_budget_skipped(point, skipped):
            points.append(bench.measure(point, _encodings(bench.exported, point, request)))
    if not points:
        raise InputError(f"No point can be measured: {skipped[0].reason}", fix="Give larger budgets.")
    return tuple(points), tuple(skipped)


@contextmanager
def _unreachable_budget_skipped(point: PlannedPoint, skipped: list[SkippedPoint]) -> Iterator[None]:
    """Name a point whose budget the scheme refuses, and go on: the other points are worth their minutes."""
    try:
        yield
    except ModelError:
        raise
    except InputError as error:
        if point.max_bytes is None:
            raise
        say(f"Skipping {point.name}. {error.what}")
        skipped.append(SkippedPoint(point.name, error.what))


def _encodings(exported: ExportedModel, point: PlannedPoint, request: QuantizationRequest) -> Encodings:
    say(f"Quantizing: {point.name}")
    scheme = find_scheme(point.scheme)
    given = QuantizationRequest(
        calibration=request.calibration if "calibration" in scheme.options else None,
        samples=request.samples,
        seed=request.seed,
        max_bytes=point.max_bytes,
    )
    return scheme.encode(exported.model, complete_request(given, exported, find_engine(_ENGINE))).encodings


def _sizes(exported: ExportedModel, encodings: Encodings) -> tuple[int, int]:
    """Raw bytes and wire bytes of the files that browsers load, as ``convert`` measures them."""
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        files = write_model(find_engine(_ENGINE).lower(exported.model, encodings), Path(scratch))
        records = record_files(Path(scratch), files, (), quantized=holds_codes(encodings)).values()
    return sum(record.bytes for record in records), sum(record.wire_bytes or 0 for record in records)


def _write(result: Frontier, directory: Path) -> None:
    (directory / CSV_FILE).write_text(frontier_csv(result.points), encoding="utf-8")
    (directory / JSON_FILE).write_text(json.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
    height, width = result.image_size
    title = f"{result.model} at {height}x{width} px, on {result.photo_count} photos"
    draw_frontier(result.points, title, [directory / name for name in PICTURES])
    write_listing(directory, "frontier", (CSV_FILE, JSON_FILE, *PICTURES), schema_version=SCHEMA_VERSION)
