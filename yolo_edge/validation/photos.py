"""Photos to judge a model on: a folder, a COCO file with or without keypoint labels, or what the packages ship."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.console import say
from yolo_edge.errors import ImageError, InputError
from yolo_edge.pose.image import read_image
from yolo_edge.pose.oks import COCO_SIGMAS

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
_SHIPPED = ("bus.jpg", "zidane.jpg")
_FIX = "Give a folder of photos, or a COCO json with its photos in images/ beside it."
_KEYPOINT_VALUES = 3 * len(COCO_SIGMAS)


@dataclass(frozen=True)
class KeypointLabel:
    """One labelled person.

    Attributes:
        photo: key of the photo.
        keypoints: x, y in pixels of the photo and COCO's flag (0 not labelled, 1 hidden, 2 visible) of each of the 17
            keypoints, in a row.
        box: left, top, width, height in pixels.
        area: of the segmentation, square pixels.
        is_crowd: the label stands for a group, which is never counted as missed.
    """

    photo: int
    keypoints: tuple[float, ...]
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool

    @property
    def labelled_keypoints(self) -> int:
        """How many keypoints have a place."""
        return sum(flag > 0 for flag in self.keypoints[2::3])

    @property
    def counts(self) -> bool:
        """Whether a model must find this person."""
        return self.labelled_keypoints > 0 and not self.is_crowd


@dataclass(frozen=True)
class TestPhotos:
    """Photos to judge a model on.

    Attributes:
        name: what to call the set.
        paths: key of each photo (the image id of a COCO file) → its file.
        labels: labelled persons on these photos; empty where there are no labels.
        is_builtin: the photos that the installed packages ship, enough for a smoke test alone.
    """

    __test__ = False  # pytest takes the name for a test

    name: str
    paths: Mapping[int, Path]
    labels: tuple[KeypointLabel, ...] = ()
    is_builtin: bool = False


def find_test_photos(source: str | Path | None) -> TestPhotos:
    """Find photos, and their labels where there are any.

    Of a COCO file that labels keypoints, the photos with a labelled person are taken; the others may hold persons whom
    nobody labelled. Photos that cannot be read are named and skipped.

    Args:
        source: a folder (searched with its subfolders), a COCO ``.json``, or None for the photos that the installed
            packages ship.

    Raises:
        InputError: there is no such source, it is damaged, or it holds no readable photo.
    """
    if source is None:
        return TestPhotos("shipped photos", _shipped_photos(), is_builtin=True)
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
        photos: dict[int, Path] = dict(enumerate(files))
        labels: tuple[KeypointLabel, ...] = ()
    elif path.suffix.lower() == ".json":
        photos, labels = _read_coco(path)
    else:
        raise InputError(f"There are no photos at {path}.", fix=_FIX)
    usable = _readable(photos)
    if not usable:
        raise InputError(f"{path} holds no photos that can be read ({', '.join(sorted(_SUFFIXES))}).", fix=_FIX)
    return TestPhotos(path.name, usable, tuple(label for label in labels if label.photo in usable))


def _shipped_photos() -> dict[int, Path]:
    from importlib.util import find_spec

    spec = find_spec("ultralytics")
    photos = [Path(spec.origin).parent / "assets" / name for name in _SHIPPED] if spec and spec.origin else []
    if not photos or not all(photo.is_file() for photo in photos):
        raise InputError("No photos were given, and the ultralytics package ships none here.", fix=_FIX)
    return dict(enumerate(photos))


def _readable(photos: Mapping[int, Path]) -> dict[int, Path]:
    usable = {}
    for key, path in photos.items():
        try:
            read_image(path)
        except ImageError as error:
            say(f"Skipping a photo. {error.what}")
            continue
        usable[key] = path
    return usable


def _read_coco(path: Path) -> tuple[dict[int, Path], tuple[KeypointLabel, ...]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix=_FIX) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}.", fix=_FIX) from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise InputError(f"{path} is no COCO file: it lists no images.", fix=_FIX)
    photos = dict(_photo(row, path) for row in images)
    rows = document.get("annotations") or []
    labels = tuple(
        _label(row, index, path) for index, row in enumerate(rows) if isinstance(row, dict) and "keypoints" in row
    )
    labelled = {label.photo for label in labels if label.counts}
    if labelled:
        photos = {key: file for key, file in photos.items() if key in labelled}
    return photos, labels if labelled else ()


def _photo(row: Any, path: Path) -> tuple[int, Path]:
    """COCO files name photos relative to an ``images`` folder beside them, or to themselves."""
    match row:
        case {"id": int(key), "file_name": str(name)}:
            folders = (path.parent / "images", path.parent)
            return key, next((folder / name for folder in folders if (folder / name).is_file()), folders[0] / name)
    raise InputError(f"{path} lists an image without a whole-number id or a file_name: {row!r:.80}.", fix=_FIX)


def _label(row: dict[str, Any], index: int, path: Path) -> KeypointLabel:
    try:
        left, top, width, height = (float(value) for value in row["bbox"])
        keypoints = tuple(float(value) for value in row["keypoints"])
        if len(keypoints) != _KEYPOINT_VALUES:
            raise ValueError(f"{len(keypoints)} keypoint values, not {_KEYPOINT_VALUES}")
        return KeypointLabel(
            photo=int(row["image_id"]),
            keypoints=keypoints,
            box=(left, top, width, height),
            area=float(row["area"]),
            is_crowd=bool(row.get("iscrowd", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path} is damaged: annotation {row.get('id', index)} has a wrong or missing field ({reason}).",
            fix="Give COCO person keypoint annotations: image_id, bbox, area, 17 keypoints.",
        ) from error
