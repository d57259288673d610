"""Size and frame time against quality: one point a variant, as rows and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.checkpoint.image_size import size_text
from yolo_edge.figures import save_figure
from yolo_edge.speed.frames import FrameTime
from yolo_edge.validation.agreement import Agreement
from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.validation.captions import Caption, add_caption, settle_captions
from yolo_edge.validation.coco import PrecisionLoss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEGABYTE = 1e6
_WIDTH, _PANEL_HEIGHT, _DOTS = 8.0, 3.4, 200  # inches, inches, dots an inch: sharp at 800 px, and at twice that
_COLOURS = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#5c4813", "#495057")
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_ALONE = 0.02  # shown of the similarity around a point that is the only one
_LEFT_MARGIN, _RIGHT_MARGIN = 1.1, 1.4  # of the sizes; labels stand to the right


@dataclass(frozen=True)
class FrontierPoint:
    """One variant of a model.

    Attributes:
        name: as it was asked for, ``scheme`` or ``scheme:budget``.
        scheme: how its weights are stored.
        max_bytes: its budget on the wire; None for a scheme without one.
        raw_bytes: what ``model.json`` and shards take on a disk.
        wire_bytes: what they take after Brotli.
        agreement: with the float model.
        loss: of average precision; None without labels.
        image_size: input height and width, pixels; None where all points have the same.
        frame: what a prediction takes, and its ratio to the float32 model's; None where that was not measured.
    """

    name: str
    scheme: str
    max_bytes: int | None
    raw_bytes: int
    wire_bytes: int
    agreement: Agreement
    loss: PrecisionLoss | None = None
    image_size: tuple[int, int] | None = None
    frame: FrameTime | None = None

    def to_row(self) -> dict[str, Any]:
        """Return the point as one flat, JSON-ready row; bytes, similarities 0-1, losses in points."""
        loss, frame = self.loss, self.frame
        height, width = self.image_size or (None, None)
        return {
            "point": self.name,
            "scheme": self.scheme,
            "max_bytes": self.max_bytes,
            "raw_bytes": self.raw_bytes,
            "wire_bytes": self.wire_bytes,
            "mean_oks": _rounded(_value(self.agreement.similarity)),
            "mean_oks_seen": _rounded(_value(self.agreement.seen_similarity)),
            "persons": self.agreement.persons,
            "lost": self.agreement.lost,
            "ap_loss": _rounded(loss.points if loss else None),
            "ap_loss_low": _rounded(loss.low if loss else None),
            "ap_loss_high": _rounded(loss.high if loss else None),
            "height": height,
            "width": width,
            "frame_ms": None if frame is None else round(frame.milliseconds, 3),
            "frame_ratio": None if frame is None else round(frame.ratio, 4),
        }


def _value(figure: Estimate | None) -> float | None:
    return None if figure is None else figure.value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def frontier_csv(points: Iterable[FrontierPoint]) -> str:
    """Return the points as CSV with a header; a field without a value is empty."""
    rows = [point.to_row() for point in points]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def draw_frontier(
    points: Sequence[FrontierPoint], title: str, pictures: Iterable[Path], *, width: float = _WIDTH
) -> None:
    """Draw wire bytes against mean object keypoint similarity, and below against the loss of average precision.

    The lower panel is left out where no point has a loss. Where points are of several input sizes, these panels show
    those of the first point's size, and one more shows them all: what a frame takes (its pixels, where no times were
    taken) against the loss, or against the similarity where there is none.

    The same points give the same bytes: the picture takes no style of the user's, and holds neither date nor version.

    Args:
        points: at least one.
        title: stands above.
        pictures: files to write, of :data:`yolo_edge.figures.PICTURE_SUFFIXES`.
        width: inches; the letters keep their size, so a narrow picture is one for a phone.

    Raises:
        MissingComponentError: matplotlib is not installed.
    """
    save_figure(lambda: _figure(points, title, width), pictures)


def _figure(points: Sequence[FrontierPoint], title: str, width: float) -> Figure:
    from matplotlib.figure import Figure

    first = points[0].image_size
    shown = sorted((point for point in points if point.image_size == first), key=lambda point: point.wire_bytes)
    losses = [point for point in shown if point.loss is not None]
    sizes = 1 + bool(losses)
    has_several = len({point.image_size for point in points}) > 1
    panels = sizes + has_several
    figure = Figure(figsize=(width, 0.6 + _PANEL_HEIGHT * panels), dpi=_DOTS, layout="constrained", facecolor="white")
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=11)
    captions = [_draw_similarity(axes[0], shown)]
    if losses:
        captions.append(_draw_loss(axes[1], losses))
        axes[0].sharex(axes[1])
        axes[0].tick_params(labelbottom=False)
    _scale_sizes(axes[sizes - 1], shown)
    if has_several:
        _draw_frames(axes[-1], points)
        if first is not None:
            axes[0].set_title(f"at {size_text(first)} px", loc="left", fontsize=10)
    figure.draw_without_rendering()
    for panel, written in zip(axes, captions, strict=False):
        settle_captions(panel, written)
    return figure


def _draw_similarity(panel: Axes, points: Sequence[FrontierPoint]) -> list[Caption]:
    values = [_value(point.agreement.similarity) or 0.0 for point in points]
    panel.margins(y=0.12)
    captions = _draw_points(panel, points, values)
    panel.legend(loc="lower right", frameon=False)
    panel.set_ylabel("mean keypoint similarity (OKS)\nto the float model")
    panel.ticklabel_format(axis="y", useOffset=False)
    bottom, top = panel.get_ylim() if max(values) > min(values) else (values[0] - _ALONE, values[0] + _ALONE)
    panel.set_ylim(bottom, min(top, 1 + 0.1 * (1 - bottom)))  # nothing is more alike than 1
    return captions


def _draw_loss(panel: Axes, points: Sequence[FrontierPoint]) -> list[Caption]:
    losses = [point.loss for point in points if point.loss is not None]
    for point, loss in zip(points, losses, strict=True):
        panel.vlines(point.wire_bytes / _MEGABYTE, loss.low, loss.high, color="#adb5bd", linewidth=4, zorder=1)
    panel.axhline(0, color="#495057", linewidth=0.8)
    bars = [(loss.low, loss.high) for loss in losses]
    captions = _draw_points(panel, points, [loss.points for loss in losses], bars)
    panel.set_ylabel("AP loss, points\n(bars: 95 % interval)")
    panel.margins(y=0.12)
    return captions


def _draw_points(
    panel: Axes,
    points: Sequence[FrontierPoint],
    values: Sequence[float],
    bars: Sequence[tuple[float, float]] | None = None,
) -> list[Caption]:
    """Draw one line a scheme, and write each point's size, whose place is found later; points are in order of size."""
    _plain(panel)
    captions = []
    for index, scheme in enumerate(sorted({point.scheme for point in points})):
        rows = [row for row, point in enumerate(points) if point.scheme == scheme]
        places = [(points[row].wire_bytes / _MEGABYTE, values[row]) for row in rows]
        colour = _COLOURS[index % len(_COLOURS)]
        panel.plot(*zip(*places, strict=True), "o-", color=colour, markersize=7, linewidth=1.5, label=scheme, zorder=3)
        for row, place in zip(rows, places, strict=True):
            size = f"{place[0]:.2f} MB" if place[0] >= 0.1 else f"{1000 * place[0]:.0f} kB"
            text = size if len(rows) > 1 else f"{scheme} {size}"
            captions.append(add_caption(panel, text, place, colour, bars[row] if bars else None))
    return captions


