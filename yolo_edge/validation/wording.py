"""Figures in words, as people read them in a report: a unit, few digits, the interval beside."""

from __future__ import annotations

import math
from collections.abc import Callable

from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.validation.gate import METRICS, Check

NOTHING = "–"
"""Stands where nothing was measured."""

_KILOBYTE, _MEGABYTE = 1e3, 1e6
_LEAST = 0.01
"""Of per cent, pixels and degrees: smaller ones are no more than rounding."""

_MANY = 100_000
"""Photos: a check that needs so many is on its bound for all that can be told."""

Writer = Callable[[float], str]


def similarity(value: float) -> str:
    """Write an object keypoint similarity: 0.9871."""
    return f"{value:.4f}"


def percent(value: float) -> str:
    """Write a share as per cent, two digits of it: 12 %, 1.2 %, 0.12 %, <0.01 %."""
    return f"{_two_digits(100 * value)} %"


def points(value: float) -> str:
    """Write hundredths of an average precision: 0.41, −1.20."""
    return f"{value:.2f}".replace("-", "−")


def pixels(value: float) -> str:
    """Write a length in pixels: 3.2 px, <0.01 px."""
    return f"{_two_digits(value)} px"


def degrees(value: float) -> str:
    """Write an angle: 3.2°, <0.01°."""
    return f"{_two_digits(value)}°"


def factor(value: float) -> str:
    """Write a ratio: 1.05×."""
    return f"{value:.2f}×"


def size(value: float) -> str:
    """Write bytes: 1.43 MB, 913 kB, 12 B."""
    if value >= _MEGABYTE:
        return f"{value / _MEGABYTE:.2f} MB"
    return f"{value / _KILOBYTE:.0f} kB" if value >= _KILOBYTE else f"{value:.0f} B"


def seconds(value: float | None) -> str:
    """Write a time: 12.3 s, 0.41 s, 35 ms."""
    if value is None:
        return NOTHING
    if value >= 1:
        return f"{value:.1f} s"
    return f"{1000 * value:.0f} ms" if value >= 0.01 else f"{1000 * value:.1f} ms"


def number(value: float) -> str:
    """Write a number without a unit, however small: 3, 0.082, 3e-06."""
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"


def more_images(check: Check) -> str:
    """Write how many photos more a check needs, to two digits: about 35,000; empty where they would not help."""
    if check.more_images is None:
        return ""
    if check.more_images >= _MANY:
        return f"more than {_MANY:,}"
    return f"about {round(check.more_images, min(2 - len(str(check.more_images)), 0)):,}"


def _two_digits(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size < _LEAST:
        return f"<{_LEAST}"
    return f"{value:.{0 if size >= 9.95 else 1 if size >= 0.95 else 2}f}"


_WRITERS: dict[str, tuple[Writer, str]] = {
    "": (similarity, ""),
    "share": (percent, ""),
    "of body size": (percent, " of body size"),
    "degrees": (degrees, ""),
    "points": (points, " points"),
    "bytes": (size, ""),
    "x float32": (factor, " float32"),
    "input px": (pixels, ""),
    "tolerances": (number, " of the tolerance"),
}
"""Unit of a metric → how its figures are written, and what stands behind. Other units are counts, whose titles say of
what."""


def measured(check: Check) -> str:
    """Write what a check measured: 2.4 % of body size."""
    if check.figure is None:
        return "not measured"
    write, unit = _WRITERS.get(METRICS[check.metric].unit, (number, ""))
    return f"{figure(check.figure.value, write)}{unit}"


def spread(check: Check) -> str:
    """Write the interval of what a check measured: 1.7 % to 3.5 %; empty where there is none."""
    return interval(check.figure, _WRITERS.get(METRICS[check.metric].unit, (number, ""))[0])


def bound(check: Check) -> str:
    """Write what a check wants: at most 6 % of body size."""
    metric = METRICS[check.metric]
    if metric.side == "at most" and check.bound == 0:
        return "0"
    if metric.unit == "bytes":
        return f"{metric.side} {size(check.bound)}"
    is_share = metric.unit in ("share", "of body size")
    written = f"{100 * check.bound:.6g} %" if is_share else f"{check.bound:.6g}"
    unit = {"degrees": "°", "x float32": "× float32", "input px": " px"}.get(metric.unit)
    return f"{metric.side} {written}{_WRITERS.get(metric.unit, (number, ''))[1] if unit is None else unit}"


def title(check: Check) -> str:
    """Name what a check measures, with a capital."""
    text = METRICS[check.metric].title
    return text[:1].upper() + text[1:]


def figure(value: float | None, write: Writer = number) -> str:
    """Write a figure that may be missing, or no number: two runtimes whose outputs differ in shape, for instance."""
    if value is None:
        return NOTHING
    return write(value) if math.isfinite(value) else "no number"


def interval(estimate: Estimate | None, write: Writer = number) -> str:
    """Write the 95 % interval of a figure: 0.9811 to 0.9902; empty where it cannot be told from the figure."""
    if estimate is None:
        return ""
    low, value, high = (figure(number, write) for number in (estimate.low, estimate.value, estimate.high))
    return "" if low == value == high else f"{low} to {high}"
