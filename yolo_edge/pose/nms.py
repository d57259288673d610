"""Greedy non-maximum suppression, class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DETECTIONS = 300
"""Most detections kept in an image, Ultralytics' ``max_det``."""


def intersection_over_union(box: NDArray[np.floating[Any]], boxes: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the overlap of one box with others.

    Args:
        box: ``[4]``, corners x1, y1, x2, y2.
        boxes: ``[M, 4]``, in the same frame.

    Returns:
        float64 ``[M]``, 0-1; 0 where both boxes have no area.
    """
    box, boxes = np.asarray(box, dtype=np.float64), np.asarray(boxes, dtype=np.float64)
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    total = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    overlap: NDArray[np.float64] = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return overlap


def suppress(
    boxes: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    class_indices: NDArray[np.integer[Any]],
    *,
    iou: float,
    limit: int = MAX_DETECTIONS,
) -> NDArray[np.int64]:
    """Choose the detections to keep.

    They are visited by falling score (of equal scores the lower index first); one is dropped when it overlaps a kept
    one of its own class by more than ``iou``. Overlaps are computed in double precision, so a JavaScript reader of the
    same numbers takes the same decisions.

    Args:
        boxes: ``[M, 4]``, corners x1, y1, x2, y2, pixels.
        scores: ``[M]``, 0-1.
        class_indices: ``[M]``.
        iou: largest overlap of two kept boxes of a class, 0-1.
        limit: how many to keep at most.

    Returns:
        int64 ``[kept]``, indices into the arguments, by falling score.

    Source: greedy suppression as in ``ultralytics/utils/nms.py``, which keeps classes apart by an offset of the boxes.
    """
    waiting = np.argsort(-np.asarray(scores), kind="stable")
    kept: list[int] = []
    while waiting.size and len(kept) < limit:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        rivals = (class_indices[waiting] == class_indices[best]) & (
            intersection_over_union(boxes[best], boxes[waiting]) > iou
        )
        waiting = waiting[~rivals]
    return np.array(kept, dtype=np.int64)
