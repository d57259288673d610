"""Object keypoint similarity follows COCO's formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.errors import UsageError
from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import COCO_SIGMAS, keypoint_sigmas, object_keypoint_similarity, seen_keypoints


def person(points, box=(0, 0, 100, 200), visibility=None):
    points = np.asarray(points, float)
    if visibility is not None:
        points = np.column_stack([points, visibility])
    return Person(np.array(box, float), 0.9, 0, points)


GRID = np.stack([np.linspace(10, 90, 17), np.linspace(20, 180, 17)], axis=1)


def test_the_same_person_is_1():
    assert object_keypoint_similarity(person(GRID), person(GRID)) == 1.0


def test_one_moved_keypoint_costs_what_the_formula_says():
    moved = GRID.copy()
    moved[9] += (3, 4)
    lost = 1 - np.exp(-25 / (2 * 0.53 * 100 * 200 * (2 * 0.062) ** 2))
    assert object_keypoint_similarity(person(GRID), person(moved)) == pytest.approx(1 - lost / 17)


def test_eyes_must_be_placed_better_than_hips():
    eye, hip = GRID.copy(), GRID.copy()
    eye[1] += 5
    hip[11] += 5
    assert object_keypoint_similarity(person(GRID), person(eye)) < object_keypoint_similarity(person(GRID), person(hip))


@given(st.floats(0.1, 20), st.floats(0.1, 50))
def test_size_of_the_photo_does_not_matter(zoom, shift):
    def scaled(points):
        return person(points * zoom, box=(0, 0, 100 * zoom, 200 * zoom))

    whole = object_keypoint_similarity(person(GRID), person(GRID + shift))
    assert (
        object_keypoint_similarity(scaled(GRID), scaled(GRID + shift)) == pytest.approx(whole, abs=1e-9) or zoom < 0.2
    )


def test_only_counted_keypoints_count():
    moved = GRID.copy()
    moved[3] += 1000
    counted = np.ones(17, bool)
    counted[3] = False
    assert object_keypoint_similarity(person(GRID), person(moved), counted=counted) == 1.0
    assert object_keypoint_similarity(person(GRID), person(moved)) == pytest.approx(16 / 17)


def test_a_box_without_area_is_no_division_by_zero():
    flat = person(GRID, box=(5, 5, 5, 5))
    assert object_keypoint_similarity(flat, person(GRID)) == 1.0
    assert 0 <= object_keypoint_similarity(flat, person(GRID + 1)) < 1


def test_seen_keypoints_are_those_of_visibility_one_half():
    visibility = np.linspace(0, 1, 17)
    assert seen_keypoints(person(GRID, visibility=visibility)).tolist() == (visibility >= 0.5).tolist()
    assert seen_keypoints(person(GRID)).all(), "a model without visibility shows all"


def test_sigmas_of_other_keypoint_sets():
    assert keypoint_sigmas(17).tolist() == list(COCO_SIGMAS)
    assert keypoint_sigmas(4).tolist() == [0.05] * 4


def test_sigmas_are_those_of_pycocotools():
    from pycocotools.cocoeval import Params

    assert np.allclose(Params("keypoints").kpt_oks_sigmas, COCO_SIGMAS)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="17 keypoints cannot be compared with one of 4"):
        object_keypoint_similarity(person(GRID), person(GRID[:4]))
    with pytest.raises(UsageError, match="No keypoint counts"):
        object_keypoint_similarity(person(GRID), person(GRID), counted=np.zeros(17, bool))
