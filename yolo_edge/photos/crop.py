"""Photos as a camera of another aspect would have taken them: the largest part of that shape, around the middle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from yolo_edge.photos.benchmark import Benchmark
from yolo_edge.photos.photo import Image, Photo


@dataclass(frozen=True)
class CroppedPhoto:
    """The middle of a photo.

    Attributes:
        original: the whole photo.
        width: as many parts wide.
        height: as many parts high.
    """

    original: Photo
    width: int
    height: int

    @property
    def key(self) -> int:
        """That of the whole photo."""
        return self.original.key

    @property
    def name(self) -> str:
        """That of the whole photo."""
        return self.original.name

    def read(self) -> Image:
        """Return the pixels, uint8 RGB ``[H, W, 3]``.

        Raises:
            ImageError: the original cannot be read.
        """
        image = self.original.read()
        rows, columns = image.shape[:2]
        height = min(rows, max(1, round(columns * self.height / self.width)))
        width = min(columns, max(1, round(rows * self.width / self.height)))
        top, left = (rows - height) // 2, (columns - width) // 2
        return np.ascontiguousarray(image[top : top + height, left : left + width])

    def digest(self) -> str:
        """Return a sha256 over the original's hash and the shape."""
        return sha256(f"{self.original.digest()}\ncrop {self.width}:{self.height}".encode()).hexdigest()


def cropped(benchmark: Benchmark, width: int, height: int) -> Benchmark:
    """Return a set with the middle of each photo, and without its labels, whose persons may be cut.

    Args:
        benchmark: the set.
        width: as many parts wide.
        height: as many parts high.
    """
    photos = tuple(CroppedPhoto(photo, width, height) for photo in benchmark.photos)
    return replace(benchmark, photos=photos, labels=())
