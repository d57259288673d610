"""How the results of ``bench`` and ``sizes`` look on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from yolo_edge.checkpoint.image_size import size_text
from yolo_edge.speed.measurement import Figures, Measurement
from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.verbs.bench import BenchResult
from yolo_edge.verbs.sizes import SizeComparison
from yolo_edge.verbs.tables import grid, megabytes, plain_table

_KERNELS_SHOWN = 8
_MISSING = "-"

_COLUMNS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("load", lambda figures: f"{figures.load_milliseconds:.0f}"),
    ("first", lambda figures: f"{figures.first_milliseconds:.0f}"),
    ("p50 ms", lambda figures: f"{figures.median:.1f}"),
    ("p95 ms", lambda figures: f"{figures.percentile95:.1f}"),
    ("ratio", lambda figures: f"{figures.ratio:.3f}"),
    ("kernels", lambda figures: _count(figures.kernels)),
    ("draws", lambda figures: _count(figures.draws)),
    ("programs", lambda figures: _count(figures.programs)),
    ("tensors", lambda figures: _size(figures.tensor_bytes)),
    ("peak", lambda figures: _size(figures.peak_tensor_bytes)),
    ("wasm", lambda figures: _size(figures.wasm_bytes)),
    ("threads", lambda figures: _count(figures.threads)),
    ("frames/s", lambda figures: _MISSING if figures.frames_per_second is None else f"{figures.frames_per_second:.1f}"),
)
"""Heading, and how its cell reads."""


def bench_table(result: BenchResult) -> Group:
    """Show a table a backend, what their columns mean, and the kernels where they were asked for."""
    facts = grid()
    facts.add_row("photo", result.photo)
    facts.add_row("rounds", f"{result.rounds}, turn by turn")
    if result.directory is not None:
        facts.add_row("directory", str(result.directory))
    parts: list[Any] = [facts]
    backends = dict.fromkeys(row.backend for row in result.measurements)
    for backend in backends:
        rows = [row for row in result.measurements if row.backend == backend]
        parts += ["", _backend_table(backend, rows)]
        parts += [f"{row.name}: not available: {row.unavailable}" for row in rows if row.figures is None]
    profiled = [row for row in result.measurements if row.figures and row.figures.profile]
    for row in profiled:
        parts += ["", _profile_table(row)]
    return Group(*parts, "", *result.notes, _explanation(result.measurements))


def _backend_table(backend: str, rows: Sequence[Measurement]) -> Table:
    shown = [column for column in _COLUMNS if _is_shown(*column, rows)]
    columns = ("model", "input", "wire", *(name for name, _ in shown))
    title = f"{backend} (computed in software: no real speed)" if rows[0].is_software else backend
    narrow = (0, 1, 0, 0)
    table = plain_table(*columns, right=range(1, len(columns)), title=title, title_justify="left", padding=narrow)
    for row in rows:
        figures = row.figures
        cells = [cell(figures) if figures else _MISSING for _, cell in shown]
        table.add_row(row.name, size_text(row.image_size), megabytes(row.wire_bytes), *cells)
    return table


def _is_shown(name: str, cell: Callable[[Figures], str], rows: Sequence[Measurement]) -> bool:
    """Tell whether a column has anything to say: not if it is empty, or if everything has the usual one thread."""
    cells = {cell(row.figures) for row in rows if row.figures} - {_MISSING}
    return bool(cells) and not (name == "threads" and cells == {"1"})


def _profile_table(row: Measurement) -> Table:
    """Show the most expensive kernels of a frame."""
    figures = row.figures
    assert figures is not None
    title = f"kernels of a frame: {row.name}, {row.backend}"
    columns = ("kernel", "calls", "ms", "share", "draws", "million multiply-adds")
    table = plain_table(*columns, right=range(1, len(columns)), title=title, title_justify="left")
    for kernel in figures.profile[:_KERNELS_SHOWN]:
        table.add_row(
            kernel.name,
            f"{kernel.calls:g}",
            _MISSING if kernel.milliseconds is None else f"{kernel.milliseconds:.2f}",
            _MISSING if kernel.share is None else f"{100 * kernel.share:.1f} %",
            f"{kernel.draws:g}" if kernel.draws else _MISSING,
            f"{kernel.multiply_adds / 1e6:.1f}" if kernel.multiply_adds else _MISSING,
        )
    return table


def _explanation(rows: Sequence[Measurement]) -> str:
    others = {row.figures.reference for row in rows if row.figures}
    return (
        "load, first (prediction): ms. ratio: median of the turns' ratios, to the first model of the same input size "
        f"({', '.join(sorted(others))}), else to the first of all. frames/s: photo to persons. "
        "tensors, their peak in a frame, WebAssembly memory: MB."
    )


def _count(value: int | None) -> str:
    return _MISSING if value is None else str(value)


def _size(count: int | None) -> str:
    return _MISSING if count is None else f"{count / 1e6:.1f}"


def sizes_table(result: SizeComparison) -> Group:
    """Show what each input size takes and finds, beside the square."""
    facts = grid()
    facts.add_row("model", f"{result.model}, float32")
    facts.add_row("camera", f"{result.aspect}; {result.photos}, {result.photo_count} photos cut to that shape")
    facts.add_row("frame", f"ms a prediction in Node, median of {result.rounds} turns; ratio to the first row")
    columns = ("input", "pixels", "frame", "ratio", "mean OKS", "moved p95", "persons", "lost", "invented")
    table = plain_table(*columns, right=range(1, len(columns)))
    for row in result.rows:
        agreement, moved = row.agreement, row.agreement.displacement
        table.add_row(
            size_text(row.image_size),
            f"{row.pixel_share:.2f}",
            f"{row.frame.milliseconds:.1f}",
            f"{row.frame.ratio:.2f}",
            _figure(agreement.similarity, "{:.4f}", 1),
            _figure(moved.body_p95 if moved else None, "{:.1f} %", 100),
            *(str(count) for count in (agreement.persons, agreement.lost, agreement.invented)),
        )
    note = "Compared with the first row. moved p95: of seen keypoints, as a share of body size."
    return Group(facts, "", table, "", note)


def _figure(figure: Estimate | None, form: str, factor: float) -> str:
    return _MISSING if figure is None else form.format(factor * figure.value)
