"""Error-feedback rounding leaves less harm than rounding to nearest, and survives odd statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_edge.quantization.calibration import LayerStatistics
from yolo_edge.quantization.codes import nibble_levels
from yolo_edge.quantization.rounding import (
    COLUMN_DAMPING,
    ROW_DAMPING,
    harm_of,
    make_feedback,
    round_with_feedback,
)

WIDE = {"lowest": -10_000, "highest": 10_000}
GEOMETRIES = {"dense": (24, 8, 3, 3, 1), "pointwise": (16, 64, 1, 1, 1), "grouped": (32, 4, 3, 3, 4)}
DEPTHWISE = (64, 1, 3, 3, 64)
SEEDS = st.integers(0, 100_000)


def correlated(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Second moments of values that share a few causes, as the columns and the gradients of photos do."""
    causes = random.normal(size=(count, size, max(2, size // 6)))
    moments = causes @ causes.transpose(0, 2, 1) + 0.1 * np.eye(size)
    return moments / np.diagonal(moments, axis1=1, axis2=2).mean(axis=1)[:, None, None]


def layer(geometry: tuple[int, ...], seed: int) -> tuple[np.ndarray, LayerStatistics, np.ndarray]:
    """A random kernel, its statistics, and a step for each channel."""
    *shape, groups = geometry
    random = np.random.default_rng(seed)
    kernel = random.normal(size=shape).astype(np.float32)
    moments = correlated(random, groups, kernel[0].size).astype(np.float32)
    harm = correlated(random, 1, len(kernel))[0].astype(np.float32)
    return kernel, LayerStatistics(moments, harm), random.uniform(0.05, 0.2, len(kernel))


def wide(steps: np.ndarray) -> np.ndarray:
    return steps[:, None, None, None]


def without_rows(statistics: LayerStatistics) -> LayerStatistics:
    return LayerStatistics(statistics.moments, np.diag(np.diag(statistics.harm)))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([*GEOMETRIES.values(), DEPTHWISE]))
def test_feedback_leaves_less_harm_than_nearest(seed, geometry):
    kernel, statistics, steps = layer(geometry, seed)
    codes = round_with_feedback(kernel, make_feedback(statistics), steps, **WIDE)
    assert codes.shape == kernel.shape and codes.dtype == np.int32
    nearest = np.round(kernel / wide(steps))
    assert harm_of(codes * wide(steps) - kernel, statistics) < harm_of(nearest * wide(steps) - kernel, statistics)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(list(GEOMETRIES.values())))
def test_feedback_between_channels_as_well_leaves_less_than_within_them(seed, geometry):
    kernel, statistics, steps = layer(geometry, seed)
    both = round_with_feedback(kernel, make_feedback(statistics), steps, **WIDE)
    columns = round_with_feedback(kernel, make_feedback(without_rows(statistics)), steps, **WIDE)
    assert harm_of(both * wide(steps) - kernel, statistics) < harm_of(columns * wide(steps) - kernel, statistics)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from(list(GEOMETRIES.values())))
def test_feedback_to_given_levels_leaves_less_harm_than_the_nearest_level(seed, geometry):
    kernel, statistics, _ = layer(geometry, seed)
    levels = nibble_levels()
    steps = np.abs(kernel).reshape(len(kernel), -1).max(axis=1) / levels[-1]
    codes = round_with_feedback(kernel, make_feedback(statistics), steps, lowest=-8, highest=7, levels=levels)
    assert codes.min() >= -8 and codes.max() <= 7
    nearest = levels[np.abs(levels - (kernel / wide(steps))[..., None]).argmin(-1)]
    there = harm_of(levels[codes + 8] * wide(steps) - kernel, statistics)
    assert there < harm_of(nearest * wide(steps) - kernel, statistics)


def test_following_several_roundings_leaves_less_harm_than_following_one(monkeypatch):
    harm = {1: 0.0, 4: 0.0}
    for seed in range(12):
        kernel, statistics, steps = layer(GEOMETRIES["dense"], seed)
        for survivors in harm:
            monkeypatch.setattr("yolo_edge.quantization.rounding.SURVIVORS", survivors)
            codes = round_with_feedback(kernel, make_feedback(statistics), 3 * steps, **WIDE)
            harm[survivors] += harm_of(codes * wide(3 * steps) - kernel, statistics)
    assert harm[4] < 0.97 * harm[1]


