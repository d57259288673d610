"""PCK: labelled keypoints that are in the right place."""

import numpy as np
import pytest

from tests.validation.persons import label_of, make_person
from yolo_edge.pose.skeleton import COCO_KEYPOINT_NAMES
from yolo_edge.validation.bootstrap import Resamples
from yolo_edge.validation.pck import NEAR, measure_pck

SIZE = np.sqrt(100 * 100 * 0.53)


def compared(labels, reference, other):
    index_of = {photo: index for index, photo in enumerate(reference)}
    results = measure_pck(
        labels, reference, other, index_of, names=COCO_KEYPOINT_NAMES, resamples=Resamples(len(index_of))
    )
    return {result.name: result for result in results}


def test_the_bound_is_a_tenth_of_body_size():
    label = label_of(make_person(), 1)
    for shift, share in ((0.99, 1.0), (1.01, 0.0)):
        moved = make_person(shift=shift * NEAR * SIZE / np.sqrt(2))
        assert compared([label], {1: [make_person()]}, {1: [moved]})["all"].variant == share


def test_each_keypoint_is_told_of():
    moved = make_person()
    moved.keypoints[9, :2] += 50
    result = compared([label_of(make_person(), 1)], {1: [make_person()]}, {1: [moved]})
    wrong = [name for name, accuracy in result.items() if accuracy.loss.value > 0]
    assert wrong == ["all", "left_wrist"]
    assert result["left_wrist"].loss.value == 100 and result["all"].variant == pytest.approx(16 / 17)


def test_a_lost_person_has_no_keypoint_right():
    labels = [label_of(make_person(), 1), label_of(make_person(300), 1)]
    result = compared(labels, {1: [make_person(), make_person(300)]}, {1: [make_person()]})
    assert (result["all"].reference, result["all"].variant) == (1.0, 0.5)


def test_one_detection_stands_for_one_label():
    labels = [label_of(make_person(), 1), label_of(make_person(shift=1), 1)]
    assert compared(labels, {1: [make_person()]}, {1: [make_person()]})["all"].variant == 0.5


def test_keypoints_without_a_label_do_not_count():
    person = make_person()
    other = make_person()
    other.keypoints[9:, :2] += 50
    result = compared([label_of(person, 1, labelled=9)], {1: [person]}, {1: [other]})
    assert result["all"].variant == 1.0 and set(result) == {"all", *COCO_KEYPOINT_NAMES[:9]}


def test_no_label_is_no_figure():
    assert compared([], {1: [make_person()]}, {1: [make_person()]}) == {}
    assert compared([label_of(make_person(), 1, is_crowd=True)], {1: []}, {1: []}) == {}