def _scale_sizes(panel: Axes, points: Sequence[FrontierPoint]) -> None:
    """Sizes on a logarithmic axis, since twice as small is as good a step wherever it is taken."""
    least, most = (edge / _MEGABYTE for edge in (points[0].wire_bytes, points[-1].wire_bytes))
    low, high = least / _LEFT_MARGIN, most * _RIGHT_MARGIN
    panel.set_xscale("log")
    panel.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high] or [round(least, 3)]
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.set_xlabel("megabytes on the wire (Brotli), logarithmic")


def _draw_frames(panel: Axes, points: Sequence[FrontierPoint]) -> None:
    """Draw what each size takes against what it loses: a line a variant, a name above each size's best."""
    is_timed = all(point.frame is not None for point in points)
    has_losses = all(point.loss is not None for point in points)
    costs = [point.frame.milliseconds if point.frame else _megapixels(point) for point in points]
    values = [point.loss.points if point.loss else _value(point.agreement.similarity) or 0.0 for point in points]
    _plain(panel)
    for index, name in enumerate(dict.fromkeys(point.name for point in points)):
        rows = [row for row, point in enumerate(points) if point.name == name]
        line = sorted((costs[row], values[row]) for row in rows)
        colour = _COLOURS[index % len(_COLOURS)]
        label = f"{name}, {points[rows[0]].wire_bytes / _MEGABYTE:.2f} MB"
        panel.plot(*zip(*line, strict=True), "o-", color=colour, markersize=5, linewidth=1.2, label=label, zorder=3)
    for size in dict.fromkeys(point.image_size for point in points):
        row = max((row for row, point in enumerate(points) if point.image_size == size), key=lambda row: values[row])
        text = size_text(size) if size else ""
        place, offset = (costs[row], values[row]), (6, 5) if has_losses else (-6, 5)
        side = "left" if has_losses else "right"  # off the line: losses fall with the cost, similarities rise
        panel.annotate(text, place, xytext=offset, textcoords="offset points", ha=side, fontsize=9)
    panel.margins(x=0.14, y=0.16)
    panel.set_xlim(left=0)
    panel.legend(loc="upper right" if has_losses else "lower right", frameon=False, fontsize=9)
    first = points[0].image_size or (0, 0)
    against = f"float model at {size_text(first)} px"
    quantity = "AP loss, points" if has_losses else "mean keypoint similarity (OKS)"
    panel.set_ylabel(f"{quantity}\nto the {against}")
    panel.set_xlabel("milliseconds a prediction, WebAssembly in Node" if is_timed else "megapixels of the input")


def _megapixels(point: FrontierPoint) -> float:
    height, width = point.image_size or (0, 0)
    return height * width / 1e6


def _plain(panel: Axes) -> None:
    panel.grid(color="#e9ecef")
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
