"""Ultralytics pose data: a yaml that names folders or lists of photos, and a text file of labels a photo.

The form is that of https://docs.ultralytics.com/datasets/pose/: a line a person, ``class cx cy w h`` and then ``x y``
or ``x y flag`` of each keypoint, shares of the upright photo's width and height. A photo without a text file holds
nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.console import say
from yolo_edge.errors import ImageError, InputError
from yolo_edge.photos.benchmark import Benchmark, PersonLabel, Skipped
from yolo_edge.photos.documents import read_yaml
from yolo_edge.photos.photo import FilePhoto, name_below, photos_below
from yolo_edge.photos.source import FIX, Opening, SourceFormat
from yolo_edge.pose.image import image_size

KIND = "ultralytics"
AREA_SHARE = 0.53
"""Area of a person in areas of its box, as ``ultralytics.models.yolo.pose.val`` takes it for its similarities."""

_JUDGED, _TRAINED = ("val", "test", "train"), ("train", "val")  # splits, in order of preference
_BOX_VALUES = 5
_SLACK = 1.01  # largest share of a side that Ultralytics' data check lets pass


@dataclass(frozen=True)
class _Shape:
    """Keypoints a person, values a keypoint (2, or 3 with a flag), and the class that is a person."""

    keypoints: int
    dimensions: int
    person: int | None

    @property
    def values(self) -> int:
        return _BOX_VALUES + self.keypoints * self.dimensions


def is_data_yaml(source: str) -> bool:
    """Say whether a source is called like a data yaml."""
    return Path(source).suffix.lower() in (".yaml", ".yml")


def read_data_yaml(opening: Opening) -> Benchmark:
    """Open the photos that a model is judged on: those of ``val``, else of ``test``, else of ``train``.

    Raises:
        InputError: the yaml cannot be used, or none of its photos can.
    """
    path = opening.path
    document = read_yaml(path)
    shape = _shape(document, path)
    root = _root(document, path)
    photos, labels, skipped = [], [], []
    for key, file in enumerate(_files(document, path, _JUDGED)):
        photo = FilePhoto(key, name_below(file, root), file)
        try:
            found = _labels_of(photo, shape)
        except (ImageError, _LabelError) as error:
            reason = error.what if isinstance(error, ImageError) else str(error)
            skipped.append(Skipped(photo.name, reason))
            say(f"Skipping a photo. {reason}")
            continue
        photos.append(photo)
        labels += found
    if not photos:
        reason = f" {skipped[0].reason}" if skipped else ""
        raise InputError(f"{path} holds no photos that can be read.{reason}", fix=FIX)
    if not any(label.counts for label in labels):
        say(f"The labels of {path} hold no person with a labelled keypoint: the photos count as unlabelled")
        labels = []
    return Benchmark(path.name, KIND, tuple(photos), tuple(labels), skipped=tuple(skipped))


def data_yaml_files(path: Path) -> list[Path]:
    """Return the photos to learn from: those of ``train``, else of ``val``."""
    return _files(read_yaml(path), path, _TRAINED)


class _LabelError(Exception):
    """A text file of labels is damaged; the message names the line."""


def _shape(document: dict[str, Any], path: Path) -> _Shape:
    match document.get("kpt_shape"):
        case [int(keypoints), int(dimensions)] if keypoints > 0 and dimensions in (2, 3):
            return _Shape(keypoints, dimensions, _person_class(document, path))
    raise InputError(
        f"{path} is no pose data: kpt_shape is {document.get('kpt_shape')!r}.",
        fix="Write kpt_shape: [17, 3], the keypoints a person and 2 or 3 values each.",
    )


def _person_class(document: dict[str, Any], path: Path) -> int | None:
    """Index of the class whose labels count; None for all, where there is but one class."""
    names = document.get("names")
    pairs = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, dict) else {}
    if len(pairs) <= 1:
        return None
    for index, name in pairs.items():
        if name == "person" and isinstance(index, int):
            return index
    raise InputError(f"{path} has {len(pairs)} classes, none of which is called person.", fix="Name the class person.")


def _root(document: dict[str, Any], path: Path) -> Path:
    root = path.parent / str(document.get("path") or "")
    return root if root.is_dir() else path.parent  # a yaml inside its set names the set's own folder


def _files(document: dict[str, Any], path: Path, splits: Sequence[str]) -> list[Path]:
    root = _root(document, path)
    entries: Any = next((document[split] for split in splits if document.get(split)), [])
    files: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        target = root / str(entry)
        if target.is_dir():
            files += photos_below(target)
        elif target.is_file():
            lines = (line.strip() for line in target.read_text(encoding="utf-8", errors="replace").splitlines())
            files += [target.parent / line for line in lines if line]
    return files


def _labels_of(photo: FilePhoto, shape: _Shape) -> list[PersonLabel]:
    height, width = image_size(photo.path)
    file = _label_file(photo.path)
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _LabelError(f"{file} cannot be read: {error}.") from error
    labels = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            values = _values(line.split(), shape, f"Line {number} of {file}")
            if shape.person is None or values[0] == shape.person:
                labels.append(_label(photo.key, values[1:], shape, width, height))
    return labels


def _label_file(photo: Path) -> Path | None:
    """``…/images/a/b.jpg`` is labelled in ``…/labels/a/b.txt``; else the file is in ``labels/``, or beside it."""
    candidates = [photo.parent / "labels" / photo.name, photo.parent.parent / "labels" / photo.name, photo]
    parts = list(photo.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index("images")
        candidates.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :]))
    return next((file for file in (path.with_suffix(".txt") for path in candidates) if file.is_file()), None)


def _values(words: Sequence[str], shape: _Shape, where: str) -> list[float]:
    if len(words) != shape.values:
        raise _LabelError(f"{where} has {len(words)} values, not {shape.values}.")
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise _LabelError(f"{where} holds what is no number: {error}.") from error
    if not all(0 <= value <= _SLACK for value in values[1:_BOX_VALUES]):
        raise _LabelError(f"{where} has a box that is not within 0-1: its values must be shares of width and height.")
    keypoints = values[_BOX_VALUES:]
    places = [value for index, value in enumerate(keypoints) if index % shape.dimensions < 2]
    if not all(value <= _SLACK for value in places):  # NaN fails too
        raise _LabelError(f"{where} has a keypoint beyond the photo: its values must be shares of width and height.")
    return values


def _label(key: int, values: Sequence[float], shape: _Shape, width: int, height: int) -> PersonLabel:
    x, y, w, h = values[:4]
    keypoints: list[float] = []
    for start in range(4, len(values), shape.dimensions):
        across, down = values[start : start + 2]
        flag = values[start + 2] if shape.dimensions == 3 else 2.0
        is_labelled = flag > 0 and across >= 0 and down >= 0  # Ultralytics writes places below 0 for missing keypoints
        keypoints += [across * width, down * height, flag] if is_labelled else [0.0, 0.0, 0.0]
    box = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    return PersonLabel(key, tuple(keypoints), box, box[2] * box[3] * AREA_SHARE)


FORMAT = SourceFormat(KIND, is_data_yaml, read_data_yaml, data_yaml_files)
