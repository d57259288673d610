"""What each scheme does to the weights, and that browsers decode exactly that."""

from __future__ import annotations

import json
import warnings

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from tests.nets import photo_batch
from tests.quantization.tiny_pose import HEAD, pose_without_convolutions, random_kernels, tiny_pose
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.lowering.context import stored_form
from yolo_edge.lowering.direct import lower
from yolo_edge.quantization.codes import Codes, HalfFloat
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import NO_PHOTOS, SCHEME_NAMES, QuantizationRequest, find_scheme
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
    return find_scheme(scheme).encode(model, QuantizationRequest(calibration=NO_PHOTOS)).encodings


def int8_codes(kernel: np.ndarray) -> Codes:
    codes = encoded("int8", model_of(kernel))["kernel"]
    assert isinstance(codes, Codes) and codes.codes.dtype == np.uint8 and codes.codes.shape == kernel.shape
    return codes


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
    codes = int8_codes(kernel)
    (step,) = codes.scale
    assert codes.axis is None, "the stock manifest has one scale a tensor"
    weights = kernel.astype(np.float64)
    exact = (codes.codes.astype(np.float64) - codes.zero_point) * step
    assert np.abs(exact - weights).max() <= step / 2 * (1 + 1e-9)
    assert step <= max(weights.max() - weights.min(), np.abs(weights).max()) / 255 * (1 + 1e-9) or not weights.any()


@given(kernels(1e6))
def test_int8_keeps_zero_exactly_for_every_decoder(kernel):
    kernel[0, 0, 0, 0] = 0
    codes = int8_codes(kernel)
    assert codes.decoded()[0, 0, 0, 0] == 0
    values, stored = stored_form(codes)
    assert Weight("kernel", values, stored).decoded()[0, 0, 0, 0] == 0


@given(kernels(1e6))
def test_browsers_decode_int8_as_the_codes_say(kernel):
    codes = int8_codes(kernel)
    values, stored = stored_form(codes)
    decoded = Weight("kernel", values, stored).decoded()
    np.testing.assert_allclose(decoded, codes.decoded(), rtol=2e-7, atol=float(codes.scale[0]) * 1e-9)


def test_int8_of_a_kernel_of_zeros():
    codes = int8_codes(np.zeros((8, 4, 3, 3), np.float32))
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
def test_only_kernels_and_biases_of_convolutions_are_touched(name, converted_onnx):
    model = onnx.load(converted_onnx)
    encodings = encoded(name, model)
    kernels = {name for name in encodings if name in convolution_kernels(model)}
    assert kernels == set(convolution_kernels(model))
    assert len(kernels) == 93, "97 convolutions less the DFL's fixed bins and the three class outputs of 80 weights"
    biases = {node.input[2] for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2}
    assert set(encodings) - kernels == (biases if name == "int8" else set())
    assert all(isinstance(encodings[bias], HalfFloat) for bias in biases & set(encodings))
    tiny = {"kernel", "bias"} if name == "int8" else {"kernel"}
    assert set(encoded(name, model_of(np.ones((8, 4, 3, 3), np.float32)))) == tiny


def test_biases_that_no_half_float_holds_stay():
    model = model_of(np.ones((8, 4, 3, 3), np.float32))
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "bias"]
    bias.CopyFrom(numpy_helper.from_array(np.full(8, 7e4, np.float32), "bias"))
    assert set(encoded("int8", model)) == {"kernel"}


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
    with pytest.raises(UsageError, match=r"no quantization scheme 'int3'.*float32, float16, int8, int4, rd"):
        find_scheme("int3")
    assert [find_scheme(name).name for name in SCHEME_NAMES] == list(SCHEME_NAMES)