def damped(statistics: LayerStatistics) -> LayerStatistics:
    """The statistics that the factors are made of."""
    groups, columns, _ = statistics.moments.shape
    means = np.diagonal(statistics.moments, axis1=1, axis2=2).mean(axis=1)
    rows = np.diag(statistics.harm).reshape(groups, -1).mean(axis=1).repeat(len(statistics.harm) // groups)
    return LayerStatistics(
        statistics.moments + COLUMN_DAMPING * means[:, None, None] * np.eye(columns),
        statistics.harm + ROW_DAMPING * np.diag(rows),
    )


@pytest.mark.parametrize("geometry", [*GEOMETRIES.values(), DEPTHWISE], ids=[*GEOMETRIES, "depthwise"])
def test_row_harm_foretells_the_harm(geometry, monkeypatch):
    """Allocation trusts it: a residue is spread evenly over a step, so that its square is a twelfth of the step's.

    That is said of one rounding a channel; following several leaves a little less.
    """
    monkeypatch.setattr("yolo_edge.quantization.rounding.SURVIVORS", 1)
    kernel, statistics, steps = layer(geometry, 5)
    feedback = make_feedback(statistics)
    codes = round_with_feedback(kernel, feedback, steps, **WIDE)
    foretold = float((feedback.row_harm * steps**2).sum()) / 12 * kernel[0].size
    assert harm_of(codes * wide(steps) - kernel, damped(statistics)) == pytest.approx(foretold, rel=0.15)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_uncorrelated_inputs_and_gradients_are_rounded_to_nearest(groups):
    random = np.random.default_rng(1)
    kernel = random.normal(size=(6, 6 // groups, 3, 3)).astype(np.float32)
    moments = np.stack([np.diag(random.uniform(0.1, 2, kernel[0].size)) for _ in range(groups)]).astype(np.float32)
    harm = np.diag(random.uniform(0.1, 9, 6)).astype(np.float32)
    steps = random.uniform(0.05, 0.2, 6)
    codes = round_with_feedback(kernel, make_feedback(LayerStatistics(moments, harm)), steps, **WIDE)
    assert np.array_equal(codes, np.round(kernel / wide(steps.astype(np.float32))))


ODD = {"zeros": np.zeros((36, 36)), "ones": np.ones((36, 36)), "one column": np.diag([1.0] + [0.0] * 35)}


@pytest.mark.parametrize("harm", ODD.values(), ids=[f"harm: {name}" for name in ODD])
@pytest.mark.parametrize("moments", ODD.values(), ids=[f"moments: {name}" for name in ODD])
def test_singular_statistics_round_sanely(moments, harm):
    kernel = np.random.default_rng(2).normal(size=(36, 4, 3, 3)).astype(np.float32)
    feedback = make_feedback(LayerStatistics(moments[None].astype(np.float32), harm.astype(np.float32)))
    assert np.isfinite(feedback.row_harm).all() and (feedback.row_harm > 0).all()
    codes = round_with_feedback(kernel, feedback, np.full(36, 0.1), **WIDE)
    assert np.abs(codes * 0.1 - kernel).max() < 4, "feedback ran away"


def test_codes_stay_within_their_range():
    kernel, statistics, _ = layer(GEOMETRIES["dense"], 3)
    codes = round_with_feedback(kernel, make_feedback(statistics), np.full(len(kernel), 0.1), lowest=-5, highest=7)
    assert codes.min() == -5 and codes.max() == 7


def test_harm_counts_channels_of_a_group_together_and_groups_apart():
    statistics = LayerStatistics(np.ones((2, 1, 1), np.float32), np.ones((4, 4), np.float32))
    assert harm_of(np.array([1, -1, 0, 0.0]).reshape(4, 1, 1, 1), statistics) == 0, "they cancel"
    assert harm_of(np.array([1, 0, -1, 0.0]).reshape(4, 1, 1, 1), statistics) == 2
