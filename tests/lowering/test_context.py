"""Constants take the fewest bytes that keep every bit of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from yolo_edge.errors import ModelError
from yolo_edge.lowering.context import KernelLayout, LoweringContext, compact_form, stored_form
from yolo_edge.quantization.codes import Codes, HalfFloat
from yolo_edge.tfjs.graph import Weight


@given(
    st.one_of(
        hnp.arrays(np.float32, 300, elements=st.floats(-1e6, 1e6, width=32)),
        st.builds(
            lambda start, step, seed: (start + step * np.random.default_rng(seed).integers(0, 200, 400)).astype(
                np.float32
            ),
            st.floats(-1e3, 1e3),
            st.floats(1e-3, 1e3),
            st.integers(0, 99),
        ),
    )
)
def test_every_constant_decodes_to_itself(array):
    values, stored = compact_form(array)
    assert np.array_equal(Weight("", values, stored).decoded(), array)


def test_anchors_are_stored_as_codes():
    anchors = np.arange(80, dtype=np.float32).repeat(80) + 0.5
    values, stored = compact_form(anchors)
    assert stored is not None and values.nbytes * 4 == anchors.nbytes


@pytest.mark.parametrize("array", [np.float32([1, 2, 3]), np.zeros(999, np.float32), np.arange(999, dtype=np.int32)])
def test_what_codes_cannot_help_stays(array):
    assert compact_form(array)[1] is None


def test_per_channel_scales_are_refused_by_the_stock_manifest():
    codes = Codes(np.zeros((2, 3, 1, 1), np.uint8), np.array([0.1, 0.2]), 0, 8, axis=0)
    with pytest.raises(ModelError, match="one scale a tensor"):
        stored_form(codes)


def context_of(encodings) -> LoweringContext:
    constants = {
        "kernel": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32),
        "bias": np.arange(4, dtype=np.float32) / 8,
        "other": np.arange(4, dtype=np.float32) / 8,
    }
    return LoweringContext({name: array.shape for name, array in constants.items()}, constants, encodings, {}, 18)


LAYOUT = KernelLayout((4, 3, 3, 3), (2, 3, 1, 0))


def test_a_plain_kernel_is_written_in_the_layout_once():
    context = context_of({})
    assert context.kernel("kernel", LAYOUT) == context.kernel("kernel", LAYOUT)
    (weight,) = context.weights
    assert weight.initializer == "kernel" and weight.stored is None
    assert np.array_equal(weight.values, context.constants["kernel"].transpose(2, 3, 1, 0))


def test_codes_of_one_scale_stay_in_the_stock_manifest():
    codes = Codes(np.arange(108, dtype=np.uint8).reshape(4, 3, 3, 3), np.array([0.5]), 7, 8)
    context = context_of({"kernel": codes})
    context.kernel("kernel", LAYOUT)
    (weight,) = context.weights
    assert weight.stored is not None and weight.stored.dtype == "uint8" and not context.packed
    assert np.array_equal(weight.decoded(), codes.decoded().transpose(2, 3, 1, 0))


def test_codes_of_a_scale_a_channel_become_a_placeholder_of_the_laid_out_shape():
    codes = Codes(np.zeros((4, 3, 3, 3), np.uint8), np.ones(4), 8, 4, axis=0)
    context = context_of({"kernel": codes})
    assert context.kernel("kernel", LAYOUT) == context.kernel("kernel", LAYOUT) == "k0"
    (packed,), (node,) = context.packed, context.nodes
    assert not context.weights and (packed.initializer, packed.bits) == ("kernel", 4)
    assert (node.name, node.op) == ("k0", "Placeholder")
    assert [int(dim["size"]) for dim in node.attributes["shape"]["shape"]["dim"]] == [3, 3, 3, 4]


def test_biases_are_half_floats_where_they_are_so_encoded():
    half = HalfFloat(np.array([0.1, 0.2, 0.3, 0.4], np.float16))
    context = context_of({"bias": half})
    assert context.bias("bias") == context.bias("bias") != context.bias("other")
    first, second = context.weights
    assert first.stored is not None and first.stored.dtype == "float16" and second.stored is None
    assert np.array_equal(first.decoded(), half.decoded())
