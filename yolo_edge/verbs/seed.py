"""The seed that several verbs take."""

from __future__ import annotations

from yolo_edge.errors import UsageError


def check_seed(seed: int) -> int:
    """Return a seed unchanged.

    Raises:
        UsageError: it is negative, which the generators of random numbers do not take.
    """
    if seed < 0:
        raise UsageError(f"--seed {seed} is negative.", fix="Give 0 or more.")
    return seed
