"""Object keypoint similarity: how alike two skeletons are, from 0 to 1.

``OKS = mean over keypoints of exp(−d² / (2·A·(2σ)²))``, with ``d`` the distance of two keypoints in pixels, ``A`` the
person's area in square pixels, and ``σ`` how far people differ when they place that keypoint.

Source: https://cocodataset.org/#keypoints-eval, where the formula and COCO's 17 ``σ`` are. Without a segmentation the
area is 0.53 of the box, as Ultralytics takes it (``ultralytics/models/yolo/pose/val.py``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import UsageError
from yolo_edge.pose.decode import Person

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
"""Of COCO's 17 keypoints, as a share of the square root of the person's area."""

OTHER_SIGMA = 0.05
"""For keypoint sets other than COCO's: between a face point and a joint."""

AREA_OF_BOX = 0.53
"""What part of its box a person fills."""

SEEN = 0.5
"""Least visibility of a keypoint that a model sees; Ultralytics and our pictures draw by the same bound."""

_SMALLEST_AREA = 1.0


def keypoint_sigmas(count: int) -> NDArray[np.float64]:
    """Return the ``σ`` of each keypoint, float64 ``[count]``: COCO's for 17, :data:`OTHER_SIGMA` otherwise."""
    return np.array(COCO_SIGMAS if count == len(COCO_SIGMAS) else [OTHER_SIGMA] * count)


def seen_keypoints(person: Person) -> NDArray[np.bool_]:
    """Tell which keypoints a person shows, bool ``[K]``; all of them where the model gives no visibility."""
    if person.keypoints.shape[1] < 3:
        return np.ones(len(person.keypoints), dtype=np.bool_)
    seen: NDArray[np.bool_] = person.keypoints[:, 2] >= SEEN
    return seen


def object_keypoint_similarity(reference: Person, other: Person, *, counted: NDArray[np.bool_] | None = None) -> float:
    """Compare two persons of a photo; see the module docstring for the formula.

    Args:
        reference: the person that is compared with; its box gives the area.
        other: the person that is judged, in pixels of the same photo.
        counted: which keypoints count, bool ``[K]``; all of them by default.

    Returns:
        0 (elsewhere) to 1 (the same keypoints).

    Raises:
        UsageError: the persons have different keypoint sets, or no keypoint counts.
    """
    if len(reference.keypoints) != len(other.keypoints):
        raise UsageError(
            f"A person of {len(reference.keypoints)} keypoints cannot be compared with one of {len(other.keypoints)}.",
            fix="Compare variants of one model.",
        )
    if counted is not None and not counted.any():
        raise UsageError("No keypoint counts.", fix="Leave persons out that show none.")
    left, top, right, bottom = reference.box
    area = max(float((right - left) * (bottom - top)) * AREA_OF_BOX, _SMALLEST_AREA)
    squares = np.square(reference.keypoints[:, :2] - other.keypoints[:, :2]).sum(axis=1)
    similarities = np.exp(-squares / (2 * area * np.square(2 * keypoint_sigmas(len(squares)))))
    return float(similarities.mean() if counted is None else similarities[counted].mean())
