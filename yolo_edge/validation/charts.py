"""Geometry of the pictures in a report: a bound and an interval, keypoints on a body, bars. Templates draw it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from yolo_edge.pose.skeleton import COCO_BONES, COCO_KEYPOINT_NAMES
from yolo_edge.validation.agreement import Displacement
from yolo_edge.validation.gate import METRICS, Check

_MARGIN = 0.15
"""Room left and right of what an interval bar shows, as a share of it."""

_LEAST_TOP = 0.01
"""Of body size: the highest step of a scale is at least this, so that rounding errors do not look like damage."""

_SMALLEST_DOT, _LARGEST_DOT = 4.5, 11.0
STEPS = 5
"""Colours of a scale, from light to dark."""

_NICE = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)

_BODY: dict[str, tuple[float, float]] = {
    "nose": (120, 62),
    "left_eye": (136, 46),
    "right_eye": (104, 46),
    "left_ear": (156, 58),
    "right_ear": (84, 58),
    "left_shoulder": (164, 128),
    "right_shoulder": (76, 128),
    "left_elbow": (189, 185),
    "right_elbow": (51, 185),
    "left_wrist": (206, 243),
    "right_wrist": (34, 243),
    "left_hip": (145, 238),
    "right_hip": (95, 238),
    "left_knee": (150, 318),
    "right_knee": (90, 318),
    "left_ankle": (153, 396),
    "right_ankle": (87, 396),
}
"""A person who faces the reader, in a picture of 240 x 424: the person's left side is on the reader's right."""


@dataclass(frozen=True)
class IntervalBar:
    """A figure, its interval and its bound, all in per cent of the bar's width.

    Attributes:
        value: the figure.
        low: lower end of its interval.
        high: upper end.
        bound: what it must keep.
        good_from: where the side begins that keeps the bound.
        good_to: where it ends.
    """

    value: float
    low: float
    high: float
    bound: float
    good_from: float
    good_to: float


def interval_bar(check: Check) -> IntervalBar | None:
    """Lay out a check; None where there is no interval to show."""
    figure = check.figure
    if figure is None or not all(map(math.isfinite, (figure.value, figure.low, figure.high))):
        return None
    if figure.low == figure.high:
        return None
    low, high = min(figure.low, check.bound), max(figure.high, check.bound)
    start, width = low - _MARGIN * (high - low), (1 + 2 * _MARGIN) * (high - low)

    def place(value: float) -> float:
        return round(100 * (value - start) / width, 2)

    bound = place(check.bound)
    good = (0.0, bound) if METRICS[check.metric].side == "at most" else (bound, 100.0)
    return IntervalBar(place(figure.value), place(figure.low), place(figure.high), bound, *good)


@dataclass(frozen=True)
class Scale:
    """Steps of displacement, the same for all variants of a report so that they can be compared.

    Attributes:
        top: upper end of the highest step, share of body size.
    """

    top: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """Choose a scale whose highest step ends at a round number no value exceeds."""
        highest = max([*values, _LEAST_TOP])
        power = 10.0 ** math.floor(math.log10(highest))
        return cls(next(nice * power for nice in _NICE if nice * power >= highest * (1 - 1e-9)))

    def step(self, value: float) -> int:
        """Return the step of a value, 0 for the lowest."""
        return max(0, min(STEPS - 1, math.ceil(STEPS * value / self.top - 1e-9) - 1))

    def share(self, value: float) -> float:
        """Return a value as a share of the scale, 0-1."""
        return max(0.0, min(1.0, value / self.top))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper end of each step, share of body size."""
        return tuple((self.top * step / STEPS, self.top * (step + 1) / STEPS) for step in range(STEPS))


@dataclass(frozen=True)
class Dot:
    """A keypoint on the body; sizes in units of the picture.

    Attributes:
        name: of the keypoint.
        x: from the left.
        y: from the top.
        radius: of the circle.
        step: of the scale; None for a keypoint that was never seen.
        value: displacement, share of body size; None for one that was never seen.
    """

    name: str
    x: float
    y: float
    radius: float
    step: int | None
    value: float | None


def body_dots(keypoints: Sequence[Displacement], scale: Scale) -> tuple[Dot, ...]:
    """Lay out the 95th percentile of each keypoint's displacement on a body.

    Args:
        keypoints: of COCO's 17; those that are missing were never seen.
        scale: shared by all variants.
    """
    measured = {part.name: part.body_p95.value for part in keypoints}
    dots = []
    for name in COCO_KEYPOINT_NAMES:
        x, y = _BODY[name]
        value = measured.get(name)
        if value is None:
            dots.append(Dot(name, x, y, _SMALLEST_DOT, None, None))
        else:
            radius = _SMALLEST_DOT + (_LARGEST_DOT - _SMALLEST_DOT) * math.sqrt(scale.share(value))
            dots.append(Dot(name, x, y, round(radius, 2), scale.step(value), value))
    return tuple(dots)


def body_lines() -> tuple[tuple[float, float, float, float], ...]:
    """Return the bones below the neck, x1, y1, x2, y2 each."""
    named = [(COCO_KEYPOINT_NAMES[first], COCO_KEYPOINT_NAMES[last]) for first, last in COCO_BONES]
    face = ("nose", "eye", "ear")
    return tuple((*_BODY[a], *_BODY[b]) for a, b in named if not (a.endswith(face) or b.endswith(face)))


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        name: of the keypoint.
        value: displacement, share of body size.
        width: of the bar, per cent of the longest that can be.
        step: of the scale.
    """

    name: str
    value: float
    width: float
    step: int


def bars(keypoints: Sequence[Displacement], scale: Scale) -> tuple[Bar, ...]:
    """Lay out the 95th percentile of each keypoint's displacement as bars, for keypoint sets that are no body."""
    return tuple(
        Bar(part.name, part.body_p95.value, round(100 * scale.share(part.body_p95.value), 1), scale.step(value))
        for part in keypoints
        for value in (part.body_p95.value,)
    )
