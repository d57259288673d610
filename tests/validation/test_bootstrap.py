"""Intervals: what they cover, and that quantiles and means are those of the values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_edge.validation.bootstrap import Resamples, interval

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 6), st.integers(0, 99))
def test_means_lie_within_their_interval_of_possible_means(values, images, seed):
    image_of = np.random.default_rng(seed).integers(images, size=len(values))
    estimate = Resamples(images, rounds=50, seed=seed).mean(values, image_of)
    assert estimate.value == pytest.approx(np.mean(values)) and estimate.count == len(values)
    assert min(values) - 1e-9 <= estimate.low <= estimate.high <= max(values) + 1e-9


@settings(max_examples=60, deadline=None)
@given(VALUES, st.floats(0, 1), st.integers(0, 99))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(values, share, seed):
    image_of = np.random.default_rng(seed).integers(3, size=len(values))
    estimate = Resamples(3, rounds=20, seed=seed).quantile(values, image_of, share)
    assert estimate.value in values
    assert np.mean(np.array(values) <= estimate.value) >= share - 1e-12
    smaller = [value for value in values if value < estimate.value]
    assert not smaller or np.mean(np.array(values) <= max(smaller)) < share
    assert {estimate.low, estimate.high} <= {estimate.low, estimate.high} and estimate.low <= estimate.high


def test_a_drawn_quantile_is_that_of_the_values_repeated():
    random = np.random.default_rng(1)
    values, image_of = random.normal(size=30), random.integers(5, size=30)
    draws = Resamples(5, rounds=1, seed=4)
    repeated = np.repeat(values, draws.weights[0][image_of])
    expected = np.sort(repeated)[int(np.ceil(0.95 * len(repeated))) - 1]
    assert draws.quantile(values, image_of, 0.95).low == pytest.approx(expected)


def test_nine_in_ten_intervals_or_more_cover_the_truth():
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=60)
        estimate = Resamples(60, rounds=200, seed=seed).mean(values, np.arange(60))
        covered += estimate.low <= 0 <= estimate.high
    assert covered > 180


def test_photos_are_drawn_and_not_persons():
    """Ten persons of one photo tell as much as one: the interval must not shrink with copies."""
    values = np.random.default_rng(0).normal(size=20)
    draws = Resamples(20, seed=0)
    alone, copied = draws.mean(values, np.arange(20)), draws.mean(np.repeat(values, 10), np.repeat(np.arange(20), 10))
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))


def test_nothing_gives_nothing():
    draws = Resamples(4)
    assert draws.mean([], []) is None and draws.quantile([], [], 0.5) is None
    assert Resamples(0).mean([], []) is None


def test_draws_without_a_value_are_left_out():
    estimate = interval(1.0, np.array([np.nan, 1.0, 2.0, np.nan]), 3)
    assert 1 <= estimate.low <= estimate.high <= 2
    nothing = interval(1.0, np.array([np.nan]), 3)
    assert (nothing.low, nothing.high) == (1.0, 1.0)


def test_large_sets_are_looked_at_in_parts(monkeypatch):
    values, image_of = np.random.default_rng(3).normal(size=500), np.arange(500) % 50
    whole = Resamples(50, rounds=64).quantile(values, image_of, 0.5)
    monkeypatch.setattr("yolo_edge.validation.bootstrap._CHUNK_VALUES", 1000)
    assert Resamples(50, rounds=64).quantile(values, image_of, 0.5) == whole
