"""Rounding with error feedback: what one weight loses, weights that are not rounded yet make up for.

For a kernel ``W`` (one row an output channel, one column an input of it) and an error ``E`` the harm is, to second
order and with the curvature taken as a Kronecker product (Martens and Grosse, arXiv 1503.05671), ``tr(G · E · A ·
Eᵀ)``: ``A`` the second moment of the inputs, ``G`` of the gradients that reach the outputs. With ``A = U D Uᵀ``, ``U``
unit upper triangular, rounding column after column and passing each error on to the columns after it leaves only ``D``
to pay (Frantar et al., arXiv 2210.17323; the triangular form is that of Chee et al., arXiv 2307.13304). ``G`` is
treated alike: row after row, each error is passed on to the rows after it (Tseng et al., arXiv 2505.22988, do both for
transformers). What is left of a rounding residue ``r`` is ``Σ d_row · r² · d_column``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.calibration import LayerStatistics

Array = npt.NDArray[np.float32]

COLUMN_DAMPING = 0.03
"""Added to the diagonal of ``A``, as a share of its mean: keeps a singular ``A`` invertible, and the feedback from
trusting few photos too much."""

ROW_DAMPING = 0.2
"""The same for ``G``, whose correlations are known less well."""


SURVIVORS = 4
"""Roundings of a channel that are followed side by side, see :mod:`yolo_edge.quantization.survivors`. Following one
leaves 7 % more harm by the quadratic form, eight 2 % less (docs/quantization.md)."""


@dataclass(frozen=True)
class Feedback:
    """How a convolution's rounding errors are passed on; ``g`` groups of ``r`` output channels and ``n`` columns.

    Attributes:
        column_factor: ``[g, n, n]`` unit upper triangular; an error at column i moves column j by its ``[i, j]``.
        column_order: ``[g, n]`` the column that is rounded first, second, …
        column_pivots: ``[g, n]`` the diagonal of ``D``, in that order.
        row_factor: ``[g, r, r]`` unit upper triangular; an error in row i moves row j by its ``[i, j]``.
        row_order: ``[g, r]`` the row that is rounded first, second, …
        row_harm: ``[g·r]`` harm of a squared unit of rounding residue in an output channel, the mean over its weights.
    """

    column_factor: Array
    column_order: npt.NDArray[np.intp]
    column_pivots: Array
    row_factor: Array
    row_order: npt.NDArray[np.intp]
    row_harm: npt.NDArray[np.float64]


def make_feedback(statistics: LayerStatistics) -> Feedback:
    """Factor a layer's statistics."""
    columns, column_order = _ordered(_damped(statistics.moments, COLUMN_DAMPING))
    rows, row_order = _ordered(_damped(_by_group(statistics.harm, len(columns)), ROW_DAMPING))
    column_factor, column_pivots = _unit_upper(columns)
    row_factor, row_pivots = _unit_upper(rows)
    row_harm = np.empty_like(row_pivots)
    np.put_along_axis(row_harm, row_order, row_pivots * column_pivots.mean(axis=1, keepdims=True), axis=1)
    return Feedback(
        column_factor, column_order, column_pivots.astype(np.float32), row_factor, row_order, row_harm.reshape(-1)
    )


def _unit_upper(matrix: npt.NDArray[np.float64]) -> tuple[Array, npt.NDArray[np.float64]]:
    """Factor ``U D Uᵀ``: the unit upper triangular ``U`` and the diagonal of ``D``."""
    factor = np.linalg.cholesky(matrix[:, ::-1, ::-1])[:, ::-1, ::-1]
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    return np.ascontiguousarray(factor / diagonal[:, None, :], np.float32), np.square(diagonal, dtype=np.float64)


def round_with_feedback(
    kernel: npt.NDArray[Any],
    feedback: Feedback,
    steps: npt.NDArray[np.floating[Any]],
    *,
    lowest: int,
    highest: int,
    levels: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.int32]:
    """Round a convolution kernel to multiples of its channels' steps.

    Args:
        kernel: float ``[out, in/groups, height, width]``.
        feedback: of the same layer.
        steps: ``[out]``, weight units a code.
        lowest: smallest code, negative or 0.
        highest: largest code, positive or 0.
        levels: what the codes ``lowest … highest`` stand for, in steps, rising; where absent, themselves.

    Returns:
        Signed codes of the kernel's shape; ``code · step``, or ``levels[code − lowest] · step``, stands for the weight.
    """
    from yolo_edge.quantization.survivors import round_rows  # numba takes half a second to import

    table = np.zeros(0, np.float32) if levels is None else levels.astype(np.float32)
    groups, rows = feedback.row_order.shape
    weights = kernel.astype(np.float32).reshape(groups, rows, -1)
    channel_steps = np.asarray(steps, np.float32).reshape(groups, rows)
    codes = np.empty(weights.shape, np.int32)
    for group in range(groups):
        row_order, column_order = feedback.row_order[group], feedback.column_order[group]
        where = np.ix_(row_order, column_order)
        codes[group][where] = round_rows(
            np.ascontiguousarray(weights[group][where]),
            feedback.column_factor[group],
            feedback.row_factor[group],
            feedback.column_pivots[group],
            np.ascontiguousarray(channel_steps[group][row_order]),
            (lowest, highest),
            table,
            SURVIVORS,
        )
    return codes.reshape(kernel.shape)


def harm_of(error: npt.NDArray[Any], statistics: LayerStatistics) -> float:
    """Return the harm ``tr(G · E · A · Eᵀ)`` of a kernel's error.

    Args:
        error: decoded minus float kernel, ``[out, in/groups, height, width]``.
        statistics: of the same layer.
    """
    groups = len(statistics.moments)
    errors = error.astype(np.float64).reshape(groups, -1, statistics.moments.shape[-1])
    spread = errors @ statistics.moments.astype(np.float64) @ errors.transpose(0, 2, 1)
    return float((spread * _by_group(statistics.harm, groups)).sum())


def _by_group(harm: Array, groups: int) -> npt.NDArray[np.float64]:
    """Cut ``[out, out]`` into the blocks ``[groups, rows, rows]`` of its diagonal."""
    rows = len(harm) // groups
    blocks = harm.astype(np.float64).reshape(groups, rows, groups, rows)
    index = np.arange(groups)
    return blocks[index, :, index, :]


def _damped(moments: npt.NDArray[np.floating[Any]], share: float) -> npt.NDArray[np.float64]:
    """Add a share of the mean diagonal to the diagonal; a matrix of zeros becomes the identity."""
    matrix = moments.astype(np.float64)
    mean = np.diagonal(matrix, axis1=1, axis2=2).mean(axis=1)
    mean = np.where(mean > 0, mean, 1 / share)
    result: npt.NDArray[np.float64] = matrix + np.eye(matrix.shape[1]) * (share * mean)[:, None, None]
    return result


def _ordered(matrix: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Sort by falling diagonal: what weighs most is rounded first, while most can still make up for it."""
    order = np.argsort(-np.diagonal(matrix, axis1=1, axis2=2), axis=1, kind="stable")
    group = np.arange(len(matrix))[:, None, None]
    return matrix[group, order[:, :, None], order[:, None, :]], order
