import numpy as np
import pytest

from tests.pose.heads import make_head, random_raw
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.pose.decode import decode_raw, detect
from yolo_edge.pose.letterbox import Letterbox


def as_end2end(output, head):
    """The same candidates as an end-to-end graph writes them: sorted, 300 rows, the rest zero."""
    found = decode_raw(output, head)
    rows = np.concatenate(
        [
            found.boxes,
            found.scores[:, None],
            found.class_indices[:, None],
            found.keypoints.reshape(len(found.boxes), -1),
        ],
        axis=1,
    ).astype(np.float32)
    rows = rows[np.argsort(-rows[:, 4], kind="stable")][:300]
    return np.concatenate([rows, np.zeros((300 - len(rows), rows.shape[1]), np.float32)])[None]


@pytest.mark.parametrize(("classes", "keypoints", "dimensions"), [(1, 17, 3), (3, 17, 3), (2, 21, 2)])
def test_both_layouts_give_the_same_persons(classes, keypoints, dimensions):
    names = [f"class{i}" for i in range(classes)]
    raw = make_head("raw", classes=names, keypoints=keypoints, dimensions=dimensions)
    end2end = make_head("end2end", classes=names, keypoints=keypoints, dimensions=dimensions)
    output = random_raw(raw, np.random.default_rng(3))
    box = Letterbox.fit((333, 517), raw.image_size)
    # An IoU bound of 1 keeps every candidate, as the end-to-end layout does.
    first = detect(output, raw, box, confidence=0.3, iou=1.0)
    second = detect(as_end2end(output, raw), end2end, box, confidence=0.3)
    assert len(first) == len(second) > 20
    for a, b in zip(first, second, strict=True):
        assert (a.score, a.class_index) == (b.score, b.class_index)
        assert np.allclose(a.box, b.box, atol=1e-3) and np.array_equal(a.keypoints, b.keypoints)


def test_values_and_frame_of_one_person():
    head = make_head("raw", image_size=(64, 96), classes=("cat", "person"), keypoints=2)
    output = np.zeros(head.output_shape, np.float32)
    output[0, :, 7] = [48, 32, 20, 10, 0.2, 0.9, 40, 30, 0.8, 60, 40, 0.1]
    box = Letterbox.fit((128, 128), head.image_size)  # scale 0.5, 16 px of padding left and right
    (person,) = detect(output, head, box)
    assert person.class_index == 1 and person.score == pytest.approx(0.9)
    assert person.box.tolist() == [44, 54, 84, 74]
    assert np.allclose(person.keypoints, [[48, 60, 0.8], [88, 80, 0.1]])


def test_coordinates_are_clipped_to_the_photo():
    head = make_head("raw", keypoints=1)
    output = np.zeros(head.output_shape, np.float32)
    output[0, :, 0] = [0, 0, 500, 500, 0.9, -50, 900, 0.9]
    (person,) = detect(output, head, Letterbox.fit((64, 96), head.image_size))
    assert person.box.tolist() == [0, 0, 96, 64] and person.keypoints[0, :2].tolist() == [0, 64]


def test_overlapping_candidates_become_one_person_and_the_bound_is_exclusive():
    head = make_head("raw", keypoints=1)
    output = np.zeros(head.output_shape, np.float32)
    output[0, :5, 3] = [40, 30, 20, 20, 0.5]
    output[0, :5, 9] = [41, 30, 20, 20, 0.75]
    box = Letterbox.fit((64, 96), head.image_size)
    assert [person.score for person in detect(output, head, box)] == [0.75]
    assert len(detect(output, head, box, iou=0.95)) == 2
    assert detect(output, head, box, confidence=0.75) == []


@pytest.mark.parametrize("layout", ["raw", "end2end"])
def test_nothing_found_is_an_empty_list(layout):
    head = make_head(layout)
    assert detect(np.zeros(head.output_shape, np.float32), head, Letterbox.fit((10, 10), head.image_size)) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_reported(bad):
    head = make_head()
    output = np.zeros(head.output_shape, np.float32)
    output[0, 2, 5] = bad
    with pytest.raises(ModelError, match="1 values that are not numbers"):
        detect(output, head, Letterbox.fit((10, 10), head.image_size))


def test_a_strange_shape_and_strange_thresholds_are_reported():
    head = make_head()
    box = Letterbox.fit((10, 10), head.image_size)
    with pytest.raises(ModelError, match="shape"):
        detect(np.zeros((1, 5, 7), np.float32), head, box)
    with pytest.raises(UsageError, match="confidence is 2"):
        detect(np.zeros(head.output_shape, np.float32), head, box, confidence=2)
    with pytest.raises(UsageError, match="iou is nan"):
        detect(np.zeros(head.output_shape, np.float32), head, box, iou=float("nan"))
