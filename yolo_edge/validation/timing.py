"""What a variant costs in time, beside the float model in the same run.

Both models run turn by turn on the same input, so that what slows the machine slows them alike; the ratio of each turn
is one observation, and its median is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolo_edge.runtime.base import Runtime, Timings, open_runtime
from yolo_edge.validation.bootstrap import Estimate, Resamples

TURNS = 8
_SETTLING = 2
"""Turns that are not counted: the first ones after a load fill caches."""


@dataclass(frozen=True)
class Times:
    """Wall seconds of one model in one runtime.

    Attributes:
        load: until the model is ready to warm up.
        first_predict: the first prediction: shader compilation, weights decoded by an initializer graph.
        frame: median of a prediction since; None where none was made.
    """

    load: float
    first_predict: float | None
    frame: float | None


@dataclass(frozen=True)
class TimeRatios:
    """A variant's times over the float model's.

    Attributes:
        runtime: where they were taken.
        variant: seconds of the variant.
        reference: seconds of the float model.
        first_predict: ratio; one observation.
        frame: median of the turns' ratios.
    """

    runtime: str
    variant: Times
    reference: Times
    first_predict: Estimate | None
    frame: Estimate


def times_of(timings: Timings) -> Times:
    """Sum up what a runtime's clock says."""
    return Times(timings.load, timings.first_run, float(np.median(timings.runs)) if timings.runs else None)


def measure_ratios(
    runtime: str,
    variant: Path,
    reference: Path,
    images: NDArray[np.float32],
    *,
    turns: int = TURNS,
    open_model: Callable[[str, Path], Runtime] = open_runtime,
) -> TimeRatios:
    """Time two converted directories against each other.

    Args:
        runtime: a name of :data:`yolo_edge.runtime.base.RUNTIMES` that runs directories.
        variant: the one to judge.
        reference: the float32 one.
        images: float32 ``[1, H, W, 3]`` for both.
        turns: how often each runs; more in, less noise.
        open_model: opens a directory in a runtime.

    Raises:
        ModelError: one cannot be run.
    """
    with ExitStack() as stack:
        pair = [stack.enter_context(open_model(runtime, directory)) for directory in (variant, reference)]
        for _ in range(turns + _SETTLING):
            for model in pair:
                model.run(images)
        runs = [np.array(model.timings.runs[_SETTLING:]) for model in pair]
        ours, theirs = (times_of(model.timings) for model in pair)
    ratios = runs[0] / runs[1]
    draws = Resamples(len(ratios), seed=0)
    frame = draws.quantile(ratios, np.arange(len(ratios)), 0.5)
    assert frame is not None
    first = None
    if ours.first_predict and theirs.first_predict:
        value = ours.first_predict / theirs.first_predict
        first = Estimate(value, value, value, 1)
    return TimeRatios(runtime, ours, theirs, first, frame)
