"""What a head means is read from the graph and its metadata, and what does not fit is refused by name."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from yolo_edge.errors import ModelError
from yolo_edge.pose.head import read_head

METADATA = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "stride": "32"}


def model_of(output: list[int], size: tuple[int, int] = (64, 96), **metadata: str) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["output0"])],
        "head",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output)],
    )
    model = helper.make_model(graph)
    helper.set_model_props(model, METADATA | metadata)
    return model


@pytest.mark.parametrize(
    ("stride", "anchors", "strides"),
    [
        ("32", 96 + 24 + 6, (8, 16, 32)),
        ("32", 384 + 96 + 24 + 6, (4, 8, 16, 32)),
        ("64", 96 + 24 + 6 + 1, (8, 16, 32, 64)),
    ],
    ids=["three levels", "P2", "P6"],
)
def test_strides_are_those_that_make_the_number_of_anchors(stride, anchors, strides):
    head = read_head(model_of([1, 56, anchors], stride=stride), "best.onnx")
    assert (head.layout, head.strides, head.image_size) == ("raw", strides, (64, 96))


def test_end_to_end_layout():
    assert read_head(model_of([1, 300, 57]), "best.onnx").layout == "end2end"


@pytest.mark.parametrize(
    ("output", "metadata", "expected"),
    [
        ([1, 56, 126], {"stride": "[8, 16, 32]"}, r"'\[8, 16, 32\]' as its largest stride"),
        ([1, 56, 126], {"stride": "1"}, "'1' as its largest stride"),
        ([1, 56, 125], {}, r"output of shape \[1, 56, 125\].*\[1, 56, 126\]"),
        ([1, 56, 126], {"kpt_shape": "[17, 4]"}, "keypoint shape"),
        ([1, 56, 126], {"kpt_shape": "17"}, "keypoint shape"),
        ([1, 56, 126], {"names": "{1: 'person'}"}, "classes"),
        ([1, 56, 126], {"task": "segment"}, "YOLO segment model"),
    ],
)
def test_what_does_not_fit_is_named(output, metadata, expected):
    with pytest.raises(ModelError, match=expected) as refusal:
        read_head(model_of(output, **metadata), "best.onnx")
    assert "best.onnx" in str(refusal.value) and refusal.value.fix
