"""``frontier``: how small a model can be made, and what each size costs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.bundle.manifest import SCHEMA_VERSION
from yolo_edge.checkpoint.export import ExportedModel
from yolo_edge.checkpoint.image_size import AUTO, SizeRequest, parse_size_request, size_text
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import InputError, MissingComponentError, ModelError, NetworkError, UsageError
from yolo_edge.figures import require_matplotlib
from yolo_edge.files import keep_apart, staged_directory, write_listing
from yolo_edge.lowering.engine import find_engine
from yolo_edge.photos.benchmark import Benchmark, find_benchmark
from yolo_edge.photos.reading import ReadablePhotos, readable
from yolo_edge.pose.oks import COCO_SIGMAS
from yolo_edge.quantization.codes import Encodings
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.quantization.photos import DEFAULT_SAMPLES, find_photos
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS, NO_PHOTOS, QuantizationRequest, find_scheme
from yolo_edge.runtime.packages import find_node, tfjs_packages
from yolo_edge.speed.contender import Contender
from yolo_edge.speed.frames import BACKEND, DEFAULT_ROUNDS, take_frame_times
from yolo_edge.validation.agreement import measure_agreement
from yolo_edge.validation.coco import KeypointEvaluation, evaluate_keypoints, measure_loss, require_pycocotools
from yolo_edge.validation.detection import find_persons_by_onnx
from yolo_edge.validation.frontier import FrontierPoint, draw_frontier, frontier_csv
from yolo_edge.validation.matching import PersonsByPhoto
from yolo_edge.verbs.pipeline import (
    DIRECT,
    complete_request,
    count_parameters,
    export_model,
    resolve_size,
    write_lowered,
)
from yolo_edge.verbs.points import DEFAULT_NAMES, PlannedPoint, default_points, parse_points
from yolo_edge.verbs.seed import check_seed

if TYPE_CHECKING:
    import onnx

CSV_FILE, JSON_FILE, PICTURES = "frontier.csv", "frontier.json", ("frontier.png", "frontier.svg")


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
        image_sizes: input heights and widths, pixels; everything is compared with the float model at the first.
        photos: name of the photos that the points were measured on.
        photo_count: how many they are.
        calibration: what the calibrated schemes were calibrated on.
        average_precision: the float model's, 0-1; None without labels.
        points: the variants, in the order asked for, size by size.
        skipped: points whose budget cannot be met.
        rounds: turns that each frame time is the median of; None where none were taken.
    """

    directory: Path
    model: str
    sha256: str
    image_sizes: tuple[tuple[int, int], ...]
    photos: str
    photo_count: int
    calibration: str
    average_precision: float | None
    points: tuple[FrontierPoint, ...]
    skipped: tuple[SkippedPoint, ...]
    rounds: int | None = None

    def document(self) -> dict[str, Any]:
        """Return what stands in ``frontier.json``: everything but the place."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "image_size": list(self.image_sizes[0]),
            "image_sizes": [list(size) for size in self.image_sizes],
            "photos": {"name": self.photos, "count": self.photo_count},
            "calibration": self.calibration,
            "average_precision": None if self.average_precision is None else round(self.average_precision, 6),
            "points": [point.to_row() for point in self.points],
            "frame_time": None if self.rounds is None else {"backend": BACKEND, "rounds": self.rounds},
            "skipped": [{"point": point.name, "reason": point.reason} for point in self.skipped],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {"directory": str(self.directory), **self.document()}

    @property
    def sizes_text(self) -> str:
        """The input sizes, height x width, in words."""
        return ", ".join(map(size_text, self.image_sizes))


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
    aspect: str | None = None,
    frame_time: bool = True,
    trust: bool = False,
    force: bool = False,
) -> Frontier:
    """Quantize a model to several sizes, draw size against quality, and say what a frame takes.

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
        imgsz: input size in pixels, as ``convert`` takes it, or several: ``"640,512,auto"``. Then there is a point for
            each scheme at each size, compared with the float model at the first, and a panel with their frame times.
        aspect: with ``"auto"``: the shape of the camera's picture, as ``convert`` takes it.
        frame_time: race the points in Node, beside the float32 model at the first size. Where Node or TensorFlow.js is
            not there, that is said, and no times are taken.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace an existing output directory that yolo-edge made.

    Raises:
        UsageError: an option is wrong, a scheme unknown, a budget missing or given to a scheme without one.
        InputError: the source, the photos or the output cannot be used; the float model finds no person on the photos;
            no budget can be met.
        MissingComponentError: matplotlib is not installed, or pycocotools with labelled photos.
    """
    wanted = parse_sizes(imgsz, aspect)
    planned = None if schemes is None else parse_points(schemes)
    if not str(output):
        raise UsageError("The output directory has no name.", fix="Give one with -o DIR.")
    check_seed(seed)
    require_matplotlib()
    keep_apart(Path(output), [Path(source)])
    with staged_directory(Path(output), force=force) as directory, tempfile.TemporaryDirectory() as scratch:
        benchmark = _checked_photos(photos)
        request = _checked_request(planned, calibration, samples, seed)
        times = frame_time and _can_take_times()
        path = resolve_source(str(source))
        sizes = dict.fromkeys(resolve_size(size, path, trust=trust)[0] for size in wanted)
        models = [export_model(path, size, trust=trust) for size in sizes]
        bench = _Bench(models, readable(benchmark), Path(scratch))
        points, skipped = _measure_all(bench, planned or default_points(count_parameters(models[0])), request)
        result = Frontier(
            directory=Path(output),
            model=bench.exported.source.file,
            sha256=bench.exported.source.sha256,
            image_sizes=tuple(model.head.image_size for model in models),
            photos=benchmark.name,
            photo_count=len(bench.reference),
            calibration=Path(str(request.calibration)).name,
            average_precision=None if bench.evaluation is None else bench.evaluation.average_precision(),
            points=bench.timed(points) if times else points,
            skipped=skipped,
            rounds=DEFAULT_ROUNDS if times else None,
        )
        _write(result, directory)
    say(f"Wrote {output} ({CSV_FILE}, {JSON_FILE}, {', '.join(PICTURES)})")
    return result


def parse_sizes(imgsz: str | int | None, aspect: str | None) -> tuple[SizeRequest, ...]:
    """Read one size or several, ``"640,512,auto"``.

    Raises:
        UsageError: there are none, one is no size or off the grid of 32, or there is an aspect and none is ``auto``.
    """
    if imgsz is None:
        return (parse_size_request(None, aspect),)
    texts = [text.strip() for text in str(imgsz).split(",") if text.strip()]
    if not texts:
        raise UsageError("--imgsz names no size.", fix="Write 640, or several as 640,512,auto.")
    is_auto = [text.lower() == AUTO for text in texts]
    if aspect is not None and not any(is_auto):
        return (parse_size_request(texts[0], aspect),)
    return tuple(parse_size_request(text, aspect if auto else None) for text, auto in zip(texts, is_auto, strict=True))


def _can_take_times() -> bool:
    """Look for what runs models in Node, before anything that takes minutes."""
    try:
        find_node()
        tfjs_packages()
    except (MissingComponentError, NetworkError) as error:
        say(f"Taking no frame times. {error}")
        return False
    return True


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


def _checked_request(
    planned: Sequence[PlannedPoint] | None, calibration: str | Path | None, samples: int, seed: int
) -> QuantizationRequest:
    source = calibration or BUILTIN_PHOTOS
    if source == NO_PHOTOS:
        names = DEFAULT_NAMES if planned is None else dict.fromkeys(point.scheme for point in planned)
        needing = [name for name in names if find_scheme(name).needs_photos]
        if needing:
            raise UsageError(
                f"Photos are needed for {', '.join(needing)}, and --calibration is none.",
                fix="Give --schemes without them, for instance int8, or leave --calibration none out.",
            )
    if source not in (BUILTIN_PHOTOS, NO_PHOTOS):
        find_photos(source, samples=samples, seed=seed)
    return QuantizationRequest(calibration=source, samples=samples, seed=seed)


class _Bench:
    """The float model on the photos, with which every variant is compared.

    Attributes:
        models: the float model at each size.
        exported: the one at the first, which is the reference.
        photos: what it is run on.
        reference: its persons.
        evaluation: those matched with the labels; None without labels.
    """

    def __init__(self, models: Sequence[ExportedModel], photos: ReadablePhotos, scratch: Path) -> None:
        self.models = models
        self.exported = models[0]
        self.photos = photos
        self._scratch = scratch
        self._entered: list[Contender] = []
        self._labels = photos.benchmark.labels
        head = self.exported.head
        counts = {head.keypoint_count, photos.benchmark.keypoint_count}
        if self._labels and (counts != {len(COCO_SIGMAS)} or len(head.classes) != 1):
            say("Measuring agreement alone: for average precision, labels and model must have 17 COCO keypoints")
            self._labels = ()
        self.reference = self._persons(self.exported, self.exported.model, "float32")
        if measure_agreement(self.reference, self.reference).persons == 0:
            raise InputError(
                f"The float model is sure of no person on {photos.benchmark.name}, so nothing can be compared.",
                fix="Give --photos with persons on them, and trained weights.",
            )
        self.evaluation = self._evaluation(self.reference)

    def measure(self, planned: PlannedPoint, exported: ExportedModel, encodings: Encodings) -> FrontierPoint:
        """Measure size and quality of a quantized form of the model at one of the sizes."""
        lowered = write_lowered(exported, encodings, self._scratch / str(len(self._entered)), planned.name)
        self._entered.append(lowered.contender)
        persons = self._persons(exported, decoded_model(exported.model, encodings), planned.name)
        evaluation = self._evaluation(persons)
        return FrontierPoint(
            name=planned.name,
            scheme=planned.scheme,
            max_bytes=planned.max_bytes,
            raw_bytes=lowered.raw_bytes,
            wire_bytes=lowered.contender.wire_bytes,
            agreement=measure_agreement(self.reference, persons),
            loss=measure_loss(self.evaluation, evaluation) if self.evaluation and evaluation else None,
            image_size=exported.head.image_size,
        )

    def timed(self, points: Sequence[FrontierPoint]) -> tuple[FrontierPoint, ...]:
        """Take the frame times of all that was measured, which ``points`` are, in that order."""
        say("Taking frame times in Node")
        reference = write_lowered(self.exported, {}, self._scratch / "reference", "float32").contender
        _, image = next(iter(self.photos))
        _, *times = take_frame_times(reference, self._entered, image)
        return tuple(replace(point, frame=time) for point, time in zip(points, times, strict=True))

    def _persons(self, exported: ExportedModel, model: onnx.ModelProto, title: str) -> PersonsByPhoto:
        """Run a model of the graph of ``exported`` on the photos."""
        title = f"Running {title} at {size_text(exported.head.image_size)}"
        return find_persons_by_onnx(model.SerializeToString(), exported.head, self.photos, title=title)

    def _evaluation(self, persons: PersonsByPhoto) -> KeypointEvaluation | None:
        return evaluate_keypoints(self._labels, persons) if self._labels else None


def _measure_all(
    bench: _Bench, planned: Sequence[PlannedPoint], request: QuantizationRequest
) -> tuple[tuple[FrontierPoint, ...], tuple[SkippedPoint, ...]]:
    points: list[FrontierPoint] = []
    skipped: list[SkippedPoint] = []
    for exported in bench.models:
        place = "" if len(bench.models) == 1 else f" at {size_text(exported.head.image_size)}"
        for point in planned:
            with _unreachable_budget_skipped(point, place, skipped):
                points.append(bench.measure(point, exported, _encodings(exported, point, request)))
    if not points:
        raise InputError(f"No point can be measured: {skipped[0].reason}", fix="Give larger budgets.")
    return tuple(points), tuple(skipped)


@contextmanager
def _unreachable_budget_skipped(point: PlannedPoint, place: str, skipped: list[SkippedPoint]) -> Iterator[None]:
    """Name a point whose budget the scheme refuses, and go on: the other points are worth their minutes.

    Args:
        point: what may be refused.
        place: what is added to its name.
        skipped: where it is written down.
    """
    try:
        yield
    except ModelError:
        raise
    except InputError as error:
        if point.max_bytes is None:
            raise
        say(f"Skipping {point.name}{place}. {error.what}")
        skipped.append(SkippedPoint(f"{point.name}{place}", error.what))


def _encodings(exported: ExportedModel, point: PlannedPoint, request: QuantizationRequest) -> Encodings:
    say(f"Quantizing: {point.name}")
    scheme = find_scheme(point.scheme)
    given = QuantizationRequest(
        calibration=request.calibration if "calibration" in scheme.options else None,
        samples=request.samples,
        seed=request.seed,
        max_bytes=point.max_bytes,
    )
    return scheme.encode(exported.model, complete_request(given, exported, find_engine(DIRECT))).encodings


def _write(result: Frontier, directory: Path) -> None:
    (directory / CSV_FILE).write_text(frontier_csv(result.points), encoding="utf-8")
    (directory / JSON_FILE).write_text(json.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
    title = f"{result.model} at {result.sizes_text} px, on {result.photo_count} photos"
    draw_frontier(result.points, title, [directory / name for name in PICTURES])
    write_listing(directory, "frontier", (CSV_FILE, JSON_FILE, *PICTURES), schema_version=SCHEMA_VERSION)
