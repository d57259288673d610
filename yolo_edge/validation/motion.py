"""What a clip shows: how much still joints jitter, and how many repetitions of an exercise are counted.

The person is the largest one that the float model is sure of on each frame. *Jitter* of a joint at a frame is how far
it lies from the middle of its places one frame before and after, as a share of body size; it is taken where the float
model's joint moves by less than :data:`STILL` of body size between those two frames, so that real motion is left out.
A *repetition* is a swing of a joint's angle below the lower and then above the upper of two bounds (a Schmitt trigger,
so that noise at one bound counts nothing); the joint, and the bounds, are those of the float model's widest swing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import object_keypoint_similarity, seen_keypoints
from yolo_edge.validation.agreement import body_size
from yolo_edge.validation.angles import joint_angle, triplets
from yolo_edge.validation.matching import FOUND, SAME, SURE, PersonsByPhoto

STILL = 0.01
"""Of body size: what a standing person's joints move by in a fifth of a second."""

_LOWER, _UPPER = 0.35, 0.65
"""Bounds of a repetition, as shares of the swing."""

_LEAST_SWING = 25.0
"""Degrees: less is no exercise."""


@dataclass(frozen=True)
class Motion:
    """A clip, seen by two models.

    Attributes:
        clip: its name.
        frames: how many were looked at.
        followed: on how many of them both models see the person.
        reference_jitter: of still joints, share of body size, float model; None where no joint is still.
        jitter: the same of the variant.
        joint: the joint whose swings are counted; None if nothing swings.
        reference_repetitions: of the float model.
        repetitions: of the variant.
    """

    clip: str
    frames: int
    followed: int
    reference_jitter: float | None
    jitter: float | None
    joint: str | None
    reference_repetitions: int
    repetitions: int


def measure_motion(
    clip: str, frames: Sequence[int], reference: PersonsByPhoto, other: PersonsByPhoto, names: Sequence[str]
) -> Motion:
    """Compare what two models see of a clip.

    Args:
        clip: its name.
        frames: keys of its frames, in time.
        reference: persons of the float model.
        other: persons of the variant.
        names: of the keypoints.
    """
    pairs = [_followed(reference.get(frame, ()), other.get(frame, ())) for frame in frames]
    jitter = _jitter(pairs)
    joint, counts = _repetitions(pairs, names)
    return Motion(
        clip=clip,
        frames=len(frames),
        followed=sum(pair is not None for pair in pairs),
        reference_jitter=jitter[0] if jitter else None,
        jitter=jitter[1] if jitter else None,
        joint=joint,
        reference_repetitions=counts[0],
        repetitions=counts[1],
    )


def clips_of(clip_of: Mapping[int, str]) -> dict[str, list[int]]:
    """Return clip → keys of its frames, in the order given."""
    clips: dict[str, list[int]] = {}
    for key, clip in clip_of.items():
        clips.setdefault(clip, []).append(key)
    return clips


Pair = tuple[Person, Person] | None


def _followed(persons: Sequence[Person], others: Sequence[Person]) -> Pair:
    """The largest sure person of the float model, and the variant's view of it."""
    sure = [person for person in persons if person.score >= SURE]
    candidates = [person for person in others if person.score >= FOUND]
    if not sure or not candidates:
        return None
    person = max(sure, key=body_size)
    best = max(candidates, key=lambda candidate: object_keypoint_similarity(person, candidate))
    return (person, best) if object_keypoint_similarity(person, best) >= SAME else None


def _jitter(pairs: Sequence[Pair]) -> tuple[float, float] | None:
    values: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for before, now, after in zip(pairs, pairs[1:], pairs[2:], strict=False):
        if before is None or now is None or after is None:
            continue
        seen = seen_keypoints(before[0]) & seen_keypoints(now[0]) & seen_keypoints(after[0])
        size = body_size(now[0])
        still = seen & (_distance(before[0].keypoints, after[0].keypoints) < STILL * size)
        if still.any():
            off = [
                _distance(now[i].keypoints, (before[i].keypoints + after[i].keypoints) / 2)[still] / size
                for i in range(2)
            ]
            values.append((off[0], off[1]))
    if not values:
        return None
    reference, variant = (float(np.concatenate([value[i] for value in values]).mean()) for i in range(2))
    return reference, variant


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(one[:, :2] - other[:, :2], axis=1), np.float64)


def _repetitions(pairs: Sequence[Pair], names: Sequence[str]) -> tuple[str | None, tuple[int, int]]:
    swings: list[tuple[float, str, NDArray[np.float64], NDArray[np.float64]]] = []
    for joint, sides in triplets(names).items():
        signals = [
            np.array([_mean_angle(pair[index], sides) if pair else np.nan for pair in pairs]) for index in range(2)
        ]
        known = np.isfinite(signals[0]) & np.isfinite(signals[1])
        if known.sum() >= 3:
            reference = signals[0][known]
            low, high = np.percentile(reference, (5, 95))
            swings.append((float(high - low), joint, reference, signals[1][known]))
    if not swings:
        return None, (0, 0)
    swing, joint, reference, variant = max(swings, key=lambda entry: entry[0])
    if swing < _LEAST_SWING:
        return None, (0, 0)
    low = float(np.percentile(reference, 5))
    bounds = low + _LOWER * swing, low + _UPPER * swing
    return joint, (count_swings(reference, *bounds), count_swings(variant, *bounds))


def _mean_angle(person: Person, sides: Sequence[tuple[int, int, int]]) -> float:
    angles = [angle for triplet in sides if np.isfinite(angle := joint_angle(person, triplet))]
    return float(np.mean(angles)) if angles else float("nan")


def count_swings(signal: NDArray[np.float64], lower: float, upper: float) -> int:
    """Count how often a signal falls below ``lower`` and then rises above ``upper``."""
    count, is_down = 0, False
    for value in signal:
        if value < lower:
            is_down = True
        elif value > upper and is_down:
            count, is_down = count + 1, False
    return count
