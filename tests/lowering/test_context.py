"""Constants take the fewest bytes that keep every bit of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from yolo_edge.errors import ModelError
from yolo_edge.lowering.context import compact_form, stored_form
from yolo_edge.quantization.codes import Codes
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
