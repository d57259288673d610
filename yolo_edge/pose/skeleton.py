"""Names and bones of the keypoint sets that yolo-edge knows.

Source of order, names and bones: the COCO 2017 ``person_keypoints`` category record (https://cocodataset.org/#format-data),
with zero-based bone ends.
"""

from __future__ import annotations

COCO_KEYPOINT_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

COCO_BONES: tuple[tuple[int, int], ...] = (
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)


def keypoint_names(count: int) -> tuple[str, ...]:
    """Return the name of each keypoint: COCO's for 17 of them, ``keypoint_0`` … otherwise."""
    return COCO_KEYPOINT_NAMES if count == len(COCO_KEYPOINT_NAMES) else tuple(f"keypoint_{i}" for i in range(count))


def bones(count: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of keypoint indices to join by a line: COCO's for 17 keypoints, none otherwise."""
    return COCO_BONES if count == len(COCO_KEYPOINT_NAMES) else ()
