"""Layouts: what the permutations promise is what numpy does to the data."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from yolo_edge.lowering.layout import NHWC, identity, inverse, is_reshape, physical, reshaped

SIDES = st.sampled_from([1, 1, 2, 3, 4, 6])


@st.composite
def shapes_and_permutations(draw: st.DrawFn, *, count: int = 1) -> tuple:
    shape = tuple(draw(st.lists(SIDES, min_size=1, max_size=5)))
    return shape, *(tuple(draw(st.permutations(range(len(shape))))) for _ in range(count))


@st.composite
def reshapes(draw: st.DrawFn) -> tuple:
    """A shape, a layout of it, and another shape of the same size."""
    shape, permutation = draw(shapes_and_permutations())
    factors = []
    for side in shape:
        factors += {4: [2, 2], 6: draw(st.sampled_from([[2, 3], [3, 2]]))}.get(side, [side])
    if draw(st.booleans()):
        factors = draw(st.permutations(factors))
    target: list[int] = []
    for factor in factors:
        if target and draw(st.booleans()):
            target[-1] *= factor
        else:
            target.append(factor)
    return shape, permutation, tuple(target)


@given(shapes_and_permutations())
def test_inverse_undoes(case):
    shape, permutation = case
    data = np.arange(prod(shape)).reshape(shape)
    assert np.array_equal(data.transpose(permutation).transpose(inverse(permutation)), data)
    assert inverse(inverse(permutation)) == permutation
    assert inverse(identity(len(shape))) == identity(len(shape))


@given(shapes_and_permutations())
def test_physical_is_the_shape_after_transposing(case):
    shape, permutation = case
    assert physical(shape, permutation) == np.empty(shape).transpose(permutation).shape


@given(shapes_and_permutations(count=2))
def test_is_reshape_tells_whether_data_moves(case):
    shape, source, target = case
    data = np.arange(prod(shape)).reshape(shape)
    same = np.array_equal(data.transpose(source).ravel(), data.transpose(target).ravel())
    assert is_reshape(shape, source, target) == same


@settings(max_examples=400)
@given(reshapes())
def test_reshaped_gives_the_layout_in_which_no_data_moves(case):
    source, permutation, target = case
    layout = reshaped(source, target, permutation)
    event("moves data" if layout is None else "moves none")
    if layout is None:
        return
    data = np.arange(prod(source)).reshape(source)
    stored = data.transpose(permutation)
    assert sorted(layout) == list(range(len(target)))
    assert np.array_equal(stored.reshape(physical(target, layout)), data.reshape(target).transpose(layout))


@settings(max_examples=300)
@given(reshapes())
def test_reshaped_never_gives_up_where_a_layout_exists(case):
    """Nothing moves if some order of the target's dimensions reads the stored data as it lies."""
    from itertools import permutations

    source, permutation, target = case
    if reshaped(source, target, permutation) is not None:
        return
    data = np.arange(prod(source)).reshape(source)
    stored = data.transpose(permutation).ravel()
    wanted = data.reshape(target)
    assert not any(
        np.array_equal(stored, wanted.transpose(layout).ravel()) for layout in permutations(range(len(target)))
    )


@pytest.mark.parametrize(
    ("source", "target", "permutation", "layout"),
    [
        ((1, 144, 20, 20), (1, 144, 400), NHWC, (0, 2, 1)),
        ((1, 64, 400), (1, 4, 16, 400), (0, 2, 1), (0, 3, 1, 2)),
        ((1, 144, 20, 20), (1, 144, 400), (0, 1, 2, 3), (0, 1, 2)),
        ((1, 144, 20, 20), (1, 57600), NHWC, None),
    ],
    ids=["flatten-pixels", "split-channels", "nchw", "flatten-all"],
)
def test_the_reshapes_of_a_pose_head(source, target, permutation, layout):
    assert reshaped(source, target, permutation) == layout
