"""The picture of a race: one panel a backend, one bar a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.figures import save_figure
from yolo_edge.speed.measurement import Figures, Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _THEIRS = "#2457a6", "#b8b8b8"
_ROW_INCHES, _PANEL_INCHES, _WIDTH_INCHES = 0.32, 0.9, 8.0
_ROOM = 1.25
"""Width of a panel, as a multiple of its longest bar: the figures stand beside the bars."""


def draw_race(measurements: Sequence[Measurement], pictures: Iterable[Path]) -> None:
    """Draw medians as bars, and what lies between median and 95th percentile as a line; write the pictures.

    Args:
        measurements: at least one with figures; those without are left out.
        pictures: files to write, of :data:`yolo_edge.figures.PICTURE_SUFFIXES`.

    Raises:
        MissingComponentError: matplotlib is not installed.
    """
    panels: dict[str, list[tuple[Measurement, Figures]]] = {}
    for measurement in measurements:
        if measurement.figures is not None:
            panels.setdefault(measurement.backend, []).append((measurement, measurement.figures))

    def draw() -> Figure:
        from matplotlib.figure import Figure

        heights = [_PANEL_INCHES + _ROW_INCHES * len(rows) for rows in panels.values()]
        figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), layout="constrained", dpi=120)
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (backend, rows) in zip(axes, panels.items(), strict=True):
            _draw_panel(axis, backend, rows)
        return figure

    save_figure(draw, pictures)


def _draw_panel(axis: Axes, backend: str, rows: Sequence[tuple[Measurement, Figures]]) -> None:
    places = range(len(rows))
    medians = [figures.median for _, figures in rows]
    tails = [figures.percentile95 - figures.median for _, figures in rows]
    axis.barh(places, medians, color=[_THEIRS if row.is_peer else _OURS for row, _ in rows], height=0.7)
    axis.errorbar(medians, places, xerr=[[0.0] * len(rows), tails], fmt="none", ecolor="black", linewidth=1)
    for place, (_, figures) in enumerate(rows):
        text = f" {figures.median:.1f} ms, ×{figures.ratio:.2f}"
        axis.text(figures.percentile95, place, text, va="center", fontsize=8)
    axis.set_yticks(places, [f"{row.name} ({row.image_size[1]} px)" for row, _ in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, _ROOM * max(figures.percentile95 for _, figures in rows))
    software = ", computed in software" if rows[0][0].is_software else ""
    axis.set_title(f"{backend}{software}", loc="left", fontsize=10)
    axis.set_xlabel("ms a prediction: median, and line to the 95th percentile")
    axis.spines[["top", "right"]].set_visible(False)
