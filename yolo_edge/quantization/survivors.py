"""The loop of error-feedback rounding, compiled: rows and columns are sequential, so it cannot be a matrix product.

Several roundings of a row are followed side by side (the M-algorithm of Anderson and Mohan, IEEE Trans. Commun. 32,
1984): each weight goes to the nearest code or to the one on the other side of it, and those with the least harm so far
survive. The functions stand at the top of a module of their own, because numba keeps compiled code between runs for
such functions alone.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Bounds = tuple[int, int]

_compiled: Any = numba.njit(nogil=True, cache=True)


@_compiled  # type: ignore[untyped-decorator]
def _level(code: int, bounds: Bounds, levels: Array) -> np.float32:
    """What a code stands for, in steps; ``levels`` is empty where codes stand for themselves."""
    return np.float32(code) if levels.size == 0 else levels[code - bounds[0]]


@_compiled  # type: ignore[untyped-decorator]
def _nearest(wanted: float, bounds: Bounds, levels: Array) -> int:
    if levels.size == 0:
        return int(min(max(np.rint(wanted), bounds[0]), bounds[1]))
    best = 0
    for place in range(1, levels.size):
        if abs(levels[place] - wanted) < abs(levels[best] - wanted):
            best = place
    return bounds[0] + best


@_compiled  # type: ignore[untyped-decorator]
def _place_of_least(costs: npt.NDArray[np.float64], count: int) -> int:
    best = 0
    for place in range(1, count):
        if costs[place] < costs[best]:
            best = place
    return best


@_compiled  # type: ignore[untyped-decorator]
def _round_row(
    target: Array, column_factor: Array, pivots: Array, step: np.float32, bounds: Bounds, levels: Array, survivors: int
) -> npt.NDArray[np.int32]:
    """Codes of one row. Each survivor has its own row of what the errors so far add to the columns after."""
    columns = len(target)
    moved, following = np.empty((survivors, columns), np.float32), np.empty((survivors, columns), np.float32)
    chosen, parents = np.zeros((columns, survivors), np.int32), np.zeros((columns, survivors), np.int32)
    kept, costs, places = np.zeros(survivors), np.empty(2 * survivors), np.empty(2 * survivors, np.int32)
    moved[0] = target
    alive = 1
    for column in range(columns):
        ways = 0
        for way in range(alive):
            wanted = moved[way, column] / step
            first = _nearest(wanted, bounds, levels)
            second = first + 1 if wanted > _level(first, bounds, levels) else first - 1
            for side in range(2):
                code = second if side else first
                places[2 * way + side], costs[2 * way + side] = code, np.inf
                if bounds[0] <= code <= bounds[1]:
                    residue = (wanted - _level(code, bounds, levels)) * step
                    costs[2 * way + side] = kept[way] + residue * residue * pivots[column]
                    ways += 1
        count, alive = 2 * alive, min(survivors, ways)
        best_costs = np.empty(alive)
        for way in range(alive):
            place = _place_of_least(costs, count)
            parent, code = place // 2, places[place]
            best_costs[way], chosen[column, way], parents[column, way] = costs[place], code, parent
            costs[place] = np.inf
            error = target[column] - _level(code, bounds, levels) * step
            for after in range(column + 1, columns):
                following[way, after] = moved[parent, after] + error * column_factor[column, after]
        kept[:alive] = best_costs
        moved, following = following, moved
    codes = np.zeros(columns, np.int32)
    way = 0
    for column in range(columns - 1, -1, -1):
        codes[column] = chosen[column, way]
        way = parents[column, way]
    return codes


@_compiled  # type: ignore[untyped-decorator]
def round_rows(
    weights: Array,
    column_factor: Array,
    row_factor: Array,
    pivots: Array,
    steps: Array,
    bounds: Bounds,
    levels: Array,
    survivors: int,
) -> npt.NDArray[np.int32]:
    """Round the rows of one group of a kernel, in the order they are to be rounded in.

    Args:
        weights: ``[rows, columns]``.
        column_factor: unit upper triangular ``[columns, columns]``: what an error adds to the columns after.
        row_factor: the same between rows, ``[rows, rows]``.
        pivots: ``[columns]``, harm of a squared unit of residue.
        steps: ``[rows]``, weight units a code.
        bounds: smallest and largest code.
        levels: what the codes stand for in steps, rising; empty where they stand for themselves.
        survivors: how many roundings of a row are followed.

    Returns:
        Signed codes ``[rows, columns]``.
    """
    codes, errors = np.zeros(weights.shape, np.int32), np.zeros(weights.shape, np.float32)
    target = np.empty(weights.shape[1], np.float32)
    for row in range(len(weights)):
        target[:] = weights[row]
        for before in range(row):
            share = row_factor[before, row]
            for column in range(len(target)):
                target[column] += share * errors[before, column]
        codes[row] = _round_row(target, column_factor, pivots, steps[row], bounds, levels, survivors)
        for column in range(len(target)):
            errors[row, column] = weights[row, column] - _level(codes[row, column], bounds, levels) * steps[row]
    return codes
