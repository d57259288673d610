"""Frame times: what a prediction takes, side by side in Node, and as a multiple of one model's."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolo_edge.runtime.base import RUNTIMES
from yolo_edge.speed.contender import Contender
from yolo_edge.speed.lane import Track
from yolo_edge.speed.measurement import Figures, Measurement, median_ratio, require_some
from yolo_edge.speed.race import prepare_lab, race

BACKEND = "node"
DEFAULT_ROUNDS = 10

MOST_LANES = 8
"""Models that are loaded at a time, the reference among them: each is a process of some 200 MB at 640 px."""


@dataclass(frozen=True)
class FrameTime:
    """What a prediction takes.

    Attributes:
        milliseconds: median of the turns, from values in JavaScript memory to the output there.
        ratio: median of the turns' ratios to the reference.
    """

    milliseconds: float
    ratio: float


def take_frame_times(
    reference: Contender, others: Sequence[Contender], photo: NDArray[np.uint8], *, rounds: int = DEFAULT_ROUNDS
) -> tuple[FrameTime, ...]:
    """Race models in Node, in heats of :data:`MOST_LANES`, each with the reference.

    Args:
        reference: what the others are compared with, whatever its input size.
        others: the other models.
        photo: what is looked at, uint8 RGB ``[H, W, 3]``.
        rounds: turns that count, of each model.

    Returns:
        The reference's time, then those of the others in their order.

    Raises:
        UsageError: there are no rounds.
        MissingComponentError: Node or TensorFlow.js is not there.
        NetworkError: TensorFlow.js is not in the cache and npm cannot fetch it.
        ModelError: a model cannot be loaded or run.
    """
    require_some("--rounds", rounds)
    times: list[FrameTime] = []
    size = MOST_LANES - 1
    for start in range(0, max(len(others), 1), size):
        first, *rows = _heat((reference, *others[start : start + size]), photo, rounds)
        if not times:
            times.append(FrameTime(first.median, 1.0))
        times += [FrameTime(row.median, median_ratio(row.frame_milliseconds, first.frame_milliseconds)) for row in rows]
    return tuple(times)


def _heat(contenders: Sequence[Contender], photo: NDArray[np.uint8], rounds: int) -> list[Figures]:
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
        lab = Path(scratch)
        prepare_lab(lab, photo, contenders)
        track = Track(lab=lab, photo_size=(photo.shape[0], photo.shape[1]))
        return [_figures(row) for row in race(RUNTIMES[BACKEND], contenders, track, rounds=rounds)]


def _figures(row: Measurement) -> Figures:
    if row.figures is None:
        assert row.problem is not None, "a row without figures says why"
        raise row.problem
    return row.figures
