"""Agreement of a variant with the float model."""

import pytest

from tests.validation.persons import make_person
from yolo_edge.pose.oks import object_keypoint_similarity
from yolo_edge.validation.agreement import measure_agreement


def test_a_model_agrees_with_itself():
    persons = {1: [make_person(), make_person(300)], 2: [make_person(50)]}
    result = measure_agreement(persons, persons)
    assert (result.similarity, result.seen_similarity, result.persons, result.lost) == (1.0, 1.0, 3, 0)
    assert result.by_photo == {1: (1.0, 1.0), 2: (1.0,)}


def test_each_person_is_compared_with_its_best_match():
    moved = make_person(300, shift=2)
    result = measure_agreement({7: [make_person(300)]}, {7: [make_person(0), moved, make_person(600)]})
    assert result.similarity == pytest.approx(object_keypoint_similarity(make_person(300), moved))


def test_a_lost_person_counts_as_nothing():
    reference = {1: [make_person()], 2: [make_person()], 3: [make_person()], 4: [make_person()]}
    other = {1: [make_person()], 2: [], 3: [make_person(score=0.24)]}
    result = measure_agreement(reference, other)
    assert (result.similarity, result.seen_similarity, result.persons, result.lost) == (0.25, 0.25, 4, 3)


def test_a_person_elsewhere_is_no_match():
    result = measure_agreement({1: [make_person()]}, {1: [make_person(500)]})
    assert result.lost == 1 and result.similarity < 0.01


def test_unsure_persons_of_the_float_model_do_not_count():
    result = measure_agreement({1: [make_person(), make_person(300, score=0.49)]}, {1: [make_person()]})
    assert (result.similarity, result.persons) == (1.0, 1)


def test_seen_keypoints_are_judged_apart():
    half = make_person()
    half.keypoints[8:, 2] = 0.1
    moved = make_person()
    moved.keypoints[8:, :2] += 1000
    result = measure_agreement({1: [half]}, {1: [moved]})
    assert result.seen_similarity == 1.0 and result.similarity == pytest.approx(8 / 17)
    unseen = measure_agreement({1: [make_person(visible=False)]}, {1: [make_person()]})
    assert (unseen.similarity, unseen.seen_similarity) == (1.0, None)


def test_another_class_is_no_match():
    assert measure_agreement({1: [make_person()]}, {1: [make_person(class_index=1)]}).lost == 1


def test_no_persons_is_no_number():
    result = measure_agreement({1: []}, {1: [make_person()]})
    assert (result.similarity, result.seen_similarity, result.persons, result.lost) == (None, None, 0, 0)
