"""The ONNX model of a quantized one computes with the decoded weights."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from yolo_edge.errors import ModelError
from yolo_edge.quantization.codes import Codes, HalfFloat
from yolo_edge.quantization.decoded import decoded_model


@pytest.fixture
def model():
    random = np.random.default_rng(0)
    kernels = {name: random.normal(size=(4, 3, 3, 3)).astype(np.float32) for name in ("first", "second")}
    node = helper.make_node("Conv", ["images", "first"], ["out"])
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, 6, 6])],
        [numpy_helper.from_array(kernel, name) for name, kernel in kernels.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_named_weights_are_replaced_and_no_others(model):
    before = model.SerializeToString()
    codes = Codes(np.arange(108, dtype=np.uint8).reshape(4, 3, 3, 3), np.array([0.5, 1, 2, 4]), 7, bits=8, axis=0)
    decoded = weights(decoded_model(model, {"first": codes}))
    assert np.array_equal(decoded["first"][3], (np.arange(81, 108).reshape(3, 3, 3) - 7) * 4.0)
    assert decoded["first"].dtype == np.float32
    assert np.array_equal(decoded["second"], weights(model)["second"])
    assert model.SerializeToString() == before, "the float model is left as it is"


def test_half_floats_are_widened(model):
    half = HalfFloat(weights(model)["second"].astype(np.float16))
    result = decoded_model(model, {"second": half})
    onnx.checker.check_model(result)
    assert np.array_equal(weights(result)["second"], half.values.astype(np.float32))


def test_encodings_of_another_model_are_refused(model):
    half = HalfFloat(np.zeros((4, 3, 1, 1), np.float16))
    with pytest.raises(ModelError, match="has no weight 'third'"):
        decoded_model(model, {"third": half})
    with pytest.raises(ModelError, match=r"'first' has shape \[4, 3, 3, 3\], its quantized form \[4, 3, 1, 1\]"):
        decoded_model(model, {"first": half})
