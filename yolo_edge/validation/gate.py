"""A gate: bounds that a variant must keep, and what the figures say about each.

A verdict is taken from a figure's 95 % interval, not from its point: *pass* where the whole interval keeps the bound,
*fail* where the whole interval breaks it, else *inconclusive*, with the number of images that would tell. An interval
shrinks with the square root of the number of images, so ``n`` images whose interval reaches ``h`` beyond a point that
is ``g`` from the bound must become ``n · (h / g)²``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from yolo_edge.errors import UsageError
from yolo_edge.validation.bootstrap import Estimate

Verdict = Literal["pass", "fail", "inconclusive"]
Side = Literal["at most", "at least"]

_MOST_IMAGES = 100_000
"""Where more would be needed, the figure is on its bound for all that can be told."""


@dataclass(frozen=True)
class Metric:
    """Something that can be bounded.

    Attributes:
        name: as recipes write it.
        side: on which side of the bound a good figure lies.
        unit: of figure and bound.
        title: for people.
        wants_images: whether more images make it surer.
        may_be_negative: whether a variant can be better than the float model.
    """

    name: str
    side: Side
    unit: str
    title: str
    wants_images: bool = True
    may_be_negative: bool = False

    @property
    def is_share(self) -> bool:
        """Whether figures are shares, which people read as percent."""
        return self.unit in ("share", "of body size")

    def written(self, value: float) -> str:
        """Return a figure or bound for people: shares in percent, bytes with separators."""
        if self.is_share:
            return f"{100 * value:.3g} %"
        return f"{value:,.0f}" if self.unit == "bytes" else f"{value:.4g}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mean_oks", "at least", "", "mean keypoint similarity (OKS) to the float model"),
        Metric("oks_p5", "at least", "", "OKS of the worst twentieth of persons"),
        Metric("lost_share", "at most", "share", "persons lost"),
        Metric("invented_share", "at most", "share", "persons invented"),
        Metric("displacement_p95", "at most", "of body size", "keypoint displacement, 95th percentile"),
        Metric("keypoint_p95", "at most", "of body size", "displacement of the worst keypoint, 95th percentile"),
        Metric("score_change", "at most", "", "mean change of a person's score"),
        Metric("angle_p95", "at most", "degrees", "error of joint angles, 95th percentile"),
        Metric("ap_loss", "at most", "points", "loss of OKS AP on labels", may_be_negative=True),
        Metric("repetition_errors", "at most", "repetitions", "repetitions miscounted on clips"),
        Metric("wire_bytes", "at most", "bytes", "bytes on the wire"),
        Metric("first_predict_ratio", "at most", "x float32", "time of the first prediction", False),
        Metric("steady_ratio", "at most", "x float32", "time of a frame", False),
        Metric("runtime_pixels", "at most", "input px", "difference of any runtime from the first"),
        Metric("vector_excess", "at most", "tolerances", "golden vectors, worst difference"),
        Metric("integrity", "at most", "files", "files that are not the manifest's"),
        Metric("contract", "at most", "fields", "fields of the decode contract that are not the float model's"),
        Metric("failed_runtimes", "at most", "runtimes", "runtimes that could not run it"),
    )
}

_ALWAYS = {"integrity": 0.0, "contract": 0.0, "failed_runtimes": 0.0, "vector_excess": 1.0, "runtime_pixels": 0.1}
_QUANTIZED = {
    "lost_share": 0.03,
    "invented_share": 0.04,
    "repetition_errors": 0.0,
    "steady_ratio": 1.2,
} | _ALWAYS

DEFAULT_LIMITS: dict[str, dict[str, float]] = {
    "float32": {
        "mean_oks": 0.9999,
        "lost_share": 0.0,
        "invented_share": 0.0,
        "displacement_p95": 0.001,
        "ap_loss": 0.05,
        "repetition_errors": 0.0,
    }
    | _ALWAYS,
    "float16": {
        "mean_oks": 0.999,
        "lost_share": 0.0,
        "invented_share": 0.01,
        "displacement_p95": 0.005,
        "ap_loss": 0.3,
        "repetition_errors": 0.0,
    }
    | _ALWAYS,
    "int8": {"mean_oks": 0.98, "displacement_p95": 0.06, "angle_p95": 12.0, "ap_loss": 1.0} | _QUANTIZED,
    "rd": {"mean_oks": 0.95, "displacement_p95": 0.12, "angle_p95": 20.0, "ap_loss": 2.0} | _QUANTIZED,
    "int4": {"mean_oks": 0.93, "displacement_p95": 0.15, "angle_p95": 22.0, "ap_loss": 2.5} | _QUANTIZED,
}
"""Scheme → what a variant of it must keep where a recipe says nothing else."""


@dataclass(frozen=True)
class Check:
    """One bound and what was measured.

    Attributes:
        metric: a name of :data:`METRICS`.
        bound: what the figure must keep.
        figure: what was measured; None if nothing could be.
        verdict: of this check.
        more_images: about how many images more an inconclusive check needs; None where images do not help.
        note: what else is to be said: which runtime failed, why nothing was measured.
    """

    metric: str
    bound: float
    figure: Estimate | None
    verdict: Verdict
    more_images: int | None = None
    note: str = ""

    def sentence(self) -> str:
        """Return the check in words."""
        metric = METRICS[self.metric]
        unit = "" if metric.is_share and metric.unit == "share" else metric.unit
        allowed = f"{metric.side} {metric.written(self.bound)} {unit.removesuffix('s') if self.bound == 1 else unit}"
        must_be_none = metric.side == "at most" and self.bound == 0 and not metric.may_be_negative
        text = f"{metric.title}: {'must be 0' if must_be_none else allowed.rstrip()}"
        if self.figure is not None:
            text += f", measured {metric.written(self.figure.value)}"
            if self.figure.low != self.figure.high:
                text += f" ({metric.written(self.figure.low)} to {metric.written(self.figure.high)})"
        if self.more_images is not None:
            amount = (
                f"more than {_MOST_IMAGES:,}" if self.more_images >= _MOST_IMAGES else f"about {self.more_images:,}"
            )
            text += f"; needs {amount} more images"
        return f"{text}. {self.note}".strip()


def exact(value: float) -> Estimate:
    """Return a figure that is known and not estimated."""
    return Estimate(value, value, value, 1)


def limits_for(scheme: str, recipe: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the bounds for a scheme: the defaults, and a recipe's in their place.

    Raises:
        UsageError: the recipe bounds something that is not measured.
    """
    unknown = sorted(set(recipe or ()) - set(METRICS))
    if unknown:
        raise UsageError(
            f"The gate bounds {', '.join(unknown)}, which nothing measures.", fix=f"Bound: {', '.join(METRICS)}."
        )
    return {**DEFAULT_LIMITS.get(scheme, DEFAULT_LIMITS["int8"]), **(recipe or {})}


