"""How far the outputs of two runtimes are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.photos import Photo
from yolo_edge.pose.decode import Person, detect
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import Letterbox, letterbox
from yolo_edge.runtime.base import Runtime

Output = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Apart:
    """Largest differences over photos, counting every anchor of the output, whatever its score.

    Attributes:
        boxes: input pixels, of centre, width or height.
        keypoints: input pixels, of x or y.
        scores: 0-1.
        visibility: 0-1; 0 where keypoints have none.
    """

    boxes: float
    keypoints: float
    scores: float
    visibility: float


@dataclass(frozen=True)
class PersonsApart:
    """What decoding and suppression make of two outputs.

    Attributes:
        persons: how many were found over all photos; None if not the same number on every photo.
        person_keypoints: largest difference of a keypoint of theirs, input pixels.
    """

    persons: int | None
    person_keypoints: float | None


def outputs_of(runtime: Runtime, head: PoseHead, photos: Sequence[Photo]) -> list[Output]:
    """Run a model on letterboxed photos."""
    return [runtime.run(letterbox(photo, head.image_size)[0]) for photo in photos]


def compare(found: Sequence[Output], expected: Sequence[Output], head: PoseHead) -> Apart:
    """Compare the raw outputs of two runtimes on the same photos."""
    parts = [_apart(*pair, head) for pair in zip(found, expected, strict=True)]
    return Apart(**{field.name: max(getattr(part, field.name) for part in parts) for field in fields(Apart)})


def _apart(found: Output, expected: Output, head: PoseHead) -> Apart:
    classes = len(head.classes)
    apart = np.abs(found[0].astype(np.float64) - expected[0])
    keypoints = apart[4 + classes :].reshape(head.keypoint_count, head.keypoint_dimensions, -1)
    return Apart(
        boxes=float(apart[:4].max()),
        keypoints=float(keypoints[:, :2].max()),
        scores=float(apart[4 : 4 + classes].max()),
        visibility=float(keypoints[:, 2:].max()) if head.keypoint_dimensions == 3 else 0.0,
    )


def compare_persons(
    found: Sequence[Output], expected: Sequence[Output], head: PoseHead, photos: Sequence[Photo]
) -> PersonsApart:
    """Decode the outputs of two runtimes and compare the persons, matched by their order of score."""
    count, farthest = 0, 0.0
    for here, there, photo in zip(found, expected, photos, strict=True):
        geometry = Letterbox.fit((photo.shape[0], photo.shape[1]), head.image_size)
        ours, theirs = detect(here, head, geometry), detect(there, head, geometry)
        if len(ours) != len(theirs):
            return PersonsApart(None, None)
        count += len(ours)
        farthest = max([farthest, *(_far(*pair, geometry) for pair in zip(ours, theirs, strict=True))])
    return PersonsApart(count, farthest)


def _far(one: Person, other: Person, geometry: Letterbox) -> float:
    return float(np.abs((one.keypoints[:, :2] - other.keypoints[:, :2]) * geometry.scale).max())


def double_precision_outputs(checkpoint: Path, head: PoseHead, photos: Sequence[Photo]) -> list[NDArray[np.float64]]:
    """Run a checkpoint in torch with float64 arithmetic: the yardstick of float32's own noise."""
    import torch

    from yolo_edge.checkpoint.export import load_model

    module = load_model(checkpoint, head.image_size).double()
    outputs = []
    with torch.inference_mode():
        for photo in photos:
            channels_first = letterbox(photo, head.image_size)[0].transpose(0, 3, 1, 2)
            output = module(torch.from_numpy(np.ascontiguousarray(channels_first)).double())
            outputs.append((output[0] if isinstance(output, tuple | list) else output).numpy())
    return outputs
