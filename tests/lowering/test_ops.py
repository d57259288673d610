"""Each op rule gives, in TF.js, the numbers onnxruntime gives; what a rule would misread it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from yolo_edge.errors import UnsupportedOperationError
from yolo_edge.lowering.direct import lower
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import write_model

RANDOM = np.random.default_rng(7)


def weight(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def model_of(nodes: list[onnx.NodeProto], **weights: np.ndarray) -> onnx.ModelProto:
    """``images [1, 3, 8, 8]`` → a pointwise convolution → ``x [1, 4, 8, 8]`` → nodes → ``output0``."""
    weights = {"stem": weight(4, 3, 1, 1), "stem_bias": weight(4), **weights}
    stem = helper.make_node("Conv", ["images", "stem", "stem_bias"], ["x"], "stem")
    graph = helper.make_graph(
        [stem, *nodes],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def assert_same_numbers(model: onnx.ModelProto, directory: Path) -> None:
    onnx.save(model, directory / "model.onnx")
    (directory / "tfjs").mkdir()
    write_model(lower(model, {}), directory / "tfjs")
    image = RANDOM.random((1, 8, 8, 3), np.float32)
    with open_runtime("onnx", directory / "model.onnx") as runtime:
        expected = runtime.run(image)
    with open_runtime("node", directory / "tfjs") as runtime:
        found = runtime.run(image)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((6, 4, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((6, 4, 2, 2), {"strides": [3, 2], "pads": [0, 1, 1, 0]}),
        ((6, 4, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        ((4, 1, 3, 3), {"group": 4, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((8, 1, 5, 5), {"group": 4, "pads": [2, 2, 2, 2]}),
        ((6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
        ((6, 4, 3, 3), {}),
        ((6, 4, 3, 3), {"pads": [2, 0, 1, 1]}),
    ],
    ids=["stride", "uneven", "dilated", "depthwise", "multiplier", "grouped", "valid", "asymmetric"],
)
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no-bias"])
def test_convolutions(tmp_path, kernel, attributes, has_bias):
    weights = {"kernel": weight(*kernel)} | ({"bias": weight(kernel[0])} if has_bias else {})
    node = helper.make_node("Conv", ["x", *weights], ["output0"], "conv", **attributes)
    assert_same_numbers(model_of([node], **weights), tmp_path)


CHAINS = {
    "broadcast-channel": (
        [helper.make_node("Mul", ["x", "scale"], ["y"]), helper.make_node("Sub", ["shift", "y"], ["output0"])],
        {"scale": weight(4, 1, 1), "shift": weight(1, 1, 8, 1)},
    ),
    "max-pool": ([helper.make_node("MaxPool", ["x"], ["output0"], kernel_shape=[2, 2], strides=[2, 2])], {}),
    "max-pool-same": (
        [helper.make_node("MaxPool", ["x"], ["output0"], kernel_shape=[5, 5], pads=[2, 2, 2, 2], strides=[1, 1])],
        {},
    ),
    "split-uneven": (
        [
            helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
            helper.make_node("Concat", ["b", "a", "x"], ["output0"], axis=-3),
        ],
        {"sizes": np.array([1, 3])},
    ),
    "slice-negative": (
        [helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["output0"])],
        {"starts": np.array([-3, 1]), "ends": np.array([9999, -1]), "axes": np.array([3, -2])},
    ),
    "attention": (
        [
            helper.make_node("Reshape", ["x", "heads"], ["h"]),
            helper.make_node("Transpose", ["h"], ["t"], perm=[0, 1, 3, 2]),
            helper.make_node("MatMul", ["t", "h"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["p"], axis=-1),
            helper.make_node("MatMul", ["h", "p"], ["m"]),
            helper.make_node("Reshape", ["m", "back"], ["output0"]),
        ],
        {"heads": np.array([1, 2, 2, 64]), "back": np.array([1, 4, 8, 8])},
    ),
    "softmax-of-channels": ([helper.make_node("Softmax", ["x"], ["output0"], axis=1)], {}),
    "reduce-mean": ([helper.make_node("ReduceMean", ["x", "axes"], ["output0"])], {"axes": np.array([2, -1])}),
    "reduce-drop": (
        [
            helper.make_node("ReduceMax", ["x", "axes"], ["y"], keepdims=0),
            helper.make_node("Transpose", ["y"], ["output0"], perm=[0, 2, 1]),
        ],
        {"axes": np.array([1])},
    ),
    "activations": (
        [
            helper.make_node("HardSwish", ["x"], ["a"]),
            helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
            helper.make_node("HardSigmoid", ["b"], ["c"]),
            helper.make_node("Tanh", ["c"], ["output0"]),
        ],
        {},
    ),
    "upsample": (
        [
            helper.make_node(
                "Resize",
                ["x", "", "factors"],
                ["output0"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"factors": np.array([1, 1, 2, 2], np.float32)},
    ),
    "top-k-rows": (
        [
            helper.make_node("Reshape", ["x", "rows"], ["r"]),
            helper.make_node("ReduceMax", ["r", "last"], ["best"], keepdims=0),
            helper.make_node("TopK", ["best", "count"], ["values", "indices"], axis=1),
            helper.make_node("Mod", ["indices", "count"], ["rest"]),
            helper.make_node("Unsqueeze", ["indices", "last"], ["column"]),
            helper.make_node("Expand", ["column", "wide"], ["index"]),
            helper.make_node("GatherElements", ["r", "index"], ["picked"], axis=1),
            helper.make_node("Cast", ["rest"], ["float_rest"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["float_rest", "last"], ["rest_column"]),
            helper.make_node("Concat", ["picked", "rest_column"], ["output0"], axis=-1),
        ],
        {
            "rows": np.array([1, 64, 4]),
            "last": np.array([-1]),
            "count": np.array([5]),
            "wide": np.array([1, 5, 4]),
        },
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_chains_of_operations(tmp_path, chain):
    nodes, weights = CHAINS[chain]
    assert_same_numbers(model_of(nodes, **weights), tmp_path)


def test_unknown_operation_names_the_node_and_the_operation():
    model = model_of([helper.make_node("Erf", ["x"], ["output0"], "the_node")])
    with pytest.raises(UnsupportedOperationError, match=r"'the_node' is a Erf"):
        lower(model, {})


def test_unknown_attribute_names_the_node_and_what_was_met():
    model = model_of([helper.make_node("Sigmoid", ["x"], ["output0"], "the_node")])
    model.graph.node[1].attribute.append(helper.make_attribute("frobnicate", 3))
    with pytest.raises(UnsupportedOperationError, match=r"'the_node' \(Sigmoid\): attribute frobnicate=3"):
        lower(model, {})


REFUSED = {
    "linear resize": helper.make_node("Resize", ["x", "", "factors"], ["output0"], "the_node", mode="linear"),
    "pooling with ceil_mode": helper.make_node(
        "MaxPool", ["x"], ["output0"], "the_node", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
    ),
    "smallest values": helper.make_node("TopK", ["x", "one"], ["output0", "indices"], "the_node", largest=0),
    "strided slice": helper.make_node("Slice", ["x", "zero", "four", "one", "two"], ["output0"], "the_node"),
    "pooling padded by auto_pad": helper.make_node(
        "MaxPool", ["x"], ["output0"], "the_node", kernel_shape=[3, 3], auto_pad="SAME_UPPER"
    ),
    "run time bias": helper.make_node("Conv", ["x", "kernel", "x"], ["output0"], "the_node"),
    "remainder of a negative": helper.make_node("Mod", ["x", "minus"], ["output0"], "the_node"),
    "run time kernel": helper.make_node("Conv", ["x", "x"], ["output0"], "the_node"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_misread_is_refused_by_name(kind):
    numbers = {"one": np.array([1]), "zero": np.array([0]), "four": np.array([4]), "two": np.array([2])}
    numbers |= {"kernel": weight(6, 4, 1, 1), "minus": np.array([-2], np.float32)}
    model = model_of([REFUSED[kind]], factors=np.array([1, 1, 2, 2], np.float32), **numbers)
    with pytest.raises(UnsupportedOperationError, match="'the_node'"):
        lower(model, {})


def indexed(*last: onnx.NodeProto, columns: int) -> onnx.ModelProto:
    """The first two of 64 rows of 4 values, by an index that is repeated over ``columns``."""
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("ReduceMax", ["r", "last"], ["best"], keepdims=0),
        helper.make_node("TopK", ["best", "count"], ["values", "indices"], axis=1),
        helper.make_node("Unsqueeze", ["indices", "last"], ["column"]),
        helper.make_node("Expand", ["column", "wide"], ["index"]),
        *last,
    ]
    weights = {"rows": np.array([1, 64, 4]), "last": np.array([-1]), "count": np.array([2]), "four": np.array([4])}
    return model_of(nodes, **weights, wide=np.array([1, 2, columns]))


def test_index_of_fewer_columns_than_the_rows_have_is_refused():
    gather = helper.make_node("GatherElements", ["r", "index"], ["output0"], "the_node", axis=1)
    lower(indexed(gather, columns=4), {})
    with pytest.raises(UnsupportedOperationError, match=r"'the_node'.*\[1, 2, 3\] from \[1, 64, 4\]"):
        lower(indexed(gather, columns=3), {})


def test_repeated_index_is_read_by_gathers_alone():
    """It is stored once, so another reader would take the stored shape for the one ONNX speaks of."""
    cast = helper.make_node("Cast", ["index"], ["floats"], to=TensorProto.FLOAT)
    reshape = helper.make_node("Reshape", ["floats", "four"], ["output0"], "the_node")
    model = indexed(cast, reshape, columns=2)
    with pytest.raises(UnsupportedOperationError, match=r"'the_node'.*'floats'"):
        lower(model, {})


def test_softmax_of_before_opset_13_is_refused_where_it_means_another():
    for axis, is_refused in ((3, False), (1, True)):
        model = model_of([helper.make_node("Softmax", ["x"], ["output0"], "the_node", axis=axis)])
        model.opset_import[0].version = 12
        if not is_refused:
            lower(model, {})
            continue
        with pytest.raises(UnsupportedOperationError, match=r"'the_node'.*opset 12"):
            lower(model, {})
