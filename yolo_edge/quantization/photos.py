"""Photos to calibrate on: a choice of those that a source names, or what the installed packages ship.

Labels are never read: a photo only has to look like those that users will take.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from yolo_edge.console import counted, say
from yolo_edge.errors import ImageError, InputError, UsageError
from yolo_edge.photos.photo import FilePhoto, numbered
from yolo_edge.photos.source import find_photo_files
from yolo_edge.photos.sources.builtin import shipped_photos
from yolo_edge.pose.image import read_image

FEWEST_PHOTOS = 8
SMALLEST_SIDE = 32
DEFAULT_SAMPLES = 160
"""Inputs to calibrate on, and the most photos they are composed of."""

_FIX = "Give a folder of at least 8 photos of persons, a COCO json, or an Ultralytics data yaml."


@dataclass(frozen=True)
class PhotoSet:
    """The photos of a calibration.

    Attributes:
        name: what to call the set in messages and plans.
        photos: the photos, sampled and in a fixed order.
        digest: sha256 over the photos' content and the choice of them.
        skipped: names of files that cannot be used.
    """

    name: str
    photos: tuple[FilePhoto, ...]
    digest: str
    skipped: tuple[str, ...]


def find_photos(source: str | Path | None, *, samples: int = DEFAULT_SAMPLES, seed: int = 0) -> PhotoSet:
    """Choose the photos to calibrate on.

    Args:
        source: a folder, a COCO ``.json``, an Ultralytics ``.yaml``, or None for the photos that the installed packages
            ship (a fallback: photos like those of one's users are better).
        samples: the most photos to take; chosen by ``seed``.
        seed: of the choice.

    Raises:
        UsageError: fewer than 8 samples.
        InputError: there is no such source, or it has fewer than 8 usable photos. Unusable ones are named and skipped.
    """
    if samples < FEWEST_PHOTOS:
        raise UsageError(f"--samples {samples} is too few to calibrate on.", fix=f"Use {FEWEST_PHOTOS} or more.")
    if source is None:
        say("Calibrating on the two photos that ultralytics ships; --calibration takes photos like those of your users")
        shipped = shipped_photos()
        return PhotoSet("shipped photos", shipped, _digest(shipped), ())
    path = Path(source)
    files = find_photo_files(source)
    order = np.random.default_rng(seed).permutation(len(files))
    chosen: list[Path] = []
    skipped: list[str] = []
    for index in order:
        if len(chosen) == samples:
            break
        try:
            _check(files[index])
        except ImageError as error:
            skipped.append(files[index].name)
            say(f"Skipping {error.what}")
            continue
        chosen.append(files[index])
    if len(chosen) < FEWEST_PHOTOS:
        usable = counted(len(chosen), "usable photos")
        raise InputError(f"{path} has {usable}, calibration needs {FEWEST_PHOTOS}.", fix=_FIX)
    photos = numbered(sorted(chosen), path if path.is_dir() else path.parent)
    return PhotoSet(path.name, photos, _digest(photos), tuple(skipped))


def _check(file: Path) -> None:
    """Raise ImageError for a photo that cannot be read or shows too little."""
    height, width = read_image(file).shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise ImageError(f"{file} is {width}x{height} px, too small to calibrate on.")


def _digest(photos: tuple[FilePhoto, ...]) -> str:
    return sha256("\n".join(photo.digest() for photo in photos).encode()).hexdigest()
