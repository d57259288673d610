"""The persons that a model finds on a set of photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from yolo_edge.console import progress
from yolo_edge.pose.decode import IOU, Person, detect
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import Runtime

LOWEST_SCORE = 0.001
"""Average precision wants the whole curve: the bound that Ultralytics validates with."""


def find_persons(
    runtime: Runtime, head: PoseHead, photos: Mapping[int, Path], *, title: str = "Finding persons"
) -> dict[int, tuple[Person, ...]]:
    """Run a model on photos.

    Args:
        runtime: an open model.
        head: what its output means.
        photos: key of a photo → its file.
        title: what the progress bar says.

    Returns:
        Key of each photo → persons down to a score of 0.001, in pixels of the photo, by falling score.

    Raises:
        ImageError: a photo cannot be read.
        ModelError: the model cannot be run.
    """
    found: dict[int, tuple[Person, ...]] = {}
    with progress(title, len(photos), "photos") as advance:
        for key, path in photos.items():
            images, geometry = letterbox(read_image(path), head.image_size)
            found[key] = tuple(detect(runtime.run(images), head, geometry, LOWEST_SCORE, IOU))
            advance(1)
    return found
