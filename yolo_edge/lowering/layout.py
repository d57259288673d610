"""Which physical order a tensor's dimensions have.

ONNX thinks in NCHW, TF.js runs NHWC. Instead of transposing back and forth, each value carries a permutation:
physical dimension ``i`` holds logical (ONNX) dimension ``permutation[i]``. An image tensor is ``(0, 2, 3, 1)``.
"""

from __future__ import annotations

from collections.abc import Sequence

Permutation = tuple[int, ...]

NHWC: Permutation = (0, 2, 3, 1)


def identity(rank: int) -> Permutation:
    """Return the permutation of a tensor stored in its logical order."""
    return tuple(range(rank))


def inverse(permutation: Sequence[int]) -> Permutation:
    """Return the permutation that undoes ``permutation``."""
    result = [0] * len(permutation)
    for position, dimension in enumerate(permutation):
        result[dimension] = position
    return tuple(result)


def physical(shape: Sequence[int], permutation: Permutation) -> tuple[int, ...]:
    """Return the physical shape of a logical shape."""
    return tuple(shape[dimension] for dimension in permutation)


def is_reshape(shape: Sequence[int], source: Permutation, target: Permutation) -> bool:
    """Tell whether going from one layout to another moves no data (only dimensions of size 1 change places)."""
    return [d for d in source if shape[d] != 1] == [d for d in target if shape[d] != 1]


def reshaped(source: Sequence[int], target: Sequence[int], permutation: Permutation) -> Permutation | None:
    """Find the layout in which a logical reshape is a physical reshape of a permuted tensor.

    Both logical shapes are cut into the smallest runs of dimensions with equal products; a plain reshape is right if
    the permutation keeps each run's dimensions together and in order.

    Args:
        source: logical shape before.
        target: logical shape after.
        permutation: layout before.

    Returns:
        The layout after, or None when data has to move.
    """
    runs = _runs(source, target)
    run_of = {dimension: index for index, (before, _) in enumerate(runs) for dimension in before}
    stored = [dimension for dimension in permutation if source[dimension] != 1]
    order: list[int] = []
    for dimension in stored:
        if order and order[-1] == run_of[dimension]:
            continue
        if run_of[dimension] in order:
            return None
        order.append(run_of[dimension])
    for run in order:
        dimensions = [dimension for dimension in stored if run_of[dimension] == run]
        if dimensions != sorted(dimensions):
            return None
    ones = [index for index in range(len(runs)) if index not in order]
    # A channel of size 1 that lies last stays last: what it is joined with has its channels there.
    behind = permutation[permutation.index(stored[-1]) + 1 :] if stored else ()
    last = [run for run in ones if runs[run][0] and set(runs[run][0]) <= set(behind)]
    first = [run for run in ones if run not in last]
    return tuple(dimension for run in first + order + last for dimension in runs[run][1])


def _runs(source: Sequence[int], target: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Cut two shapes of equal size into pairs of runs with equal products."""
    runs: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(source) or j < len(target):
        before, after, left, right = [], [], 1, 1
        if i < len(source):
            before.append(i)
            left *= source[i]
            i += 1
        if j < len(target):
            after.append(j)
            right *= target[j]
            j += 1
        while left != right:
            if left < right:
                before.append(i)
                left *= source[i]
                i += 1
            else:
                after.append(j)
                right *= target[j]
                j += 1
        runs.append((before, after))
    return runs
