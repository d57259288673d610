"""From a model's output tensor to the persons in a photo.

One decoder a layout (see :mod:`yolo_edge.pose.head`), found in :data:`DECODERS`; every runtime, the validation and the
JavaScript loader are held to what :func:`detect` answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ModelError, UsageError
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import Letterbox
from yolo_edge.pose.nms import MAX_DETECTIONS, suppress

CONFIDENCE = 0.25
"""Lowest score of a person that is reported, Ultralytics' ``conf`` default for prediction."""

IOU = 0.7
"""Largest overlap of two reported boxes of a class, Ultralytics' ``iou`` default."""


@dataclass(frozen=True)
class Detections:
    """Candidates in the input frame.

    Attributes:
        boxes: float32 ``[M, 4]``, corners x1, y1, x2, y2 in input pixels.
        scores: float32 ``[M]``, 0-1.
        class_indices: int64 ``[M]``.
        keypoints: float32 ``[M, K, D]``: x, y in input pixels and, where ``D`` is 3, visibility 0-1.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_indices: NDArray[np.int64]
    keypoints: NDArray[np.float32]

    def take(self, which: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Detections:
        """Return the chosen rows, in the order chosen."""
        return Detections(self.boxes[which], self.scores[which], self.class_indices[which], self.keypoints[which])


@dataclass(frozen=True, eq=False)
class Person:
    """One detection in a photo (a person, or whatever the model's classes are).

    Attributes:
        box: float64 ``[4]``, corners x1, y1, x2, y2 in pixels of the photo, inside it.
        score: 0-1.
        class_index: index into the head's classes.
        keypoints: float64 ``[K, D]``: x, y in pixels of the photo, inside it, and, where ``D`` is 3, visibility 0-1.
    """

    box: NDArray[np.float64]
    score: float
    class_index: int
    keypoints: NDArray[np.float64]


def decode_raw(output: NDArray[np.float32], head: PoseHead) -> Detections:
    """Read the raw layout, ``[1, 4+nc+K·D, N]``; every anchor becomes one candidate of its best class."""
    rows = output[0].T
    class_count = len(head.classes)
    centres, sizes, class_scores = rows[:, 0:2], rows[:, 2:4], rows[:, 4 : 4 + class_count]
    best = class_scores.argmax(axis=1)
    return Detections(
        boxes=np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1),
        scores=np.take_along_axis(class_scores, best[:, None], axis=1)[:, 0],
        class_indices=best.astype(np.int64),
        keypoints=rows[:, 4 + class_count :].reshape(-1, head.keypoint_count, head.keypoint_dimensions),
    )


def decode_end2end(output: NDArray[np.float32], head: PoseHead) -> Detections:
    """Read the end-to-end layout, ``[1, M, 6+K·D]``."""
    rows = output[0]
    return Detections(
        boxes=rows[:, 0:4],
        scores=rows[:, 4],
        class_indices=rows[:, 5].astype(np.int64),
        keypoints=rows[:, 6:].reshape(-1, head.keypoint_count, head.keypoint_dimensions),
    )


@dataclass(frozen=True)
class Decoder:
    """How a layout is read, and whether its candidates still overlap each other."""

    read: Callable[[NDArray[np.float32], PoseHead], Detections]
    needs_suppression: bool


DECODERS: dict[str, Decoder] = {
    "raw": Decoder(decode_raw, needs_suppression=True),
    "end2end": Decoder(decode_end2end, needs_suppression=False),
}


def detect(
    output: NDArray[np.float32],
    head: PoseHead,
    letterbox: Letterbox,
    confidence: float = CONFIDENCE,
    iou: float = IOU,
) -> list[Person]:
    """Find the persons in a model's output.

    Candidates with a score above ``confidence`` are suppressed greedily class by class (raw layout; in the input frame,
    as Ultralytics does), at most 300 are kept, and their coordinates are taken to the photo and clipped to it.

    Args:
        output: float32, of ``head.output_shape``.
        head: what the output means.
        letterbox: how the photo lies in the input.
        confidence: lowest score, 0-1, exclusive.
        iou: largest overlap of two boxes of a class, 0-1; the end-to-end layout has no use for it.

    Returns:
        Persons by falling score, of equal scores in the order of the output.

    Raises:
        ModelError: the output has another shape, or values that are not finite.
        UsageError: ``confidence`` or ``iou`` is not within 0-1.
    """
    _check_share("confidence", confidence)
    _check_share("iou", iou)
    _check_output(output, head)
    decoder = DECODERS[head.layout]
    candidates = decoder.read(output, head)
    candidates = candidates.take(candidates.scores > confidence)
    if decoder.needs_suppression:
        chosen = suppress(candidates.boxes, candidates.scores, candidates.class_indices, iou=iou)
    else:
        chosen = np.argsort(-candidates.scores, kind="stable")[:MAX_DETECTIONS]
    return _persons(candidates.take(chosen), letterbox)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{name} is {value}.", fix="Give a number from 0 to 1.")


def _check_output(output: NDArray[np.float32], head: PoseHead) -> None:
    if output.shape != head.output_shape:
        raise ModelError(
            f"The model's output has shape {list(output.shape)}, its {head.layout} pose head promises "
            f"{list(head.output_shape)}.",
            fix="The model and its description do not belong together: convert it again.",
        )
    bad = int(np.count_nonzero(~np.isfinite(output)))
    if bad:
        raise ModelError(
            f"The model's output holds {bad} values that are not numbers (NaN or infinite).",
            fix="The weights are damaged, or the backend lacks the precision: convert again, or try another runtime.",
        )


def _persons(detections: Detections, letterbox: Letterbox) -> list[Person]:
    corners = detections.boxes.reshape(-1, 2, 2)
    boxes = letterbox.clip_to_source(letterbox.to_source(corners)).reshape(-1, 4)
    keypoints = detections.keypoints.astype(np.float64)
    keypoints[..., :2] = letterbox.clip_to_source(letterbox.to_source(keypoints[..., :2]))
    return [
        Person(
            box=boxes[i],
            score=float(detections.scores[i]),
            class_index=int(detections.class_indices[i]),
            keypoints=keypoints[i],
        )
        for i in range(len(boxes))
    ]
