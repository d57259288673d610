import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from yolo_edge.pose.nms import intersection_over_union, suppress


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def iou_of(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    total = area(a) + area(b) - shared
    return shared / total if total else 0


def reference(boxes, scores, classes, iou, limit):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        rivals = [j for j in kept if classes[j] == classes[i] and iou_of(boxes[i].tolist(), boxes[j].tolist()) > iou]
        if not rivals and len(kept) < limit:
            kept.append(i)
    return kept


@st.composite
def candidates(draw):
    count = draw(st.integers(0, 25))
    # Few distinct values, so that ties of scores and exact overlaps happen.
    corners = draw(hnp.arrays(np.float64, (count, 2), elements=st.integers(0, 12)))
    sizes = draw(hnp.arrays(np.float64, (count, 2), elements=st.integers(0, 6)))
    scores = draw(hnp.arrays(np.float32, count, elements=st.sampled_from([0.25, 0.5, 0.75, 1.0])))
    classes = draw(hnp.arrays(np.int64, count, elements=st.integers(0, 2)))
    return np.concatenate([corners, corners + sizes], axis=1), scores, classes


@given(candidates(), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), st.sampled_from([1, 5, 300]))
def test_is_greedy_suppression_by_class(found, iou, limit):
    boxes, scores, classes = found
    assert suppress(boxes, scores, classes, iou=iou, limit=limit).tolist() == reference(
        boxes, scores, classes, iou, limit
    )


def test_equal_scores_keep_the_order_given():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60]])
    assert suppress(boxes, np.array([0.5, 0.5, 0.5]), np.zeros(3, int), iou=0.7).tolist() == [0, 2]


def test_an_overlap_of_exactly_the_bound_is_kept():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]])
    assert intersection_over_union(boxes[0], boxes[1:]).tolist() == [0.5]
    assert suppress(boxes, np.array([0.9, 0.8]), np.zeros(2, int), iou=0.5).tolist() == [0, 1]


def test_boxes_without_area_do_not_divide_by_zero():
    boxes = np.array([[3.0, 3, 3, 3], [3, 3, 3, 3]])
    assert suppress(boxes, np.array([0.9, 0.8]), np.zeros(2, int), iou=0.5).tolist() == [0, 1]
