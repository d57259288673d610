"""The end of a head as one matrix: the same numbers from fewer operations, and models of another end left alone."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from yolo_edge.checkpoint.export import export_checkpoint
from yolo_edge.lowering.direct import lower
from yolo_edge.lowering.tail import fuse_tail

HEADS = {
    "v8": ("yolov8n-pose.yaml", 1, (17, 3)),
    "v11": ("yolo11n-pose.yaml", 1, (17, 3)),
    "26": ("yolo26n-pose.yaml", 1, (17, 3)),
    "several classes, keypoints without visibility": ("yolo11n-pose.yaml", 3, (21, 2)),
}


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)[0]


@pytest.fixture(params=HEADS)
def exported(request, untrained) -> onnx.ModelProto:
    config, classes, keypoints = HEADS[request.param]
    return export_checkpoint(untrained(config, classes=classes, keypoints=keypoints), (128, 192)).model


def test_all_raw_heads_keep_their_numbers(exported):
    fused = fuse_tail(exported)
    assert fused is not exported, "the tail was not recognised"
    onnx.checker.check_model(fused)
    images = np.random.default_rng(0).random((1, 3, 128, 192), np.float32)
    name = exported.graph.input[0].name
    before, after = run(exported, **{name: images}), run(fused, **{name: images})
    assert before.shape == after.shape
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-3)
    assert fused.graph.output[0].name == exported.graph.output[0].name


def test_a_trained_head_keeps_its_numbers(converted_onnx):
    model = onnx.load(converted_onnx)
    images = np.random.default_rng(1).random((1, 3, 320, 320), np.float32)
    before, after = (run(each, images=images) for each in (model, fuse_tail(model)))
    assert np.abs(after - before)[:, :4].max() < 1e-3
    assert np.abs(after - before)[:, 4].max() < 1e-6


def test_nothing_cuts_keypoints_apart_any_more(converted_onnx):
    """Slices of one or two values an anchor are what wasm is slow at."""
    graph = lower(onnx.load(converted_onnx), {})
    shapes = {weight.name: weight for weight in graph.weights}
    sizes = [shapes[node.inputs[2]].values for node in graph.nodes if node.op == "Slice"]
    assert sizes and all(size[-1] >= 8 for size in sizes)


def test_the_end_to_end_head_is_left_alone(untrained):
    model = export_checkpoint(untrained("yolo26n-pose.yaml"), (128, 192), end2end=True).model
    assert fuse_tail(model) is model


def tail(*nodes: onnx.NodeProto, anchors: int = 40, **constants: np.ndarray) -> onnx.ModelProto:
    """A graph from ``a`` and ``b`` ``[1, 6, anchors]`` to ``y``, with sums in front that change nothing."""
    names = [f"s{index}" for index in range(10)]
    sums = [
        helper.make_node("Add", [before, "zero"], [after])
        for before, after in zip(["relu", *names], [*names, "x"], strict=True)
    ]
    inputs = [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 6, anchors])]
    constants = {"zero": np.zeros((1, 1, 1), np.float32), **constants}
    graph = helper.make_graph(
        [helper.make_node("Relu", ["a"], ["relu"]), *sums, *nodes],
        "tail",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


RAMP = np.arange(1, 41, dtype=np.float32)


def test_an_affine_end_of_any_making_is_fused():
    model = tail(
        helper.make_node("Mul", ["x", "stride"], ["scaled"]),
        helper.make_node("Add", ["scaled", "place"], ["y"]),
        stride=np.where(RAMP < 20, 8, 16).astype(np.float32),
        place=(RAMP * np.where(RAMP < 20, 8, 16)).astype(np.float32),
    )
    fused = fuse_tail(model)
    assert fused is not model
    a = np.random.default_rng(0).normal(size=(1, 6, 40)).astype(np.float32)
    np.testing.assert_allclose(run(fused, a=a), run(model, a=a), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("Mul", ["x", "x"], ["y"]), {}),
        (helper.make_node("Mul", ["x", "gains"], ["y"]), {"gains": np.stack([RAMP**p for p in range(6)])[None]}),
        (
            helper.make_node("Add", ["x", "noise"], ["y"]),
            {"noise": np.random.default_rng(0).normal(size=(1, 6, 40)).astype(np.float32)},
        ),
    ],
    ids=["a square", "other gains for other rows", "constants that are mixed of nothing"],
)
def test_other_ends_keep_their_numbers(node, constants):
    model = tail(node, **constants)
    a = np.random.default_rng(0).normal(size=(1, 6, 40)).astype(np.float32)
    np.testing.assert_allclose(run(fuse_tail(model), a=a), run(model, a=a), rtol=1e-5, atol=1e-4)


def test_anchors_that_are_mixed_are_not_fused():
    """A transposition of 6 by 6 anchors hides from shapes that each output reads all of them."""
    order = np.arange(40).reshape(8, 5).T.reshape(-1)
    matrix = np.eye(40, dtype=np.float32)[order]
    model = tail(helper.make_node("MatMul", ["x", "matrix"], ["y"]), matrix=matrix)
    assert fuse_tail(model) is model
