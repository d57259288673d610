"""Photos that every machine has: the two that the ultralytics package ships, and photos made from them.

They are enough for a smoke test: that a model runs, and agrees with another one. They say little about its quality.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import Benchmark
from yolo_edge.photos.photo import FilePhoto, Image, Photo
from yolo_edge.photos.source import FIX, Opening, SourceFormat

KIND = "builtin"
MADE = 14
"""How many photos are made."""

_SHIPPED = ("bus.jpg", "zidane.jpg")
_SEED = 0  # of the changes; fixed, so that the set is the same for everyone
_CROP, _SCALE, _BRIGHTNESS, _BLUR = (0.6, 1.0), (0.5, 1.5), (0.6, 1.4), (0.0, 2.0)


@dataclass(frozen=True)
class Change:
    """What is done to a photo, in this order.

    Attributes:
        crop: left, top, width and height of the part taken, as shares of the photo's width and height.
        is_mirrored: left and right are exchanged.
        scale: factor of both sides.
        brightness: factor of the values, which stay within 0-255.
        blur: standard deviation of a Gaussian, pixels; 0 for none.
    """

    crop: tuple[float, float, float, float]
    is_mirrored: bool
    scale: float
    brightness: float
    blur: float

    def applied_to(self, image: Image) -> Image:
        """Return the changed photo.

        Args:
            image: uint8 RGB ``[H, W, 3]``.
        """
        import cv2

        left, top, width, height = self.crop
        rows, columns = image.shape[:2]
        part: Image = image[round(top * rows) : round((top + height) * rows)]
        part = part[:, round(left * columns) : round((left + width) * columns)]
        part = np.ascontiguousarray(part[:, ::-1] if self.is_mirrored else part)
        part = cv2.resize(part, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_LINEAR)
        if self.blur:
            part = cv2.GaussianBlur(part, (0, 0), self.blur)
        brightened = np.asarray(part, np.float32) * np.float32(self.brightness)
        return np.asarray(np.clip(np.rint(brightened), 0, 255), np.uint8)


@dataclass(frozen=True)
class ChangedPhoto:
    """A photo made from another one."""

    key: int
    name: str
    original: FilePhoto
    change: Change

    def read(self) -> Image:
        """Return the pixels, uint8 RGB ``[H, W, 3]``.

        Raises:
            ImageError: the original cannot be read.
        """
        return self.change.applied_to(self.original.read())

    def digest(self) -> str:
        """Return a sha256 over the original's hash and what is done to it."""
        return sha256(f"{self.original.digest()}\n{json.dumps(asdict(self.change))}".encode()).hexdigest()


def shipped_photos() -> tuple[FilePhoto, ...]:
    """Return the two photos that the ultralytics package ships.

    Raises:
        InputError: the package is not there, or ships none.
    """
    spec = find_spec("ultralytics")
    paths = [Path(spec.origin).parent / "assets" / name for name in _SHIPPED] if spec and spec.origin else []
    if not paths or not all(path.is_file() for path in paths):
        raise InputError("No photos were given, and the ultralytics package ships none here.", fix=FIX)
    return tuple(FilePhoto(key, path.name, path) for key, path in enumerate(paths))


def is_builtin(source: str) -> bool:
    """Say whether a source means the builtin photos."""
    return source == KIND


def read_builtin(opening: Opening) -> Benchmark:
    """Open the shipped photos and those made from them."""
    shipped = shipped_photos()
    photos: list[Photo] = list(shipped)
    random = np.random.default_rng(_SEED)
    for index in range(MADE):
        original = shipped[index % len(shipped)]
        stem = f"{Path(original.name).stem}-{index // len(shipped) + 1}"
        photos.append(ChangedPhoto(len(photos), stem, original, _drawn(random)))
    return Benchmark(KIND, KIND, tuple(photos))


def _drawn(random: np.random.Generator) -> Change:
    width, height = (float(side) for side in random.uniform(*_CROP, 2))
    left, top = (float(random.uniform(0, 1 - side)) for side in (width, height))
    is_mirrored, is_blurred = (bool(value) for value in random.random(2) < 0.5)
    scale, brightness, blur = (float(random.uniform(*bounds)) for bounds in (_SCALE, _BRIGHTNESS, _BLUR))
    return Change((left, top, width, height), is_mirrored, scale, brightness, blur if is_blurred else 0.0)


FORMAT = SourceFormat(KIND, is_builtin, read_builtin)
