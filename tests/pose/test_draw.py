import numpy as np
import pytest

from tests.pose.heads import make_head
from yolo_edge.pose.decode import Person
from yolo_edge.pose.draw import draw_persons

PHOTO = np.full((200, 300, 3), 90, np.uint8)


def person(visibility=1.0):
    points = np.zeros((17, 3))
    points[:, :2] = [(20 + 15 * i, 40 + 60 * (i % 2)) for i in range(17)]
    points[:, 2] = visibility
    return Person(box=np.array([10.0, 30, 280, 180]), score=0.87, class_index=0, keypoints=points)


def pixel(picture, point):
    return picture[round(point[1]), round(point[0])].astype(int)


def test_each_bone_is_drawn_in_the_colour_of_its_side():
    head, someone = make_head(), person()
    picture = draw_persons(PHOTO, [someone], head)
    assert picture.shape == PHOTO.shape and picture.dtype == np.uint8
    for a, b in head.skeleton:
        middle = (someone.keypoints[a, :2] + someone.keypoints[b, :2]) / 2
        assert (pixel(picture, middle) != 90).any(), f"no line from keypoint {a} to {b}"
    left = pixel(picture, someone.keypoints[[5, 7], :2].mean(axis=0))
    right = pixel(picture, someone.keypoints[[6, 8], :2].mean(axis=0))
    assert left[2] > left[0] + 50 and right[0] > right[2] + 50, "left is blue, right is orange"


def test_the_photo_itself_is_not_changed_and_nobody_means_no_change():
    before = PHOTO.copy()
    draw_persons(PHOTO, [person()], make_head())
    assert np.array_equal(PHOTO, before)
    assert np.array_equal(draw_persons(PHOTO, [], make_head()), PHOTO)


def test_hidden_keypoints_are_left_out():
    head = make_head()
    hidden = draw_persons(PHOTO, [person(visibility=0.49)], head)
    shown = draw_persons(PHOTO, [person(visibility=0.5)], head)
    inside = (slice(60, 160), slice(60, 260))  # away from box and label
    assert (hidden[inside] == 90).all() and (shown[inside] != 90).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 3), (20, 400), (3000, 2000)])
def test_photos_of_any_size(size):
    someone = Person(np.array([0.0, 0, size[1], size[0]]), 0.5, 0, np.ones((17, 3)))
    assert draw_persons(np.zeros((*size, 3), np.uint8), [someone], make_head()).shape == (*size, 3)


def test_heads_without_bones_or_visibility():
    head = make_head(keypoints=4, dimensions=2)
    someone = Person(np.array([50.0, 50, 150, 150]), 0.5, 0, np.array([[100.0, 100], [60, 60], [70, 70], [80, 80]]))
    assert (pixel(draw_persons(PHOTO, [someone], head), (100, 100)) != 90).any()
