"""Captions of marks in a chart: each beside its own mark, and on nothing else as far as there is room.

All lengths are points (1/72 inch), so that a picture of any resolution has its captions in the same places.

Of the libraries that do such, adjustText 1.4 leaves captions on the bars of intervals, and textalloc 1.2 puts some
nearer to another mark than to their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox, Transform

_MARK, _BAR = 3.5, 2.0  # half of what a mark and the bar of an interval measure
_GAPS = (3.0, 8.0, 14.0)  # between a caption and what it stands beside
_BESIDE = ((1, 0.5), (1, 0.73), (1, 0.27), (0.5, 1), (0.5, 0), (0, 0.5))
_CORNERS = ((1, 1), (1, 0), (0, 1), (0, 0))
_AT_BAR = ((0.5, 1), (0.84, 1), (0.16, 1), (0.5, 0), (0.84, 0), (0.16, 0))
"""Where a caption stands around a mark or a bar, the best first: left to right, low to high, 0-1."""
_AIR = 1.0  # around a caption
_FONT_SIZE = 9
_ON_SOMETHING = 1000.0  # costs; the cheapest place is taken
_NEAR_ANOTHER, _ON_A_LINE, _OUTER_GAP, _LATER_SIDE = 60.0, 30.0, 12.0, 1.0
_CLEARLY = 4.0  # how much nearer to its own mark than to another one a caption should be
_ORDERS, _ROUNDS = 40, 8


@dataclass(frozen=True)
class Caption:
    """A text that belongs to a mark.

    Attributes:
        annotation: the text, anchored to the mark.
        bar: lower and upper end of the mark's bar, in data; None where it has none.
    """

    annotation: Annotation
    bar: tuple[float, float] | None = None


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
        text, place, (0, 0), textcoords="offset points", fontsize=_FONT_SIZE, color=colour, zorder=4
    )
    annotation.set_in_layout(False)  # else the panel would have another size once its captions have moved
    return Caption(annotation, bar)


def settle_captions(panel: Axes, captions: Sequence[Caption]) -> None:
    """Move each caption of a panel to the best place beside its mark; the figure is laid out, and keeps its layout.

    Args:
        panel: whose axes have their limits.
        captions: all of the panel.
    """
    from matplotlib.transforms import Affine2D

    points = Affine2D().scale(72 / panel.figure.dpi)
    marks = [_parts(panel, caption, points) for caption in captions]
    sizes = [caption.annotation.get_window_extent().transformed(points) for caption in captions]
    choices = [list(_choices(size, *parts)) for size, parts in zip(sizes, marks, strict=True)]
    frame = panel.get_window_extent().transformed(points)
    legend = panel.get_legend()
    taken = [] if legend is None else [legend.get_window_extent().transformed(points)]
    lines = [(line.get_transform() + points).transform_path(line.get_path()) for line in panel.get_lines()]
    costs = []
    for index, own in enumerate(marks):
        others = [part for number, parts in enumerate(marks) if number != index for part in parts]
        costs.append([cost + _cost(box, own, others, taken, lines, frame) for cost, box in choices[index]])
    boxes = np.array([[box.extents for _, box in of_one] for of_one in choices])
    for caption, parts, box in zip(captions, marks, _cheapest(np.array(costs), boxes), strict=True):
        caption.annotation.set(ha="left", va="bottom")
        caption.annotation.xyann = (box[0] - parts[0].x0 - _MARK, box[1] - parts[0].y0 - _MARK)


def _parts(panel: Axes, caption: Caption, points: Transform) -> tuple[Bbox, ...]:
    """Where a mark is on the page, and its bar, if it has one."""
    from matplotlib.transforms import Bbox

    x, y = caption.annotation.xy
    to_page = panel.transData + points
    mark = Bbox([to_page.transform((x, y))] * 2).padded(_MARK)
    if caption.bar is None:
        return (mark,)
    return mark, Bbox(to_page.transform([(x, end) for end in caption.bar])).padded(_BAR, 0)


def _choices(size: Bbox, mark: Bbox, *bars: Bbox) -> Iterator[tuple[float, Bbox]]:
    """Places beside the mark, at its corners, above and below its bar; and what each costs of itself."""
    for ring, gap in enumerate(_GAPS):
        around = [(mark, gap, side) for side in _BESIDE] + [(mark, 0.0, corner) for corner in _CORNERS]
        around += [(bar, gap, end) for bar in bars for end in _AT_BAR]
        for later, (part, away, anchor) in enumerate(around):
            room = part.padded(size.width + away, size.height + away)
            yield _OUTER_GAP * ring + _LATER_SIDE * later, size.anchored(anchor, room)


def _cost(
    box: Bbox, own: Sequence[Bbox], others: Sequence[Bbox], taken: Sequence[Bbox], lines: Sequence[Path], frame: Bbox
) -> float:
    hit = box.padded(_AIR).count_overlaps([*own, *others, *taken]) + (frame.count_contains(box.corners()) < 4)
    crowded = max(0.0, _distance(box, own) + _CLEARLY - _distance(box, others)) / _CLEARLY
    crossed = sum(line.intersects_bbox(box, filled=False) for line in lines)
    return float(_ON_SOMETHING * hit + _NEAR_ANOTHER * crowded + _ON_A_LINE * crossed)


def _distance(box: Bbox, parts: Sequence[Bbox]) -> float:
    """To the nearest part; infinite where there is none."""
    gaps = (
        (max(part.x0 - box.x1, box.x0 - part.x1, 0.0), max(part.y0 - box.y1, box.y0 - part.y1, 0.0)) for part in parts
    )
    return min((math.hypot(*gap) for gap in gaps), default=math.inf)


def _cheapest(costs: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose a box for each caption, so that few meet and all together cost little.

    One caption after another takes its best place beside those of the others, some rounds long; the order decides
    where that ends, so several orders are tried.
    """
    everyone = np.arange(len(costs))
    low, high = boxes[..., :2], boxes[..., 2:] + _AIR
    meets = (low[:, :, None, None] < high) & (low < high[:, :, None, None])
    clashes = _ON_SOMETHING * meets.all(axis=-1)
    clashes[everyone, :, everyone] = 0

    def settled(order: NDArray[np.int64]) -> NDArray[np.int64]:
        chosen: NDArray[np.int64] = costs.argmin(axis=1)
        for index in np.tile(order, _ROUNDS):
            chosen[index] = np.argmin(costs[index] + clashes[index][:, everyone, chosen].sum(axis=1))
        return chosen

    def total(chosen: NDArray[np.int64]) -> float:
        among = clashes[everyone, chosen][:, everyone, chosen]
        return float(costs[everyone, chosen].sum() + among.sum() / 2)

    random = np.random.default_rng(0)
    best = min((settled(random.permutation(everyone)) for _ in range(_ORDERS)), key=total)
    found: NDArray[np.float64] = boxes[everyone, best]
    return found
