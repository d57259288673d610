"""Photos to calibrate on: a folder, a COCO file, an Ultralytics data file, or what the installed packages ship.

Labels are never read: a photo only has to look like those that users will take.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.console import say
from yolo_edge.errors import ImageError, InputError, UsageError
from yolo_edge.files import sha256_of
from yolo_edge.pose.image import read_image

Image = NDArray[np.uint8]

FEWEST_PHOTOS = 8
SMALLEST_SIDE = 32
DEFAULT_SAMPLES = 80
"""Inputs to calibrate on, and the most photos they are composed of."""

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
_SHIPPED = ("bus.jpg", "zidane.jpg")
_FIX = "Give a folder of at least 8 photos of persons, a COCO json, or an Ultralytics data yaml."


@dataclass(frozen=True)
class Photo:
    """One photo of a set."""

    path: Path

    def read(self) -> Image:
        """Return the photo, uint8 RGB ``[H, W, 3]``.

        Raises:
            ImageError: it cannot be read, or is smaller than 32 pixels.
        """
        image = read_image(self.path)
        if min(image.shape[:2]) < SMALLEST_SIDE:
            raise ImageError(f"{self.path} is {image.shape[1]}x{image.shape[0]} px, too small to calibrate on.")
        return image


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
    photos: tuple[Photo, ...]
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
        photos = _shipped_photos()
        return PhotoSet("shipped photos", tuple(photos), _digest([sha256_of(photo.path) for photo in photos]), ())
    path = Path(source)
    files = _files_of(path)
    order = np.random.default_rng(seed).permutation(len(files))
    chosen: list[Path] = []
    skipped: list[str] = []
    for index in order:
        if len(chosen) == samples:
            break
        try:
            Photo(files[index]).read()
        except ImageError as error:
            skipped.append(files[index].name)
            say(f"Skipping {error.what}")
            continue
        chosen.append(files[index])
    if len(chosen) < FEWEST_PHOTOS:
        raise InputError(f"{path} has {len(chosen)} usable photos, calibration needs {FEWEST_PHOTOS}.", fix=_FIX)
    chosen.sort()
    digest = _digest([sha256_of(file) for file in chosen])
    return PhotoSet(path.name, tuple(Photo(file) for file in chosen), digest, tuple(skipped))


def _digest(parts: list[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    elif path.suffix.lower() == ".json":
        files = _files_of_coco(path)
    elif path.suffix.lower() in (".yaml", ".yml"):
        files = _files_of_ultralytics(path)
    else:
        raise InputError(f"There are no calibration photos at {path}.", fix=_FIX)
    if not files:
        raise InputError(f"{path} holds no photos ({', '.join(sorted(_SUFFIXES))}).", fix=_FIX)
    return files


def _parsed(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix=_FIX) from error
    except Exception as error:  # json and yaml have trees of their own
        raise InputError(f"{path} is damaged: {error}.", fix=_FIX) from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is not a description of a photo set.", fix=_FIX)
    return document


def _files_of_coco(path: Path) -> list[Path]:
    """COCO files name photos relative to an ``images`` folder beside them, or to themselves."""
    entries = _parsed(path, json.loads).get("images", [])
    names = [str(entry["file_name"]) for entry in entries if isinstance(entry, dict) and "file_name" in entry]
    folders = (path.parent / "images", path.parent)
    found = (next((folder / name for folder in folders if (folder / name).is_file()), None) for name in names)
    return [file for file in found if file is not None]


def _files_of_ultralytics(path: Path) -> list[Path]:
    """Ultralytics data files name folders or lists of photos (``train``, ``val``) below ``path``."""
    import yaml

    document = _parsed(path, yaml.safe_load)
    root = path.parent / str(document.get("path") or "")
    entries = document.get("train") or document.get("val") or []
    files: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        target = root / str(entry)
        if target.is_dir():
            files += sorted(file for file in target.rglob("*") if file.suffix.lower() in _SUFFIXES)
        elif target.is_file():
            lines = (line.strip() for line in target.read_text(encoding="utf-8").splitlines())
            files += [target.parent / line for line in lines if line]
    return files


def _shipped_photos() -> list[Photo]:
    from importlib.util import find_spec

    spec = find_spec("ultralytics")
    if spec is None or spec.origin is None:
        raise InputError("No calibration photos were given, and the ultralytics package ships none here.", fix=_FIX)
    return [Photo(Path(spec.origin).parent / "assets" / name) for name in _SHIPPED]
