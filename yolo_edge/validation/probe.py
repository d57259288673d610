"""A short look at a variant in one runtime: golden vectors, a handful of photos, and the clock.

What runs the whole set is one runtime; every other one is looked at here. A runtime that is missing, fails or hangs is
told of and takes nothing from the others' results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from yolo_edge.bundle.golden import Golden, worst_differences
from yolo_edge.errors import MissingComponentError, YoloEdgeError
from yolo_edge.pose.head import PoseHead
from yolo_edge.runtime.base import Runtime, Stopwatch
from yolo_edge.validation.candidate import Candidate
from yolo_edge.validation.result import RuntimeRun, Status
from yolo_edge.validation.timing import times_of

SECONDS = 30.0
"""After so many seconds one card and one photo must do: WebGPU computed on the CPU takes half a minute for each."""

_COMPARED_SCORE = 0.05
"""Detections below this are nobody's, and their coordinates are not compared."""

_QUICK_SECONDS = 30.0
"""A failure within so many seconds is tried once more: browsers crash now and then. One that took longer hung."""

Output = NDArray[np.float32]


@dataclass
class Expected:
    """What a runtime's outputs are compared with.

    Attributes:
        images: inputs, float32 ``[1, H, W, 3]``.
        outputs: the first runtime's outputs on them, as far as it has run.
        runtime: the first runtime's name; empty until it has run.
    """

    images: Sequence[Output]
    outputs: list[Output] = field(default_factory=list)
    runtime: str = ""


def probe(
    name: str,
    open_model: Callable[[], Runtime],
    candidate: Candidate,
    head: PoseHead,
    golden: Golden | None,
    expected: Expected,
    *,
    is_asked: bool,
) -> RuntimeRun:
    """Look at a variant in a runtime.

    Args:
        name: of the runtime.
        open_model: opens the variant in it.
        candidate: the variant.
        head: what its output means.
        golden: its golden vectors, where it has any.
        expected: inputs, and the first runtime's outputs; filled in by the first one that runs.
        is_asked: whether someone named this runtime: then that it is missing is a failure.
    """
    watch = Stopwatch()
    for may_try_again in (True, False):
        try:
            with open_model() as runtime:
                return _looked(name, runtime, candidate, head, golden, expected)
        except MissingComponentError as missing:
            status: Status = "failed" if is_asked else "skipped"
            return RuntimeRun(name, status, str(missing))
        except YoloEdgeError as failure:
            error = str(failure)
        if not may_try_again or watch.seconds > _QUICK_SECONDS:
            break
    return RuntimeRun(name, "failed", error)


def _looked(
    name: str, runtime: Runtime, candidate: Candidate, head: PoseHead, golden: Golden | None, expected: Expected
) -> RuntimeRun:
    watch, warming = Stopwatch(), runtime.timings.first_run or 0.0

    def in_time(inputs: Iterable[Output]) -> list[Output]:
        outputs: list[Output] = []
        for images in inputs:
            if outputs and watch.seconds + warming > SECONDS:
                break
            outputs.append(runtime.run(images))
        return outputs

    excess = _vector_excess(in_time, candidate, golden)
    outputs = in_time(expected.images)
    pixels = score = None
    if not expected.runtime:
        expected.runtime, expected.outputs = name, outputs
    else:
        pairs = list(zip(outputs, expected.outputs, strict=False))
        apart = [_apart(output, other, head) for output, other in pairs]
        if apart:
            pixels, score = (max(values) for values in zip(*apart, strict=True))
    return RuntimeRun(
        runtime=name,
        status="ok",
        compared=len(outputs) if pixels is not None else 0,
        pixels=pixels,
        score=score,
        vector_excess=excess,
        times=times_of(runtime.timings),
        facts={key: value for key, value in getattr(runtime, "facts", {}).items() if key in ("adapter", "versions")},
    )


def _vector_excess(
    run: Callable[[Iterable[Output]], list[Output]], candidate: Candidate, golden: Golden | None
) -> float | None:
    if golden is None or candidate.manifest is None:
        return None
    contract = candidate.manifest.contract
    height, width = contract.input.shape[1:3]
    outputs = run(vector.card.images((height, width)) for vector in golden.vectors)
    looked_at = golden.model_copy(update={"vectors": golden.vectors[: len(outputs)]})
    differences = worst_differences(looked_at, outputs, contract.output)
    return max(
        (entry.worst / entry.tolerance if entry.tolerance else (0.0 if entry.passed else np.inf))
        for entry in differences
    )


def _apart(output: Output, other: Output, head: PoseHead) -> tuple[float, float]:
    """Largest difference in pixels and in score of what the first runtime's output holds above a low score."""
    if output.shape != other.shape:
        return float("inf"), float("inf")
    one, two = (value[0] if head.layout == "raw" else value[0].T for value in (output, other))
    classes = len(head.classes)
    first = 4 + classes if head.layout == "raw" else 6
    scores = two[4 : 4 + classes].max(axis=0) if head.layout == "raw" else two[4]
    chosen = scores > min(_COMPARED_SCORE, float(scores.max()))
    apart = np.abs(one.astype(np.float64) - two)
    keypoints = apart[first:].reshape(head.keypoint_count, head.keypoint_dimensions, -1)
    share = float(apart[4 : 5 if head.layout != "raw" else 4 + classes].max())
    if head.keypoint_dimensions == 3:
        share = max(share, float(keypoints[:, 2][:, chosen].max(initial=0.0)))
    pixels = max(float(apart[:4][:, chosen].max(initial=0.0)), float(keypoints[:, :2][:, :, chosen].max(initial=0.0)))
    return (pixels, share) if np.isfinite([pixels, share]).all() else (float("inf"), float("inf"))
