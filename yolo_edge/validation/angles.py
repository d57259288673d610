"""What a workout app reads off a pose: the angles of elbows, knees, hips and shoulders.

The angle at joint ``b`` between its neighbours ``a`` and ``c`` is that of the vectors ``a − b`` and ``c − b`` in the
plane of the photo, 0 to 180 degrees. An error of an angle is what an exercise counter sees of a moved keypoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import seen_keypoints
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES
from yolo_edge.validation.bootstrap import Estimate, Resamples
from yolo_edge.validation.matching import Match

JOINTS: dict[str, tuple[str, str, str]] = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "shoulder": ("elbow", "shoulder", "hip"),
    "hip": ("shoulder", "hip", "knee"),
    "knee": ("hip", "knee", "ankle"),
}
"""Joint → its neighbours and itself, on each side of the body; names are COCO's without the side."""

SIDES = ("left", "right")
_SHORTEST = 1e-6  # pixels: two keypoints in one place have no direction


@dataclass(frozen=True)
class AngleError:
    """How wrong the angles of a joint are, degrees.

    Attributes:
        joint: a name of :data:`JOINTS`, or ``"all"``.
        median: absolute error.
        p95: its 95th percentile.
    """

    joint: str
    median: Estimate
    p95: Estimate


def triplets(names: Sequence[str]) -> dict[str, list[tuple[int, int, int]]]:
    """Return joint → keypoint indices of each side; empty for keypoint sets without these names."""
    place = {name: index for index, name in enumerate(names)}
    found: dict[str, list[tuple[int, int, int]]] = {}
    for joint, parts in JOINTS.items():
        for side in SIDES:
            wanted = [f"{side}_{part}" for part in parts]
            if all(name in place for name in wanted):
                first, middle, last = (place[name] for name in wanted)
                found.setdefault(joint, []).append((first, middle, last))
    return found


def joint_angle(person: Person, triplet: tuple[int, int, int]) -> float:
    """Return the angle at the middle keypoint, degrees 0-180; NaN where one is not seen or two are in one place."""
    if not seen_keypoints(person)[list(triplet)].all():
        return float("nan")
    return _angle(person.keypoints, triplet)


def _angle(keypoints: NDArray[np.float64], triplet: tuple[int, int, int]) -> float:
    first, middle, last = (keypoints[index, :2] for index in triplet)
    one, other = first - middle, last - middle
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if min(lengths) < _SHORTEST:
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(one @ other / (lengths[0] * lengths[1]), -1.0, 1.0))))


def measure_angles(
    matches: Sequence[Match],
    index_of: Mapping[int, int],
    *,
    names: Sequence[str] = COCO_KEYPOINT_NAMES,
    resamples: Resamples,
) -> tuple[AngleError, ...]:
    """Compare the angles of found persons at the joints that the reference sees.

    Args:
        matches: of :func:`yolo_edge.validation.matching.match_persons`.
        index_of: key of a photo → its index in the draws.
        names: of the keypoints.
        resamples: draws of the photos.

    Returns:
        One entry a joint that was seen at least once, ``"all"`` first; nothing for keypoint sets without joints.
    """
    errors: dict[str, list[float]] = {}
    images: dict[str, list[int]] = {}
    for joint, sides in triplets(names).items():
        for match in matches:
            if match.other is None or not match.is_found:
                continue
            for triplet in sides:
                error = abs(joint_angle(match.reference, triplet) - _angle(match.other.keypoints, triplet))
                if np.isfinite(error):
                    for key in ("all", joint):
                        errors.setdefault(key, []).append(error)
                        images.setdefault(key, []).append(index_of[match.photo])
    results = []
    for joint in ("all", *JOINTS):
        if joint in errors:
            median = resamples.quantile(errors[joint], images[joint], 0.5)
            p95 = resamples.quantile(errors[joint], images[joint], 0.95)
            assert median and p95
            results.append(AngleError(joint, median, p95))
    return tuple(results)
