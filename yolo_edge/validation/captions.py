"""Captions of marks in a chart: each beside its own mark, and on nothing else as far as there is room.

All lengths are points (1/72 inch), so that a picture of any resolution has its captions in the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

_MARK, _BAR = 3.5, 2.0  # half of what a mark and the bar of an interval measure
_GAPS = (3.0, 8.0, 14.0)  # between a caption and what it stands beside
_AIR = 1.0  # around a caption
_FONT_SIZE = 9
_ON_SOMETHING = 1000.0  # costs; the cheapest place is taken
_NEAR_ANOTHER, _ON_A_LINE, _OUTER_GAP, _LATER_SIDE = 60.0, 4.0, 12.0, 1.0
_CLEARLY = 4.0  # how much nearer to its own mark than to another one a caption should be
_LINE_STEP = 2.0
_ORDERS, _ROUNDS = 40, 8


@dataclass(frozen=True)
class Caption:
    """A text that belongs to a mark.

    Attributes:
        annotation: the text, anchored to the mark.
        low: lower end of the mark's bar, in data; None where it has none.
        high: upper end.
    """

    annotation: Annotation
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, x: float, bottom: float, top: float, reach: float) -> _Box:
        return cls(x - reach, bottom - reach, x + reach, top + reach)

    def distance(self, other: _Box) -> float:
        across = max(other.left - self.right, self.left - other.right, 0.0)
        along = max(other.bottom - self.top, self.bottom - other.top, 0.0)
        return float(np.hypot(across, along))

    def meets(self, other: _Box) -> bool:
        return self.distance(other) < _AIR

    def holds(self, other: _Box) -> bool:
        return (
            self.left <= other.left
            and self.right >= other.right
            and self.bottom <= other.bottom
            and self.top >= other.top
        )


@dataclass(frozen=True)
class _Mark:
    """A mark on the page, and what its caption measures."""

    x: float
    y: float
    parts: tuple[_Box, ...]
    width: float
    height: float


def add_caption(
    panel: Axes, text: str, place: tuple[float, float], colour: str, bar: tuple[float, float] | None = None
) -> Caption:
    """Write a caption; :func:`settle_captions` finds its place once the panel has its own.

    Args:
        panel: where the mark is.
        text: of the caption.
        place: of the mark, in data.
        colour: of the text.
        bar: lower and upper end of the mark's bar, in data.
    """
    annotation = panel.annotate(
        text,
        place,
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=_FONT_SIZE,
        color=colour,
        zorder=4,
        annotation_clip=False,
    )
    annotation.set_in_layout(False)  # else the panel would have another size once its captions have moved
    return Caption(annotation, *(bar or (None, None)))


def settle_captions(panel: Axes, captions: Sequence[Caption]) -> None:
    """Move each caption of a panel to the best place beside its mark; the figure is laid out, and keeps its layout.

    Args:
        panel: whose axes have their limits.
        captions: all of the panel.
    """
    scale = 72 / panel.figure.dpi
    marks = [_on_page(panel, caption, scale) for caption in captions]
    frame = _in_points(panel.get_window_extent(), scale)
    legend = panel.get_legend()
    taken = [] if legend is None else [_in_points(legend.get_window_extent(), scale)]
    lines = _line_points(panel, scale)
    choices = [list(_choices(mark)) for mark in marks]
    costs = []
    for index, mark in enumerate(marks):
        others = [other for number, other in enumerate(marks) if number != index]
        costs.append([cost + _cost(box, mark, others, taken, lines, frame) for cost, box in choices[index]])
    boxes = [[box for _, box in of_one] for of_one in choices]
    for caption, mark, index, of_one in zip(captions, marks, _cheapest(costs, boxes), boxes, strict=True):
        caption.annotation.set(ha="left", va="bottom")
        caption.annotation.xyann = (of_one[index].left - mark.x, of_one[index].bottom - mark.y)


def _cheapest(costs: Sequence[Sequence[float]], boxes: Sequence[Sequence[_Box]]) -> list[int]:
    """Choose a box for each caption, so that few meet and all together cost little.

    One caption after another takes its best place beside those that have one, until none moves; the order decides
    where that ends, so several orders are tried.
    """
    alone = np.array(costs)
    edges = np.array([[(box.left, box.bottom, box.right, box.top) for box in of_one] for of_one in boxes])
    low, high = edges[..., :2], edges[..., 2:] + _AIR
    count, random = len(costs), np.random.default_rng(0)
    best, least = np.zeros(count, int), np.inf
    for _ in range(_ORDERS):
        chosen = np.full(count, -1)
        for _ in range(_ROUNDS):
            before = chosen.copy()
            for index in random.permutation(count):
                placed = np.flatnonzero((chosen >= 0) & (np.arange(count) != index))
                theirs = (placed, chosen[placed])
                meets = (low[index][:, None] < high[theirs]) & (low[theirs] < high[index][:, None])
                chosen[index] = np.argmin(alone[index] + _ON_SOMETHING * meets.all(axis=2).sum(axis=1))
            if (chosen == before).all():
                break
        low_now, high_now = low[np.arange(count), chosen], high[np.arange(count), chosen]
        meets = (low_now[:, None] < high_now) & (low_now < high_now[:, None])
        total = alone[np.arange(count), chosen].sum() + _ON_SOMETHING * (meets.all(axis=2).sum() - count) / 2
        if total < least:
            best, least = chosen, total
    return [int(index) for index in best]


def _on_page(panel: Axes, caption: Caption, scale: float) -> _Mark:
    x_data, y_data = caption.annotation.xy
    x, y = scale * panel.transData.transform((x_data, y_data))
    parts = [_Box.around(x, y, y, _MARK)]
    if caption.low is not None and caption.high is not None:
        ends = scale * panel.transData.transform([(x_data, caption.low), (x_data, caption.high)])[:, 1]
        parts.append(_Box(x - _BAR, ends[0], x + _BAR, ends[1]))
    extent = caption.annotation.get_window_extent()
    return _Mark(float(x), float(y), tuple(parts), scale * extent.width, scale * extent.height)


def _in_points(extent: BboxBase, scale: float) -> _Box:
    return _Box(scale * extent.x0, scale * extent.y0, scale * extent.x1, scale * extent.y1)


def _line_points(panel: Axes, scale: float) -> NDArray[np.float64]:
    """Points along the curves of a panel, close to one another."""
    found = [np.empty((0, 2))]
    for line in panel.get_lines():
        for start, end in pairwise(scale * line.get_transform().transform(line.get_xydata())):
            steps = max(int(np.hypot(*(end - start)) / _LINE_STEP), 1)
            found.append(start + np.linspace(0, 1, steps + 1)[:, None] * (end - start))
    return np.concatenate(found)


def _choices(mark: _Mark) -> Iterator[tuple[float, _Box]]:
    """Places beside the mark, then above and below its bar; and what each costs of itself."""
    width, height = mark.width, mark.height
    for ring, gap in enumerate(_GAPS):
        right, left = mark.x + _MARK + gap, mark.x - _MARK - gap - width
        above, below = mark.y + _MARK + gap, mark.y - _MARK - gap - height
        corners = [(right, mark.y - height / 2), (right, mark.y), (right, mark.y - height)]
        corners += [(mark.x - width / 2, above), (mark.x - width / 2, below)]
        corners += [(right - gap, above - gap), (right - gap, below + gap), (left + gap, above - gap)]
        corners += [(left + gap, below + gap), (left, mark.y - height / 2)]
        for bar in mark.parts[1:]:
            sides = (mark.x - width / 2, mark.x - _BAR, mark.x + _BAR - width)
            corners += [(x, y) for y in (bar.top + gap, bar.bottom - gap - height) for x in sides]
        for side, (x, y) in enumerate(corners):
            yield _OUTER_GAP * ring + _LATER_SIDE * side, _Box(x, y, x + width, y + height)


def _cost(
    box: _Box, mark: _Mark, others: Sequence[_Mark], texts: Sequence[_Box], lines: NDArray[np.float64], frame: _Box
) -> float:
    hit = sum(box.meets(part) for owner in (mark, *others) for part in owner.parts)
    hit += sum(box.meets(text) for text in texts) + (not frame.holds(box))
    own = min(box.distance(part) for part in mark.parts)
    nearest = min((box.distance(part) for other in others for part in other.parts), default=np.inf)
    crowded = max(0.0, own + _CLEARLY - nearest) / _CLEARLY
    inside = (lines > (box.left, box.bottom)) & (lines < (box.right, box.top))
    return _ON_SOMETHING * hit + _NEAR_ANOTHER * crowded + _ON_A_LINE * int(inside.all(axis=1).sum())