@pytest.mark.parametrize("name", ["int8", "int4", "rd"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_calibrated_schemes_refuse_weights_that_are_no_numbers_before_they_calibrate(name, value):
    kernels = random_kernels()
    kernels["grouped"][3, 2, 1, 0] = value
    request = QuantizationRequest(head=HEAD, samples=1, max_bytes=10**6)
    with pytest.raises(ModelError, match=r"Weight 'grouped' holds NaN or infinity"):
        find_scheme(name).encode(tiny_pose(kernels), request)


@pytest.mark.parametrize("name", ["int8", "int4", "rd"])
def test_a_model_without_convolutions_is_refused(name):
    request = QuantizationRequest(head=HEAD, samples=8, max_bytes=10**6)
    with pytest.raises(InputError, match=r"holds no convolution.*float32"):
        find_scheme(name).encode(pose_without_convolutions(), request)


def codes_of(name: str, kernels: dict[str, np.ndarray]) -> dict[str, Codes]:
    model = tiny_pose(kernels)
    size = {"int8": None, "int4": None, "rd": 76_000}[name]
    request = QuantizationRequest(head=HEAD, samples=8, max_bytes=size, measure=lambda encodings: 75_900)
    encodings = find_scheme(name).encode(model, request).encodings
    assert set(encodings) == {*kernels, *(f"{kernel}.bias" for kernel in kernels)}
    return {kernel: encodings[kernel] for kernel in kernels}


@pytest.mark.parametrize("name", ["int8", "int4", "rd"])
@pytest.mark.parametrize("dead", [["depthwise"], ["dense", "depthwise", "grouped", "pointwise"]], ids=["one", "all"])
def test_kernels_of_zeros_stay_next_to_nothing(name, dead, calibration_cache):
    kernels = random_kernels()
    size = np.abs(kernels["depthwise"]).max()
    for kernel in dead:
        kernels[kernel] = np.zeros_like(kernels[kernel])
    for kernel, codes in codes_of(name, kernels).items():
        assert np.isfinite(codes.scale).all() and (codes.scale > 0).all()
        decoded = codes.decoded()
        assert np.isfinite(decoded).all()
        if kernel in dead:
            assert np.abs(decoded).max() <= 1e-3 * size, f"{kernel} was zero"


@pytest.mark.parametrize("name", ["int8", "int4", "rd"])
def test_one_dead_channel_stays_next_to_nothing(name, calibration_cache):
    kernels = random_kernels()
    kernels["grouped"][5] = 0
    decoded = codes_of(name, kernels)["grouped"].decoded()
    assert np.abs(decoded[5]).max() <= 0.1 * np.abs(kernels["grouped"]).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float16", "int8"])
def test_tfjs_runs_exactly_the_decoded_weights(name, converted_onnx, tmp_path):
    """TF.js with codes against onnxruntime with the weights those codes stand for."""
    model = onnx.load(converted_onnx)
    encodings = encoded(name, model)
    write_model(lower(model, encodings), tmp_path)
    onnx.save(decoded_model(model, encodings), tmp_path / "decoded.onnx")

    images = [photo_batch(photo, 320) for photo in ("bus.jpg", "zidane.jpg")]
    with open_runtime("onnx", tmp_path / "decoded.onnx") as runtime:
        expected = [runtime.run(image) for image in images]
    with open_runtime("onnx", converted_onnx) as runtime:
        original = runtime.run(images[0])
    assert np.abs(original - expected[0]).max() > PIXELS, "quantizing changes the output, or this test proves nothing"
    with open_runtime("node", tmp_path) as runtime:
        for image, wanted in zip(images, expected, strict=True):
            assert_same_output(runtime.run(image), wanted)


def assert_same_output(found: np.ndarray, wanted: np.ndarray, pixels: float = PIXELS) -> None:
    apart = np.abs(found - wanted)[0]
    assert apart[4].max() <= SCORE, "scores"
    keypoints = apart[5:].reshape(17, 3, -1)
    assert max(apart[:4].max(), keypoints[:, :2].max()) <= pixels, "boxes and keypoints"
    assert keypoints[:, 2].max() <= SCORE * 10, "visibility"


BROWSERS = [pytest.param(f"browser:{backend}", marks=pytest.mark.browser) for backend in ("wasm", "webgl")]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["node", *BROWSERS])
@pytest.mark.parametrize("name", ["int8", "int4", "rd"])
def test_calibrated_schemes_run_everywhere_as_decoded(name, runtime, small_artifact):
    """At the first run, which decodes packed kernels, and at a second one, on another photo."""
    artifact = small_artifact(name)
    images = [photo_batch(photo, artifact.size) for photo in ("bus.jpg", "zidane.jpg")]
    with open_runtime("onnx", artifact.decoded) as reference:
        expected = [reference.run(image) for image in images]
    with open_runtime(runtime, artifact.directory) as tfjs:
        for image, wanted in zip([*images, images[0]], [*expected, expected[0]], strict=True):
            assert_same_output(tfjs.run(image), wanted)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", ["int4", "rd"])
def test_packed_schemes_run_on_webgpu_as_decoded(name, small_artifact):
    """At 64 px: software WebGPU is slow."""
    artifact = small_artifact(name, size=64)
    image = photo_batch("bus.jpg", artifact.size)
    with open_runtime("onnx", artifact.decoded) as reference:
        expected = reference.run(image)
    with open_runtime("browser:webgpu", artifact.directory) as tfjs:
        for _ in range(2):
            assert_same_output(tfjs.run(image), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["int4", "rd"])
def test_the_first_input_of_a_packed_model_is_the_image(name, small_artifact):
    document = json.loads((small_artifact(name).directory / "model.json").read_text())
    first, *captured = document["signature"]["inputs"].items()
    assert first[0] == "images" and first[1]["name"] == "images:0" and "resourceId" not in first[1]
    assert len(captured) == 93 and all("resourceId" in info for _, info in captured)
    assert read_manifest(small_artifact(name).directory).contract.input.name == "images"
