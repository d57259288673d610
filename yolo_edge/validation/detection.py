"""The persons that a model finds on a set of photos."""

from __future__ import annotations

from yolo_edge.console import progress
from yolo_edge.photos.reading import ReadablePhotos
from yolo_edge.pose.decode import IOU, Person, detect
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import Runtime

LOWEST_SCORE = 0.001
"""Average precision wants the whole curve: the bound that Ultralytics validates with."""


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
        Key of each photo → persons down to a score of 0.001, in pixels of the photo, by falling score.

    Raises:
        InputError: no photo can be read.
        ModelError: the model cannot be run.
    """
    found: dict[int, tuple[Person, ...]] = {}
    with progress(title, len(photos), "photos") as advance:
        for photo, image in photos:
            images, geometry = letterbox(image, head.image_size)
            found[photo.key] = tuple(detect(runtime.run(images), head, geometry, LOWEST_SCORE, IOU))
            advance(1)
    return found
