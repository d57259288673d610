"""Tensors that depend on others by a matrix alone, found by running what lies between.

With ``b`` of ``K`` values and anchor ``n``::

    output[c, n] = g[c, n] · Σ_k A[c, k] · b[k, n]  +  B[c, n]

where ``g`` is 1 or, for some rows, the same for all of them, and ``B / g`` is mixed of few rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-5
"""Largest difference of the two forms, relative to the largest value of a row; float32 rounds by 1e-7 each time."""

_MOST_ROWS = 8
_LEAST_GAIN = 0.05


@dataclass(frozen=True)
class AffineForm:
    """A computation as a matrix.

    Attributes:
        matrix: float64 ``[C, K]``.
        gain: float64 ``[N]``: what scaled rows are multiplied by.
        scaled: bool ``[C]``: which rows are.
        rows: float64 ``[R, N]``: what the constant part is made of.
        mixture: float64 ``[C, R]``: how.
    """

    matrix: Array
    gain: Array
    scaled: npt.NDArray[np.bool_]
    rows: Array
    mixture: Array


def find_affine_form(run: Callable[[Array], Array], units: int, anchors: int) -> AffineForm | None:
    """Find the matrix of a computation.

    Args:
        run: values ``[K, N]`` → output ``[C, N]``.
        units: K.
        anchors: N.

    Returns:
        The form, which a random input has confirmed; None if there is none.
    """
    if units > anchors:
        return None
    constant = run(np.zeros((units, anchors)))
    random = np.random.default_rng(0)
    weights = random.uniform(32.0, 64.0, units)  # well above what float32 loses beside positions of hundreds of pixels
    spread = run(np.repeat(weights[:, None], anchors, axis=1)) - constant
    gain = _gain(spread)
    scaled = np.abs(spread - spread[:, :1] * gain).max(axis=1) < np.abs(spread - spread[:, :1]).max(axis=1)
    divisor = np.where(scaled[:, None], gain[None], 1.0)
    matrix = _matrix(run, constant, divisor, units, anchors)
    rows, mixture = _rows(constant / divisor)
    if len(rows) > _MOST_ROWS:
        return None
    form = AffineForm(matrix, gain, scaled, rows, mixture)
    probe = random.uniform(-1.0, 1.0, (units, anchors))
    expected = run(probe)
    found = divisor * (matrix @ probe + mixture @ rows)
    scale = np.abs(expected).max(axis=1, keepdims=True) + 1e-9
    return form if bool((np.abs(found - expected) / scale).max() < TOLERANCE) else None


def _gain(spread: Array) -> Array:
    """Return what the rows that are not the same for all anchors are multiplied by, up to a factor.

    Whether all of them are is for the last probe to find out.
    """
    varying = spread[np.abs(spread).max(axis=1) > (1 + _LEAST_GAIN) * np.abs(spread[:, 0])]
    varying = varying[np.abs(varying[:, 0]) > 0]
    if not len(varying):
        return np.ones(spread.shape[1])
    clearest = varying[np.abs(varying[:, 0]).argmax()]
    ratio = clearest / clearest[0]
    # Strides are powers of two apart. The rounding of float32 is taken out where that is so.
    whole = np.round(ratio)
    is_whole = bool(np.allclose(whole, ratio, rtol=1e-4))
    return np.asarray(whole if is_whole else ratio, np.float64)


def _matrix(run: Callable[[Array], Array], constant: Array, divisor: Array, units: int, anchors: int) -> Array:
    """Find ``A`` by one run: each anchor is given another unit vector."""
    turns = np.arange(anchors) % units
    vectors = np.zeros((units, anchors))
    vectors[turns, np.arange(anchors)] = 1.0
    answers = (run(vectors) - constant) / divisor
    matrix = answers[:, :units].copy()
    matrix[np.abs(matrix) < 1e-4] = 0.0
    rounded = np.round(matrix * 64) / 64
    return rounded if np.allclose(rounded, matrix, atol=2e-4) else matrix


def _rows(constant: Array) -> tuple[Array, Array]:
    """Return few rows that all rows of the constant part are mixed of, and the mixture."""
    rows = np.ones((1, constant.shape[1]))
    while len(rows) <= _MOST_ROWS:
        mixture, *_ = np.linalg.lstsq(rows.T, constant.T, rcond=None)
        rest = np.abs(constant - mixture.T @ rows).max(axis=1)
        worst = int(rest.argmax())
        if rest[worst] < 1e-3:
            break
        rows = np.vstack([rows, constant[worst]])
    rounded = np.round(mixture.T * 64) / 64
    return rows, rounded if np.allclose(rounded @ rows, constant, atol=1e-3) else mixture.T
