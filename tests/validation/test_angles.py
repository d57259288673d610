"""Joint angles, and how wrong a moved keypoint makes them."""

import numpy as np
import pytest

from yolo_edge.pose.decode import Person
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES, keypoint_names
from yolo_edge.validation.angles import joint_angle, measure_angles, triplets
from yolo_edge.validation.bootstrap import Resamples
from yolo_edge.validation.matching import match_persons

ELBOW = (5, 7, 9)


def person_with_elbow(degrees: float, *, seen: float = 1.0) -> Person:
    """A person whose left forearm is turned by so much against its upper arm."""
    keypoints = np.column_stack([np.linspace(10, 90, 17), np.linspace(10, 190, 17), np.ones(17)])
    shoulder, elbow = np.array([40.0, 40.0]), np.array([40.0, 80.0])
    turn = np.radians(degrees)
    keypoints[5, :2], keypoints[7, :2] = shoulder, elbow
    keypoints[9, :2] = elbow + 40 * np.array([np.sin(turn), -np.cos(turn)])
    keypoints[9, 2] = seen
    return Person(np.array([0.0, 0.0, 100.0, 200.0]), 0.9, 0, keypoints)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180])
def test_angle_is_that_between_upper_arm_and_forearm(degrees):
    assert joint_angle(person_with_elbow(degrees), ELBOW) == pytest.approx(degrees, abs=1e-4)


def test_no_angle_of_what_is_not_seen_or_has_no_direction():
    assert np.isnan(joint_angle(person_with_elbow(90, seen=0.2), ELBOW))
    person = person_with_elbow(90)
    person.keypoints[9, :2] = person.keypoints[7, :2]
    assert np.isnan(joint_angle(person, ELBOW))


def test_joints_of_both_sides_are_found_by_their_names():
    found = triplets(COCO_KEYPOINT_NAMES)
    assert found["elbow"] == [(5, 7, 9), (6, 8, 10)] and found["knee"] == [(11, 13, 15), (12, 14, 16)]
    assert triplets(keypoint_names(21)) == {}


def compared(reference: Person, other: Person):
    matches = match_persons({4: [reference]}, {4: [other]})
    return {error.joint: error for error in measure_angles(matches, {4: 0}, resamples=Resamples(1))}


def test_error_is_that_of_the_joint_that_moved():
    errors = compared(person_with_elbow(90), person_with_elbow(97))
    assert errors["elbow"].p95.value == pytest.approx(7, abs=1e-4)
    assert errors["knee"].p95.value == errors["hip"].p95.value == 0
    assert errors["all"].p95.value == pytest.approx(7, abs=1e-4)


def test_the_variant_need_not_be_sure_of_a_keypoint():
    assert compared(person_with_elbow(90), person_with_elbow(95, seen=0.1))["elbow"].p95.value == pytest.approx(5)


def test_nothing_seen_is_nothing_measured():
    hidden = person_with_elbow(90)
    hidden.keypoints[:, 2] = 0.0
    assert compared(hidden, hidden) == {}
