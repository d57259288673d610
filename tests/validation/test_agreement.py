"""Agreement of a variant with the float model."""

import numpy as np
import pytest

from tests.validation.persons import make_person
from yolo_edge.pose.oks import object_keypoint_similarity
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES
from yolo_edge.validation.agreement import body_size, measure_agreement


def figures(result):
    """Mean similarity over all and over seen keypoints, persons, lost."""
    means = [figure.value if figure else None for figure in (result.similarity, result.seen_similarity)]
    return (*means, result.persons, result.lost)


def test_a_model_agrees_with_itself():
    persons = {1: [make_person(), make_person(300)], 2: [make_person(50)]}
    result = measure_agreement(persons, persons, names=COCO_KEYPOINT_NAMES)
    assert figures(result) == (1.0, 1.0, 3, 0) and result.invented == 0
    assert result.by_photo == {1: (1.0, 1.0), 2: (1.0,)}
    assert (result.similarity.low, result.similarity.high) == (1.0, 1.0)
    assert result.displacement.p95.value == 0 and len(result.keypoints) == 17
    assert result.score_drift.value == result.score_change.value == 0


def test_each_person_is_compared_with_its_best_match():
    moved = make_person(300, shift=2)
    result = measure_agreement({7: [make_person(300)]}, {7: [make_person(0), moved, make_person(600)]})
    assert result.similarity.value == pytest.approx(object_keypoint_similarity(make_person(300), moved))


def test_a_lost_person_counts_as_nothing():
    reference = {1: [make_person()], 2: [make_person()], 3: [make_person()], 4: [make_person()]}
    other = {1: [make_person()], 2: [], 3: [make_person(score=0.24)]}
    result = measure_agreement(reference, other)
    assert figures(result) == (0.25, 0.25, 4, 3)
    assert result.lost_share.value == 0.75 and result.lost_share.low < 0.75 < result.lost_share.high


def test_a_person_elsewhere_is_lost_and_invented():
    result = measure_agreement({1: [make_person()]}, {1: [make_person(500)]})
    assert result.lost == 1 and result.similarity.value < 0.01
    assert result.invented == 1 and result.invented_share.value == 1


def test_whom_the_float_model_half_sees_is_not_invented():
    reference = {1: [make_person(), make_person(300, score=0.3)]}
    assert measure_agreement(reference, {1: [make_person(), make_person(300)]}).invented == 0
    assert measure_agreement(reference, {1: [make_person(), make_person(600)]}).invented == 1


def test_unsure_persons_of_the_float_model_do_not_count():
    result = measure_agreement({1: [make_person(), make_person(300, score=0.49)]}, {1: [make_person()]})
    assert (result.similarity.value, result.persons) == (1.0, 1)


def test_seen_keypoints_are_judged_apart():
    half = make_person()
    half.keypoints[8:, 2] = 0.1
    moved = make_person()
    moved.keypoints[8:, :2] += 1000
    result = measure_agreement({1: [half]}, {1: [moved]})
    assert result.seen_similarity.value == 1.0 and result.similarity.value == pytest.approx(8 / 17)
    unseen = measure_agreement({1: [make_person(visible=False)]}, {1: [make_person()]})
    assert figures(unseen)[:2] == (1.0, None)


def test_displacements_are_in_input_pixels_and_in_body_sizes():
    person = make_person(side=200)
    result = measure_agreement({1: [person]}, {1: [make_person(side=200, shift=3)]}, scales={1: 0.5})
    distance = 3 * np.sqrt(2)
    assert result.displacement.median.value == pytest.approx(distance / 2)
    assert result.displacement.body_p95.value == pytest.approx(distance / body_size(person))
    assert body_size(person) == pytest.approx(200 * np.sqrt(0.53))


def test_one_keypoint_that_moves_is_named():
    moved = make_person()
    moved.keypoints[9, :2] += 4
    result = measure_agreement({1: [make_person()]}, {1: [moved]}, names=COCO_KEYPOINT_NAMES)
    far = {part.name: part.p95.value for part in result.keypoints if part.p95.value > 0}
    assert far == {"left_wrist": pytest.approx(4 * np.sqrt(2))}


def test_hidden_keypoints_have_no_displacement():
    person = make_person()
    person.keypoints[0, 2] = 0.1
    moved = make_person()
    moved.keypoints[0, :2] += 40
    result = measure_agreement({1: [person]}, {1: [moved]}, names=COCO_KEYPOINT_NAMES)
    assert result.displacement.p95.value == 0 and "nose" not in {part.name for part in result.keypoints}


def test_scores_drift_with_a_sign_and_change_without():
    reference = {1: [make_person(score=0.8)], 2: [make_person(score=0.8)]}
    result = measure_agreement(reference, {1: [make_person(score=0.7)], 2: [make_person(score=0.9)]})
    assert result.score_drift.value == pytest.approx(0) and result.score_change.value == pytest.approx(0.1)


def test_another_class_is_no_match():
    assert measure_agreement({1: [make_person()]}, {1: [make_person(class_index=1)]}).lost == 1


def test_no_persons_is_no_number():
    result = measure_agreement({1: []}, {1: [make_person()]})
    assert figures(result) == (None, None, 0, 0)
    assert (result.lost_share, result.invented_share, result.displacement, result.invented) == (None, None, None, 1)
