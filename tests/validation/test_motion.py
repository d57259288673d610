"""What clips show: jitter of still joints, and repetitions."""

import numpy as np
import pytest

from yolo_edge.pose.decode import Person
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES
from yolo_edge.validation.motion import count_swings, measure_motion

FRAMES = 60


def squatting(depth: float, *, noise: float = 0.0, seed: int = 0) -> Person:
    """A person seen from the side; depth 0 stands, 1 squats."""
    ankle, hip = np.array([50.0, 190.0]), np.array([50.0, 90.0 + 60 * depth])
    knee = (ankle + hip) / 2 + np.array([35 * depth, 0.0])
    keypoints = np.zeros((17, 3))
    keypoints[:, 2] = 1.0
    keypoints[:11, :2] = hip - np.array([0.0, 60.0]) + np.arange(11)[:, None]
    for side in (0, 1):
        keypoints[11 + side, :2], keypoints[13 + side, :2], keypoints[15 + side, :2] = hip, knee, ankle
    keypoints[:, :2] += np.random.default_rng(seed).normal(0, noise, (17, 2)) if noise else 0.0
    return Person(np.array([0.0, 0.0, 100.0, 200.0]), 0.9, 0, keypoints)


def clip(repetitions: float, *, noise: float = 0.0, depth: float = 1.0):
    phases = np.linspace(0, 2 * np.pi * repetitions, FRAMES)
    return {
        frame: [squatting(depth * (1 - np.cos(phase)) / 2, noise=noise, seed=frame)]
        for frame, phase in enumerate(phases)
    }


def motion(reference, other):
    return measure_motion("clip", list(range(FRAMES)), reference, other, COCO_KEYPOINT_NAMES)


@pytest.mark.parametrize("repetitions", [1, 3, 5])
def test_repetitions_are_counted(repetitions):
    result = motion(clip(repetitions), clip(repetitions, noise=1.0))
    assert (result.reference_repetitions, result.repetitions, result.joint) == (repetitions, repetitions, "knee")
    assert result.followed == result.frames == FRAMES


def test_a_variant_that_misses_the_depth_is_found_out():
    shallow = clip(3)
    for frame in range(20, 40):
        shallow[frame] = [squatting(0.0)]
    assert motion(clip(3), shallow).repetitions == 2


def test_jitter_is_of_joints_that_stand_still():
    still = {frame: [squatting(0.0)] for frame in range(FRAMES)}
    shaking = {frame: [squatting(0.0, noise=1.0, seed=frame)] for frame in range(FRAMES)}
    result = motion(still, shaking)
    assert result.reference_jitter == 0 and 0.005 < result.jitter < 0.03
    assert result.joint is None and result.repetitions == 0, "nobody moves"


def test_frames_without_the_person_are_left_out():
    reference = clip(2)
    other = {frame: ([] if frame % 10 == 0 else persons) for frame, persons in reference.items()}
    result = motion(reference, other)
    assert result.followed == FRAMES - 6 and result.repetitions == 2


def test_nobody_is_nothing():
    result = motion({}, {})
    assert (result.followed, result.jitter, result.joint, result.repetitions) == (0, None, None, 0)


def test_noise_at_one_bound_counts_nothing():
    signal = np.array([180, 99, 101, 99, 101, 160, 159, 161, 90, 180.0])
    assert count_swings(signal, 100, 150) == 2
    assert count_swings(np.array([180.0, 120.0, 180.0]), 100, 150) == 0
