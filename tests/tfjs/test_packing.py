"""Packed kernels: the initializer graph gives back exactly the weights that the codes stand for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yolo_edge.errors import ModelError
from yolo_edge.quantization.allocation import compact_steps
from yolo_edge.quantization.codes import NIBBLE_CURVE, Codes
from yolo_edge.tfjs.graph import Captured, GraphModel, Initializer, Node, TensorInfo, shape_json, type_attribute
from yolo_edge.tfjs.manifest import MODEL_FILE, read_model, write_model
from yolo_edge.tfjs.packing import HIGHEST_DEEP, ROW, PackedKernel, pack_kernels, run_initializer

ZERO_POINTS = {4: 8, 8: 128, 16: 32768}
BITS = st.sampled_from(sorted(ZERO_POINTS))


def packed(
    name: str, bits: int, shape: tuple[int, ...], seed: int = 0, *, depthwise: bool = False, compact: bool = True
) -> PackedKernel:
    """A kernel of random codes, the smallest and the largest among them, laid out as TensorFlow wants it."""
    random = np.random.default_rng(seed)
    highest = HIGHEST_DEEP if bits == 16 else 2**bits - 1
    codes = random.integers(0, highest + 1, shape).astype(np.uint16 if bits == 16 else np.uint8)
    codes.flat[0], codes.flat[-1] = 0, highest
    scales = random.uniform(0.01, 0.1, shape[0])
    scales = compact_steps(scales) if compact else scales.astype(np.float32).astype(np.float64)
    axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    return PackedKernel(name, codes, bits, scales, shape, axes, f"{name}.weight")


def meant(kernel: PackedKernel) -> np.ndarray:
    codes = Codes(kernel.codes, kernel.scales, ZERO_POINTS[kernel.bits], kernel.bits, axis=0)
    return codes.decoded().reshape(kernel.shape).transpose(kernel.axes)


@st.composite
def kernel_lists(draw: st.DrawFn, compact: bool = True) -> list[PackedKernel]:
    kernels = []
    for index in range(draw(st.integers(1, 6))):
        side, out, depthwise = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 20)), draw(st.booleans())
        shape = (out, 1 if depthwise else draw(st.integers(1, 9)), side, side)
        seed = draw(st.integers(0, 999))
        kernels.append(packed(f"k{index}", draw(BITS), shape, seed, depthwise=depthwise, compact=compact))
    return kernels


def assert_decodes(kernels: list[PackedKernel], initializer: Initializer) -> None:
    made = run_initializer(initializer)
    assert list(made) == [kernel.name for kernel in kernels]
    for kernel in kernels:
        assert made[kernel.name].dtype == np.float32
        assert initializer.outputs[kernel.name].shape == made[kernel.name].shape
        assert np.array_equal(made[kernel.name], meant(kernel)), f"{kernel.name}, {kernel.bits} bits, {kernel.shape}"


@settings(max_examples=60, deadline=None)
@given(st.one_of(kernel_lists(), kernel_lists(compact=False)))
def test_every_kernel_is_decoded_exactly(kernels):
    assert_decodes(kernels, pack_kernels(kernels, NIBBLE_CURVE))


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (8, 8, 1, 1), (16, 8, 1, 1), (5, 3, 3, 3), (64, 64, 1, 1)])
def test_a_kernel_alone(bits, shape):
    kernels = [packed("alone", bits, shape)]
    assert_decodes(kernels, pack_kernels(kernels, NIBBLE_CURVE))


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_kernels_are_reshaped_to_their_multiplier(multiplier):
    """ONNX has ``[groups · multiplier, 1, h, w]``, TensorFlow ``[h, w, groups, multiplier]``."""
    kernel = packed("k0", 8, (6 * multiplier, 1, 3, 3))
    kernel = PackedKernel("k0", kernel.codes, 8, kernel.scales, (6, multiplier, 3, 3), (2, 3, 0, 1), "w")
    initializer = pack_kernels([kernel], NIBBLE_CURVE)
    assert initializer.outputs["k0"].shape == (3, 3, 6, multiplier)
    assert_decodes([kernel], initializer)


def test_a_code_that_two_signed_bytes_cannot_hold_is_not_stored_as_another():
    codes = np.full((4, 16, 1, 1), HIGHEST_DEEP + 1, np.uint16)
    kernel = PackedKernel("k", codes, 16, np.full(4, 0.5), codes.shape, (2, 3, 1, 0), "w")
    with pytest.raises(AssertionError, match="HIGHEST_DEEP"):
        pack_kernels([kernel], NIBBLE_CURVE)


def stored_bytes(initializer: Initializer) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for weight in initializer.weights:
        kind = weight.stored.dtype if weight.stored else weight.dtype
        sizes[kind] = sizes.get(kind, 0) + weight.values.nbytes
    return sizes


def test_codes_take_half_a_byte_a_byte_or_two():
    shapes = (128, 16, 1, 1)
    size = math.prod(shapes)
    for bits in (4, 8, 16):
        assert stored_bytes(pack_kernels([packed("k", bits, shapes)], NIBBLE_CURVE))["uint8"] == size * bits // 8
    odd = [packed(str(index), 4, (3, 3, 3, 3)) for index in range(3)]
    assert stored_bytes(pack_kernels(odd, NIBBLE_CURVE))["uint8"] == 3 * ROW, "a kernel starts at a new row"


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_little_is_copied_while_pieces_are_cut(bits):
    """WebAssembly copies the whole of a tensor for each piece that is cut from it: 100 kernels, not 100 copies."""
    kernels = [packed(f"k{index}", bits, (16, 8 + index % 7, 3, 3)) for index in range(100)]
    initializer = pack_kernels(kernels, NIBBLE_CURVE)
    sizes = {weight.name: weight.values for weight in initializer.weights}
    copied = 0
    for node in initializer.nodes:
        if node.op == "SplitV":
            pieces = sizes[node.inputs[1]]
            copied += len(pieces) * int(pieces.sum()) * (1 if node.inputs[0] in sizes else ROW)
    assert copied <= 25 * sum(kernel.codes.size for kernel in kernels)


@pytest.mark.parametrize(("compact", "kind", "size"), [(True, "uint16", 2), (False, "float32", 4)])
def test_compact_scales_are_stored_as_two_bytes_and_others_as_floats(compact, kind, size):
    kernels = [packed(str(bits), bits, (200, 1, 1, 1), bits, compact=compact) for bits in (4, 8, 16)]
    initializer = pack_kernels(kernels, NIBBLE_CURVE)
    (weight,) = [weight for weight in initializer.weights if weight.values.shape == (600, 1, 1, 1)]
    assert (weight.stored.dtype if weight.stored else weight.dtype, weight.values.itemsize) == (kind, size)
    expected = np.concatenate([kernel.scales for kernel in kernels]).astype(np.float32)
    assert np.array_equal(weight.decoded().ravel(), expected)


@pytest.mark.parametrize("spread", [1e-3, 1e-5, 1e-12])
def test_scales_far_apart_stay_exact(spread):
    scales = compact_steps(np.array([1.0, 0.7 * spread, 0.3, 0.9 * spread]))
    codes = np.arange(4 * 64, dtype=np.uint8).reshape(4, 64, 1, 1)
    kernel = PackedKernel("k", codes, 8, scales, codes.shape, (2, 3, 1, 0), "w")
    assert_decodes([kernel], pack_kernels([kernel], NIBBLE_CURVE))


def whole_model(initializer: Initializer) -> GraphModel:
    def placeholder(name: str, shape: tuple[int, ...]) -> Node:
        return Node(name, "Placeholder", (), {"dtype": type_attribute(), "shape": {"shape": shape_json(shape)}})

    captured = [placeholder(name, made.shape) for name, made in initializer.outputs.items()]
    return GraphModel(
        nodes=(*captured, placeholder("images", (1, 8, 8, 3)), Node("output0", "Identity", ("images",))),
        weights=(),
        inputs={"images": TensorInfo("images", "float32", (1, 8, 8, 3))},
        outputs={"output0": TensorInfo("output0", "float32", (1, 8, 8, 3))},
        initializer=initializer,
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kernel_lists())
def test_an_initializer_is_read_back_bit_for_bit(tmp_path_factory, kernels):
    directory = tmp_path_factory.mktemp("model")
    model = whole_model(pack_kernels(kernels, NIBBLE_CURVE))
    write_model(model, directory)
    found = read_model(directory)
    assert (found.nodes, found.inputs, found.outputs) == (model.nodes, model.inputs, model.outputs)
    assert found.weights == (), "the initializer's weights are its own"
    here, there = found.initializer, model.initializer
    assert (here.nodes, dict(here.outputs)) == (there.nodes, dict(there.outputs))
    assert [(weight.name, weight.stored) for weight in here.weights] == [
        (weight.name, weight.stored) for weight in there.weights
    ]
    for read, written in zip(here.weights, there.weights, strict=True):
        assert (read.values.dtype, read.values.shape) == (written.values.dtype, written.values.shape)
        assert read.values.tobytes() == written.values.tobytes()
    assert_decodes(kernels, here)


def test_the_first_input_is_the_image_and_captured_ones_follow(tmp_path):
    """As TF.js wants them: an input of a resource id, and an output of the initializer of the same one."""
    kernels = [packed(f"k{index}", bits, (4, 4, 3, 3)) for index, bits in enumerate((4, 8))]
    write_model(whole_model(pack_kernels(kernels, NIBBLE_CURVE)), tmp_path)
    document = json.loads((tmp_path / MODEL_FILE).read_text())
    inputs = document["signature"]["inputs"]
    assert list(inputs) == ["images", "k0", "k1"] and "resourceId" not in inputs["images"]
    assert inputs["k0"]["name"] == "k0:0"
    made = {info["resourceId"]: info["name"] for info in document["initializerSignature"]["outputs"].values()}
    assert [inputs[name]["resourceId"] for name in ("k0", "k1")] == list(made)
    names = {node["name"] for node in document["modelInitializer"]["node"]}
    assert {name.removesuffix(":0") for name in made.values()} <= names


def test_an_initializer_of_another_tool_is_refused_by_name():
    strange = Initializer((Node("i0", "HashTableV2"),), (), {"k0": Captured("i0", (1,))})
    with pytest.raises(ModelError, match="HashTableV2"):
        run_initializer(strange)
