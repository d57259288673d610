"""COCO files: images, and person keypoints where they are labelled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.console import say
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import Benchmark, PersonLabel, Skipped
from yolo_edge.photos.documents import read_json
from yolo_edge.photos.photo import FilePhoto
from yolo_edge.photos.source import FIX, Opening, SourceFormat

KIND = "coco"

_PERSON = "person"
_LABEL_FIX = "Give COCO person keypoint annotations: image_id, bbox, area, and x, y, flag of each keypoint."
_NAMED = 3  # how many of a long list of files a message names


@dataclass(frozen=True)
class CocoDocument:
    """What a COCO file says.

    Attributes:
        path: the file.
        names: image id → file name, as listed.
        labels: labelled persons on listed images; empty where no label counts.
        strays: what is labelled, but not listed.
    """

    path: Path
    names: Mapping[int, str]
    labels: tuple[PersonLabel, ...]
    strays: tuple[Skipped, ...] = ()

    def eligible(self, *, with_unlabelled: bool = False) -> dict[int, str]:
        """Return the images that a model can be judged on, image id → file name.

        Without labels these are all. With labels, an image that has none that counts may hold persons whom nobody
        labelled, so it is left out.

        Args:
            with_unlabelled: take those too, as images without persons.
        """
        labelled = {label.photo for label in self.labels if label.counts}
        if not labelled or with_unlabelled:
            return dict(self.names)
        return {key: name for key, name in self.names.items() if key in labelled}


def parse_coco(path: Path) -> CocoDocument:
    """Read a COCO file. Of several categories, that called ``person`` counts.

    Raises:
        InputError: it cannot be read, is damaged, or lists no images; persons have different numbers of keypoints.
    """
    document = read_json(path)
    rows = document.get("images")
    if not isinstance(rows, list):
        raise InputError(f"{path} is no COCO file: it lists no images.", fix=FIX)
    names = dict(_name(row, path) for row in rows)
    if len(names) < len(rows):
        twice = Counter(row["id"] for row in rows).most_common(1)[0][0]
        raise InputError(f"{path} is damaged: two images have the id {twice}.", fix=FIX)
    labels = _labels(document, path)
    strays = Counter(label.photo for label in labels if label.photo not in names)
    skipped = [
        Skipped(f"image {key}", f"{path.name} labels {count} persons on it, but does not list it.")
        for key, count in strays.items()
    ]
    if skipped:
        say(f"{path} labels persons on {len(skipped)} images that it does not list; they are left out")
    listed = tuple(label for label in labels if label.photo in names)
    if labels and not any(label.counts for label in listed):
        say(f"The labels of {path} hold no person with a labelled keypoint: the photos count as unlabelled")
        listed = ()
    return CocoDocument(path, names, listed, tuple(skipped))


def as_benchmark(
    document: CocoDocument, name: str, photos: Iterable[FilePhoto], skipped: Sequence[Skipped] = ()
) -> Benchmark:
    """Put photos and their labels together."""
    taken = tuple(photos)
    keys = {photo.key for photo in taken}
    labels = tuple(label for label in document.labels if label.photo in keys)
    return Benchmark(name, KIND, taken, labels, skipped=(*document.strays, *skipped))


def is_coco(source: str) -> bool:
    """Say whether a source is called like a COCO file."""
    return Path(source).suffix.lower() == ".json"


def read_coco(opening: Opening) -> Benchmark:
    """Open a COCO file whose photos lie in ``images/`` beside it, or beside it.

    Raises:
        InputError: the file cannot be used, or none of its photos is there.
    """
    document = parse_coco(opening.path)
    photos, skipped = [], []
    for key, name in document.eligible().items():
        file = _file_of(name, opening.path)
        if file is None:
            skipped.append(Skipped(name, f"{opening.path.name} lists it, but the file is absent."))
        else:
            photos.append(FilePhoto(key, name, file))
    if not photos:
        absent = f": all {len(skipped)} that it lists are absent ({_some(skipped)})" if skipped else ""
        raise InputError(
            f"{opening.path} holds no photos that can be read{absent}.", fix="Put the photos into images/ beside it."
        )
    if skipped:
        say(f"Skipping {len(skipped)} photos that {opening.path} lists, but which are absent: {_some(skipped)}")
    return as_benchmark(document, opening.path.name, photos, skipped)


def coco_files(path: Path) -> list[Path]:
    """Return the photos of a COCO file that are there, in the order listed, labelled or not."""
    entries = read_json(path).get("images")
    rows = entries if isinstance(entries, list) else []
    names = [str(row["file_name"]) for row in rows if isinstance(row, dict) and "file_name" in row]
    return [file for name in names if (file := _file_of(name, path)) is not None]


def _file_of(name: str, path: Path) -> Path | None:
    """COCO files name photos relative to an ``images`` folder beside them, or to themselves."""
    candidates = (path.parent / "images" / name, path.parent / name)
    return next((file for file in candidates if file.is_file()), None)


def _some(skipped: Sequence[Skipped]) -> str:
    names = ", ".join(entry.name for entry in skipped[:_NAMED])
    return f"{names}, …" if len(skipped) > _NAMED else names


def _name(row: Any, path: Path) -> tuple[int, str]:
    match row:
        case {"id": int(key), "file_name": str(name)} if name:
            return key, name
    raise InputError(f"{path} lists an image without a whole-number id or a file_name: {row!r:.80}.", fix=FIX)


def _labels(document: dict[str, Any], path: Path) -> tuple[PersonLabel, ...]:
    categories = [row for row in _rows(document, "categories", path) if isinstance(row, dict)]
    persons = [row for row in categories if row.get("name") == _PERSON]
    wanted = [row.get("id") for row in persons or categories]
    told = next((len(row["keypoints"]) for row in persons if isinstance(row.get("keypoints"), list)), None)
    labels = []
    for index, row in enumerate(_rows(document, "annotations", path)):
        if not isinstance(row, dict) or "keypoints" not in row:
            continue
        if "category_id" in row and wanted and row["category_id"] not in wanted:
            continue
        label = _label(row, index, path, told)
        told = label.keypoint_count
        labels.append(label)
    return tuple(labels)


def _rows(document: dict[str, Any], name: str, path: Path) -> list[Any]:
    rows = document.get(name) or []
    if not isinstance(rows, list):
        raise InputError(f"{path} is damaged: its {name} are no list.", fix=FIX)
    return rows


def _label(row: dict[str, Any], index: int, path: Path, keypoint_count: int | None) -> PersonLabel:
    try:
        left, top, width, height = (float(value) for value in row["bbox"])
        keypoints = tuple(float(value) for value in row["keypoints"])
        count = len(keypoints) / 3 if keypoint_count is None else keypoint_count
        if not keypoints or len(keypoints) != 3 * int(count):
            expected = "three for each keypoint" if keypoint_count is None else f"{3 * keypoint_count}"
            raise ValueError(f"{len(keypoints)} keypoint values, not {expected}")
        if not all(math.isfinite(value) for value in (left, top, width, height, float(row["area"]), *keypoints)):
            raise ValueError("a value is not a finite number")
        return PersonLabel(
            photo=int(row["image_id"]),
            keypoints=keypoints,
            box=(left, top, width, height),
            area=float(row["area"]),
            is_crowd=bool(row.get("iscrowd", 0)),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path} is damaged: annotation {row.get('id', index)} has a wrong or missing field ({reason}).",
            fix=_LABEL_FIX,
        ) from error


FORMAT = SourceFormat(KIND, is_coco, read_coco, coco_files)
