"""Reading a set photo by photo; those that cannot be read are named once and left out."""

from __future__ import annotations

from collections.abc import Iterator

from yolo_edge.console import say
from yolo_edge.errors import ImageError, InputError
from yolo_edge.photos.benchmark import Benchmark, Skipped
from yolo_edge.photos.photo import Image, Photo

SMALLEST_SIDE = 10
"""Pixels; no keypoints can be told apart on less (what Ultralytics' data check asks too)."""


class ReadablePhotos:
    """The photos of a set with their pixels, read while one goes through them, as often as one does.

    Attributes:
        benchmark: the set.
        skipped: the photos that could not be read so far.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self._skipped: dict[int, Skipped] = {}
        self._said: set[str] = set()

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The photos that could not be read so far, in the order of the set."""
        return tuple(self._skipped[key] for key in self.benchmark.keys if key in self._skipped)

    def __len__(self) -> int:
        """Return how many photos the set has, readable or not."""
        return len(self.benchmark.photos)

    def __iter__(self) -> Iterator[tuple[Photo, Image]]:
        """Yield each photo with its pixels, uint8 RGB ``[H, W, 3]``; one is held at a time.

        Raises:
            InputError: none can be read; raised at the end.
        """
        is_empty = True
        for photo in self.benchmark.photos:
            image = self.read(photo)
            if image is not None:
                is_empty = False
                yield photo, image
        if is_empty:
            reason = f" {next(iter(self.skipped)).reason}" if self.skipped else ""
            raise InputError(
                f"{self.benchmark.name} holds no photos that can be read.{reason}", fix="Give other photos."
            )

    def read(self, photo: Photo) -> Image | None:
        """Return a photo's pixels, uint8 RGB ``[H, W, 3]``; None where it cannot be read, which is said once."""
        try:
            image = photo.read()
            if min(image.shape[:2]) < SMALLEST_SIDE:
                size = f"{image.shape[1]}x{image.shape[0]} px (width x height)"
                raise ImageError(f"{photo.name} is {size}, too small to show a person.")
            return image
        except ImageError as error:
            self._skipped[photo.key] = Skipped(photo.name, error.what)
            if error.what not in self._said:  # all frames behind the damage of a video have the same reason
                self._said.add(error.what)
                say(f"Skipping a photo. {error.what}")
            return None


def readable(benchmark: Benchmark) -> ReadablePhotos:
    """Return the photos of a set for reading: go through it for ``(photo, image)``, ask it for what was skipped."""
    return ReadablePhotos(benchmark)
