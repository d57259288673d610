"""The persons that a model finds on a photo."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_edge.console import progress
from yolo_edge.photos.photo import Image
from yolo_edge.photos.reading import ReadablePhotos
from yolo_edge.pose.decode import CONFIDENCE, IOU, Person, detect
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import Runtime, open_runtime

LOWEST_SCORE = 0.001
"""Average precision wants the whole curve: the bound that Ultralytics validates with."""

MOST_PERSONS = 20
"""So many are kept of a photo, and all above the usual confidence: pycocotools looks at 20 (``Params.setKpParams``)."""


@dataclass(frozen=True, eq=False)
class Observation:
    """What a model found on one photo.

    Attributes:
        persons: down to a score of 0.001, by falling score, in pixels of the photo.
        scale: input pixels a photo pixel.
    """

    persons: tuple[Person, ...]
    scale: float


def observe_photo(runtime: Runtime, head: PoseHead, image: Image) -> Observation:
    """Run a model on one photo.

    Args:
        runtime: an open model.
        head: what its output means.
        image: uint8 RGB ``[H, W, 3]``.

    Raises:
        ModelError: the model cannot be run, or answers what is no number.
    """
    images, geometry = letterbox(image, head.image_size)
    persons = detect(runtime.run(images), head, geometry, LOWEST_SCORE, IOU)
    sure = sum(person.score > CONFIDENCE for person in persons)
    return Observation(tuple(persons[: max(sure, MOST_PERSONS)]), float(np.mean(geometry.scale)))


def find_persons(
    runtime: Runtime, head: PoseHead, photos: ReadablePhotos, *, title: str = "Finding persons"
) -> dict[int, tuple[Person, ...]]:
    """Run a model on photos, one at a time.

    Args:
        runtime: an open model.
        head: what its output means.
        photos: the photos; those that cannot be read are named by them, and left out here.
        title: what the progress bar says.

    Returns:
        Key of each photo → its persons, see :class:`Observation`.

    Raises:
        InputError: no photo can be read.
        ModelError: the model cannot be run.
    """
    found: dict[int, tuple[Person, ...]] = {}
    with progress(title, len(photos), "photos") as advance:
        for photo, image in photos:
            found[photo.key] = observe_photo(runtime, head, image).persons
            advance(1)
    return found


def find_persons_by_onnx(
    model: bytes, head: PoseHead, photos: ReadablePhotos, *, title: str = "Finding persons"
) -> dict[int, tuple[Person, ...]]:
    """Run a serialized ONNX model on photos by onnxruntime; see :func:`find_persons`."""
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        path = Path(scratch) / "model.onnx"
        path.write_bytes(model)
        with open_runtime("onnx", path) as runtime:
            return find_persons(runtime, head, photos, title=title)
