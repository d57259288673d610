"""What each scheme does to the weights, and that browsers decode exactly that."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from tests.nets import photo_batch
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.lowering.context import stored_form
from yolo_edge.lowering.direct import lower
from yolo_edge.quantization.codes import Codes, HalfFloat
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import SCHEME_NAMES, QuantizationRequest, find_scheme
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.graph import Weight
from yolo_edge.tfjs.manifest import write_model

PIXELS = 0.05
SCORE = 1e-4


def model_of(kernel: np.ndarray) -> onnx.ModelProto:
    """A model with one convolution, a small one whose kernel no scheme touches, and a bias."""
    out = kernel.shape[0]
    weights = {"kernel": kernel, "bias": np.ones(out, np.float32), "tiny": np.ones((1, out, 1, 1), np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "kernel", "bias"], ["x"]),
            helper.make_node("Conv", ["x", "tiny"], ["output0"]),
        ],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, kernel.shape[1], 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def encoded(scheme: str, model: onnx.ModelProto):
    """The encodings a scheme makes without calibration."""
    return find_scheme(scheme).encode(model, QuantizationRequest()).encodings


def kernels(limit: float):
    """Kernels ``[8, 4, 3, 3]`` of many magnitudes, lopsided ones and constants among them."""
    elements = st.floats(-limit, limit, width=32, allow_subnormal=False)
    shape = (8, 4, 3, 3)
    return st.one_of(
        hnp.arrays(np.float32, shape, elements=elements),
        hnp.arrays(np.float32, shape, elements=st.floats(0, np.float32(limit).item(), width=32, allow_subnormal=False)),
        st.builds(
            lambda seed, scale, offset: (np.random.default_rng(seed).normal(offset, scale, shape)).astype(np.float32),
            st.integers(0, 1000),
            st.floats(1e-6, 10),
            st.floats(-1, 1),
        ),
    )


@given(kernels(1e6))
def test_int8_errs_by_half_a_step_at_most(kernel):
    (codes,) = encoded("int8", model_of(kernel)).values()
    assert isinstance(codes, Codes) and codes.codes.dtype == np.uint8 and codes.codes.shape == kernel.shape
    (step,) = codes.scale
    assert codes.axis is None, "the stock manifest has one scale a tensor"
    weights = kernel.astype(np.float64)
    exact = (codes.codes.astype(np.float64) - codes.zero_point) * step
    assert np.abs(exact - weights).max() <= step / 2 * (1 + 1e-9)
    assert step <= max(weights.max() - weights.min(), np.abs(weights).max()) / 255 * (1 + 1e-9) or not weights.any()


@given(kernels(1e6))
def test_int8_keeps_zero_exactly_for_every_decoder(kernel):
    kernel[0, 0, 0, 0] = 0
    (codes,) = encoded("int8", model_of(kernel)).values()
    assert codes.decoded()[0, 0, 0, 0] == 0
    values, stored = stored_form(codes)
    assert Weight("kernel", values, stored).decoded()[0, 0, 0, 0] == 0


@given(kernels(1e6))
def test_browsers_decode_int8_as_the_codes_say(kernel):
    (codes,) = encoded("int8", model_of(kernel)).values()
    values, stored = stored_form(codes)
    decoded = Weight("kernel", values, stored).decoded()
    np.testing.assert_allclose(decoded, codes.decoded(), rtol=2e-7, atol=float(codes.scale[0]) * 1e-9)


def test_int8_of_a_kernel_of_zeros():
    (codes,) = encoded("int8", model_of(np.zeros((8, 4, 3, 3), np.float32))).values()
    assert not codes.decoded().any()


@given(kernels(6e4))
def test_float16_is_the_nearest_half_float(kernel):
    (half,) = encoded("float16", model_of(kernel)).values()
    assert isinstance(half, HalfFloat) and half.values.dtype == np.float16
    assert np.array_equal(half.values, kernel.astype(np.float16))
    assert np.abs(half.decoded() - kernel).max() <= max(np.abs(kernel).max() * 2**-11, 2**-25)


def test_float32_changes_nothing():
    assert encoded("float32", model_of(np.ones((8, 4, 3, 3), np.float32))) == {}


@pytest.mark.parametrize("name", ["float16", "int8"])
def test_only_kernels_of_convolutions_are_touched(name, converted_onnx):
    model = onnx.load(converted_onnx)
    encodings = encoded(name, model)
    assert set(encodings) == set(convolution_kernels(model))
    dimensions = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    assert len(encodings) == 93, "97 convolutions less the DFL's fixed bins and the three class outputs of 80 weights"
    assert all(dimensions[initializer] == 4 for initializer in encodings)
    assert set(encoded(name, model_of(np.ones((8, 4, 3, 3), np.float32)))) == {"kernel"}


@pytest.mark.parametrize("name", ["float16", "int8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(name, value):
    kernel = np.ones((8, 4, 3, 3), np.float32)
    kernel[1, 2, 0, 1] = value
    with pytest.raises(ModelError, match="Weight 'kernel' holds") as caught, warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded(name, model_of(kernel))
    assert caught.value.fix


def test_float16_refuses_what_it_cannot_hold():
    with pytest.raises(ModelError, match=r"half precision range of ±65504.*float32"):
        encoded("float16", model_of(np.full((8, 4, 3, 3), 7e4, np.float32)))


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(UsageError, match=r"no quantization scheme 'int3'.*float32, float16, int8"):
        find_scheme("int3")
    assert [find_scheme(name).name for name in SCHEME_NAMES] == list(SCHEME_NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float16", "int8"])
def test_tfjs_runs_exactly_the_decoded_weights(name, converted_onnx, tmp_path):
    """TF.js with codes against onnxruntime with the weights those codes stand for."""
    model = onnx.load(converted_onnx)
    encodings = encoded(name, model)
    write_model(lower(model, encodings), tmp_path)
    for tensor in model.graph.initializer:
        if tensor.name in encodings:
            tensor.CopyFrom(numpy_helper.from_array(encodings[tensor.name].decoded(), tensor.name))
    onnx.save(model, tmp_path / "decoded.onnx")

    images = [photo_batch(photo, 320) for photo in ("bus.jpg", "zidane.jpg")]
    with open_runtime("onnx", tmp_path / "decoded.onnx") as runtime:
        expected = [runtime.run(image) for image in images]
    with open_runtime("onnx", converted_onnx) as runtime:
        original = runtime.run(images[0])
    assert np.abs(original - expected[0]).max() > PIXELS, "quantizing changes the output, or this test proves nothing"
    with open_runtime("node", tmp_path) as runtime:
        for image, wanted in zip(images, expected, strict=True):
            apart = np.abs(runtime.run(image) - wanted)[0]
            assert apart[4].max() <= SCORE, "scores"
            keypoints = apart[5:].reshape(17, 3, -1)
            assert max(apart[:4].max(), keypoints[:, :2].max()) <= PIXELS, "boxes and keypoints"
            assert keypoints[:, 2].max() <= SCORE * 10, "visibility"