def check_limits(
    limits: Mapping[str, float],
    figures: Mapping[str, Estimate | None],
    images: int,
    *,
    asked: Iterable[str] = (),
    notes: Mapping[str, str] | None = None,
) -> tuple[Check, ...]:
    """Hold figures against bounds.

    Args:
        limits: metric → bound.
        figures: metric → what was measured; None or absent where nothing was.
        images: how many images the figures are of.
        asked: metrics that a recipe bounds: where they were not measured the check is inconclusive; a default bound
            without a figure is left out.
        notes: metric → what to say beside it.
    """
    checks = []
    for name, metric in METRICS.items():
        if name not in limits:
            continue
        figure, note = figures.get(name), (notes or {}).get(name, "")
        if figure is not None:
            checks.append(_check(metric, limits[name], figure, images, note))
        elif name in asked:
            checks.append(Check(name, limits[name], None, "inconclusive", note=note or "It was not measured."))
    return tuple(checks)


def _check(metric: Metric, bound: float, figure: Estimate, images: int, note: str) -> Check:
    sign = 1.0 if metric.side == "at most" else -1.0
    best, worst = sorted((sign * figure.low, sign * figure.high))
    if worst <= sign * bound:
        return Check(metric.name, bound, figure, "pass", note=note)
    if best > sign * bound:
        return Check(metric.name, bound, figure, "fail", note=note)
    if not metric.wants_images:
        return Check(metric.name, bound, figure, "inconclusive", note=note or "Take it again on a quiet machine.")
    gap = sign * (bound - figure.value)
    reach = worst - sign * figure.value if gap > 0 else sign * figure.value - best
    factor = (reach / gap) ** 2 if abs(gap) * _MOST_IMAGES > reach else math.inf
    more = min(images * (factor - 1), _MOST_IMAGES)
    return Check(metric.name, bound, figure, "inconclusive", max(1, math.ceil(more)), note)


def overall(checks: Iterable[Check]) -> Verdict:
    """Return the verdict of several checks: the worst of them; without any check nothing is known."""
    verdicts = {check.verdict for check in checks}
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts or not verdicts else "pass"


_ADVICE_OF_WRONG_BYTES = {
    "integrity": "Convert or fetch the model again.",
    "contract": "Name the weights that it was made from (--reference), or convert those that it is compared with.",
    "vector_excess": "Convert the model again, or leave out the runtime that computes something else.",
    "runtime_pixels": "Convert the model again, or leave out the runtime that computes something else.",
    "failed_runtimes": "Mend the runtime that failed, or leave it out.",
}
_ADVICE = {
    "wire_bytes": "Quantize with fewer bytes, or move the bound.",
    "first_predict_ratio": "Take the times again on a quiet machine, or move the bound.",
    "steady_ratio": "Take the times again on a quiet machine, or move the bound.",
}
_ADVICE_OF_QUALITY = "Quantize with more bytes or better photos, or move the bound."
_ADVICE_OF_SIZE_AND_QUALITY = "So few bytes do not allow this quality: move one of the bounds, or bring better photos."


def advice(metrics: Iterable[str]) -> str:
    """Say what to do about broken bounds; where the bytes are wrong ones, figures of quality say nothing more.

    Args:
        metrics: whose bounds are broken.
    """
    broken = set(metrics)
    for metric, text in _ADVICE_OF_WRONG_BYTES.items():
        if metric in broken:
            return text
    texts = dict.fromkeys(_ADVICE.get(metric, _ADVICE_OF_QUALITY) for metric in METRICS if metric in broken)
    opposed = (_ADVICE_OF_QUALITY, _ADVICE["wire_bytes"])
    if all(text in texts for text in opposed):
        return " ".join([_ADVICE_OF_SIZE_AND_QUALITY, *(text for text in texts if text not in opposed)])
    return " ".join(texts)


def check_to_json(check: Check) -> dict[str, Any]:
    """Return a check as JSON-ready values."""
    metric = METRICS[check.metric]
    return {
        "metric": check.metric,
        "verdict": check.verdict,
        "side": metric.side,
        "bound": check.bound,
        "unit": metric.unit,
        "figure": check.figure.to_json() if check.figure else None,
        "more_images": check.more_images,
        "note": check.note,
        "sentence": check.sentence(),
    }
