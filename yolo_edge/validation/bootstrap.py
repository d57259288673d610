"""How sure a figure is: paired bootstrap over images.

Images are drawn with replacement, the same draws for every model and every figure; the middle 95 % of what the draws
give is the interval (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13: the percentile
interval). Images are drawn, not persons, because persons of one image share light, blur and crowding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 1000
_INTERVAL = (2.5, 97.5)
_CHUNK_VALUES = 4_000_000
"""Values that are looked at in one go, so that a set of 5,000 photos takes megabytes and not gigabytes."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: of all images, each once.
        low: lower end of the interval.
        high: upper end.
        count: how many observations it is made of.
    """

    value: float
    low: float
    high: float
    count: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the figure as JSON-ready values, to six digits; None for what JSON has no number for."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        written = {name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in numbers.items()}
        return {**written, "count": self.count}


class Resamples:
    """Draws of images, shared by all figures of a validation.

    Args:
        images: how many images there are.
        rounds: how many draws.
        seed: of the draws.

    Attributes:
        weights: int64 ``[rounds, images]``, how often each image is drawn.
    """

    def __init__(self, images: int, *, rounds: int = ROUNDS, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        draws = (random.integers(images, size=images) for _ in range(rounds)) if images else iter(())
        counted = [np.bincount(draw, minlength=images) for draw in draws]
        self.weights: NDArray[np.int64] = np.array(counted, np.int64).reshape(len(counted), images)

    def statistic(self, compute: Callable[[NDArray[np.int64] | None], float], count: int) -> Estimate:
        """Estimate any figure.

        Args:
            compute: weights of the images (None: each once) → the figure; NaN where a draw has none.
            count: how many observations it is made of.
        """
        return interval(compute(None), np.array([compute(weights) for weights in self.weights]), count)

    def mean(self, values: ArrayLike, image_of: ArrayLike) -> Estimate | None:
        """Estimate the mean of values.

        Args:
            values: float ``[n]``.
            image_of: int ``[n]``, index of the image that each value is of.

        Returns:
            None if there are no values.
        """
        array, images = np.asarray(values, np.float64), np.asarray(image_of, np.int64)
        if not array.size:
            return None
        size = self.weights.shape[1]
        sums, counts = np.bincount(images, array, minlength=size), np.bincount(images, minlength=size)
        totals = self.weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (self.weights @ sums) / totals
        return interval(float(array.mean()), drawn, array.size)

    def quantile(self, values: ArrayLike, image_of: ArrayLike, share: float) -> Estimate | None:
        """Estimate a quantile: the smallest value that at least ``share`` of all values do not exceed.

        Args:
            values: float ``[n]``.
            image_of: int ``[n]``, index of the image that each value is of.
            share: 0-1.

        Returns:
            None if there are no values.
        """
        array, images = np.asarray(values, np.float64), np.asarray(image_of, np.int64)
        if not array.size:
            return None
        order = np.argsort(array, kind="stable")
        ranked, images = array[order], images[order]
        step = max(1, _CHUNK_VALUES // array.size)
        parts = [
            _weighted_quantile(ranked, self.weights[start : start + step][:, images], share)
            for start in range(0, len(self.weights), step)
        ]
        value = float(_weighted_quantile(ranked, np.ones((1, array.size), np.int64), share)[0])
        return interval(value, np.concatenate(parts) if parts else np.array([]), array.size)


def interval(value: float, drawn: NDArray[np.floating[Any]], count: int) -> Estimate:
    """Return a figure with the interval that its draws span; draws that are NaN tell nothing."""
    usable = drawn[np.isfinite(drawn)]
    low, high = np.percentile(usable, _INTERVAL) if usable.size else (value, value)
    return Estimate(value, float(low), float(high), count)


def _weighted_quantile(ranked: NDArray[np.float64], weights: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return one quantile a row of ``weights``; NaN where a row weighs nothing."""
    heaped = np.cumsum(weights, axis=1)
    totals = heaped[:, -1:]
    place = (heaped < np.maximum(share * totals, 1)).sum(axis=1)
    result = ranked[np.minimum(place, len(ranked) - 1)]
    return np.where(totals[:, 0] > 0, result, np.nan)
