"""Error-feedback rounding leaves less output error than rounding to nearest, and survives odd second moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_edge.quantization.rounding import round_with_feedback

STEP = 0.1
WIDE = {"lowest": -1000, "highest": 1000}


def correlated_moments(columns: int, groups: int = 1, seed: int = 0) -> np.ndarray:
    """Second moments of inputs that share a few causes, as the columns of photos do."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(groups, columns, 4))
    noise = 0.1 * np.eye(columns)
    return (causes @ causes.transpose(0, 2, 1) + noise).astype(np.float32)


def output_error(kernel: np.ndarray, codes: np.ndarray, moments: np.ndarray) -> float:
    groups, columns = moments.shape[:2]
    error = (kernel - codes * STEP).reshape(groups, -1, columns)
    return float(np.einsum("gri,gij,grj->", error, moments, error))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(6, 4, 3, 3, 1), (8, 70, 1, 1, 1), (8, 1, 3, 3, 8), (8, 2, 3, 3, 4)]))
def test_feedback_leaves_less_output_error_than_nearest(seed, geometry):
    *shape, groups = geometry
    kernel = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    moments = correlated_moments(kernel[0].size, groups, seed)
    codes = round_with_feedback(kernel, moments, STEP, **WIDE)
    assert codes.shape == kernel.shape
    nearest = np.round(kernel / STEP)
    assert output_error(kernel, codes, moments) < output_error(kernel, nearest, moments)


def test_uncorrelated_inputs_are_rounded_to_nearest():
    kernel = np.random.default_rng(1).normal(size=(5, 3, 3, 3)).astype(np.float32)
    codes = round_with_feedback(kernel, np.eye(27, dtype=np.float32)[None], STEP, **WIDE)
    assert np.array_equal(codes, np.round(kernel.astype(np.float64) / STEP))


@pytest.mark.parametrize("moments", [np.zeros((1, 36, 36)), np.ones((1, 36, 36)), np.diag([1.0] + [0.0] * 35)[None]])
def test_singular_moments_round_sanely(moments):
    kernel = np.random.default_rng(2).normal(size=(4, 4, 3, 3)).astype(np.float32)
    codes = round_with_feedback(kernel, moments.astype(np.float32), STEP, **WIDE)
    assert np.abs(codes * STEP - kernel).max() < 20 * STEP, "feedback ran away"


def test_codes_stay_within_their_range():
    kernel = np.random.default_rng(3).normal(size=(4, 4, 3, 3)).astype(np.float32)
    codes = round_with_feedback(kernel, correlated_moments(36), STEP, lowest=-5, highest=7)
    assert codes.min() == -5 and codes.max() == 7
