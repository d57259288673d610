"""``sizes``: what smaller inputs, and inputs of the camera's shape, save and cost."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.checkpoint.image_size import (
    DEFAULT_ASPECT,
    Aspect,
    parse_aspect,
    parse_image_size,
    pixel_share,
    size_text,
)
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import InputError, UsageError
from yolo_edge.files import sha256_of
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.crop import cropped
from yolo_edge.photos.reading import ReadablePhotos, readable
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS
from yolo_edge.speed.contender import Contender
from yolo_edge.speed.frames import BACKEND, DEFAULT_ROUNDS, FrameTime, take_frame_times
from yolo_edge.speed.measurement import require_some
from yolo_edge.validation.agreement import Agreement, measure_agreement
from yolo_edge.validation.detection import find_persons_by_onnx
from yolo_edge.validation.matching import PersonsByPhoto
from yolo_edge.verbs.pipeline import export_model, require_open_size, write_lowered

DEFAULT_SIDES = (640, 512, 416, 320)
"""Longest sides that are tried, pixels. The square of the first is what everything is compared with."""


@dataclass(frozen=True)
class MeasuredSize:
    """One input size.

    Attributes:
        image_size: height and width, pixels.
        pixel_share: of the square's pixels.
        frame: what a prediction takes, and its ratio to the square's.
        agreement: with the square, on the same photos.
    """

    image_size: tuple[int, int]
    pixel_share: float
    frame: FrameTime
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready values; similarity 0-1, displacement as a share of body size."""
        agreement = self.agreement
        return {
            "image_size": list(self.image_size),
            "pixel_share": round(self.pixel_share, 4),
            "frame_ms": round(self.frame.milliseconds, 3),
            "frame_ratio": round(self.frame.ratio, 4),
            "mean_oks": agreement.similarity and agreement.similarity.to_json(),
            "moved_p95": agreement.displacement and agreement.displacement.body_p95.to_json(),
            "persons": agreement.persons,
            "lost": agreement.lost,
            "invented": agreement.invented,
        }


@dataclass(frozen=True)
class SizeComparison:
    """What ``sizes`` measured.

    Attributes:
        model: file name of the weights.
        sha256: of that file.
        aspect: of the camera's picture.
        photos: name of the photos, which were cut to that shape.
        photo_count: how many they are.
        rounds: turns that each frame time is the median of.
        rows: the square first, then the sizes of the aspect, the largest first.
    """

    model: str
    sha256: str
    aspect: Aspect
    photos: str
    photo_count: int
    rounds: int
    rows: tuple[MeasuredSize, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "aspect": str(self.aspect),
            "photos": {"name": self.photos, "count": self.photo_count},
            "frame_time": {"backend": BACKEND, "rounds": self.rounds},
            "sizes": [row.to_json() for row in self.rows],
        }


def sizes(
    source: str | Path,
    *,
    aspect: str = DEFAULT_ASPECT,
    sides: str | Sequence[int] = DEFAULT_SIDES,
    photos: str | Path | None = None,
    limit: int | None = None,
    rounds: int = DEFAULT_ROUNDS,
    trust: bool = False,
) -> SizeComparison:
    """Measure the input sizes that fit a camera's picture: what a frame takes, and what is still found.

    Each size is exported as float32. All are raced in Node beside the square input, and compared with it on photos cut
    to the shape of the camera's picture: the largest part around the middle of each.

    Args:
        source: a catalogue name (``yolo11n-pose``) or a ``.pt`` file.
        aspect: shape of the camera's picture, width to height: ``"16:9"`` or ``"1280x720"``.
        sides: longest sides to try, ``"640,512"`` or numbers, multiples of 32. The square is that of the largest.
        photos: what to compare on, as :func:`yolo_edge.photos.benchmark.find_benchmark` takes it; labels are not used.
        limit: the most photos to take.
        rounds: turns that count, of each size.
        trust: load a checkpoint of one's own without the pickle check.

    Raises:
        UsageError: an option is wrong, or the source is an ONNX file, which has one size.
        InputError: source or photos cannot be used; the model finds no person on the photos.
        MissingComponentError: Node or TensorFlow.js is not there.
        NetworkError: TensorFlow.js is not in the cache and npm cannot fetch it.
    """
    shape, tried = parse_aspect(aspect), parse_sides(sides)
    require_some("--rounds", rounds)
    benchmark = find_benchmark(photos, limit=limit)
    if benchmark.kind == BUILTIN_PHOTOS:
        say("Comparing on the builtin photos, a smoke test. Give --photos FOLDER with photos of your users.")
    path = resolve_source(str(source))
    require_open_size(path)
    square = (tried[0], tried[0])
    candidates = list(dict.fromkeys([square, *(shape.fitted(side) for side in tried)]))
    seen = readable(cropped(benchmark, shape.width, shape.height))
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        observed = [_observed(path, size, seen, Path(scratch), trust=trust) for size in candidates]
        (reference, first), *others = observed
        if measure_agreement(reference, reference).persons == 0:
            raise InputError(
                f"The model is sure of no person on {benchmark.name}, cut to {shape}.",
                fix="Give --photos with persons on them, and trained weights.",
            )
        say("Taking frame times in Node")
        _, image = next(iter(seen))
        times = take_frame_times(first, [contender for _, contender in others], image, rounds=rounds)
    rows = [
        MeasuredSize(size, pixel_share(size, tried[0]), time, measure_agreement(reference, persons))
        for size, time, (persons, _) in zip(candidates, times, observed, strict=True)
    ]
    return SizeComparison(path.name, sha256_of(path), shape, benchmark.name, len(reference), rounds, tuple(rows))


def parse_sides(sides: str | Sequence[int]) -> tuple[int, ...]:
    """Read longest sides, ``"640,512"``; the largest comes first.

    Raises:
        UsageError: there are none, or one is not a positive multiple of 32.
    """
    texts = sides.split(",") if isinstance(sides, str) else map(str, sides)
    found = {parse_image_size(text.strip()) for text in texts if text.strip()}
    if not found or any(height != width for height, width in found):
        raise UsageError(f"--sides {sides} names no longest sides.", fix="Write 640,512,416,320.")
    return tuple(sorted((height for height, _ in found), reverse=True))


def _observed(
    path: Path, size: tuple[int, int], photos: ReadablePhotos, scratch: Path, *, trust: bool
) -> tuple[PersonsByPhoto, Contender]:
    """Export the float model at a size, find its persons, and enter it in the race."""
    exported = export_model(path, size, trust=trust)
    name = size_text(size)
    persons = find_persons_by_onnx(exported.serialized(), exported.head, photos, title=f"Running {name}")
    return persons, write_lowered(exported, {}, scratch / name, name).contender
