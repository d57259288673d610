"""How the results of verbs look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table

if TYPE_CHECKING:
    from yolo_edge.verbs.convert import Conversion
    from yolo_edge.verbs.models import ModelListing
    from yolo_edge.verbs.predict import Prediction


def megabytes(count: int) -> str:
    """Format bytes as decimal megabytes, or kilobytes below 100 kB: ``2.93 MB``, ``14.2 kB``."""
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def conversion_table(result: Conversion) -> Group:
    """Show what a conversion made: the model, then its files."""
    manifest, model = result.manifest, result.manifest.model
    grid = _grid()
    grid.add_row("model", f"{manifest.name} (family {model.family}, {model.layout} output)")
    grid.add_row("input", f"{model.image_size[0]}x{model.image_size[1]} px (height x width), RGB 0-1, letterboxed")
    keypoints = f"{model.keypoint_count} keypoints x {model.keypoint_dimensions}"
    grid.add_row("output", f"{list(model.output_shape)}: {len(model.classes)} class(es), {keypoints}")
    grid.add_row("weights", f"{manifest.scheme}, {model.parameters:,} parameters")
    grid.add_row("graph", f"{model.operations} operations, engine {manifest.tool.engine}")
    grid.add_row("licence", model.licence)
    grid.add_row("directory", str(result.directory))
    files = Table("file", "raw", "on the wire", "sha256", box=None, pad_edge=False)
    for column in files.columns[1:3]:
        column.justify = "right"
    for name, record in manifest.files.items():
        wire = megabytes(record.wire_bytes) if record.wire_bytes is not None else "not served"
        files.add_row(name, megabytes(record.bytes), wire, record.sha256[:16])
    files.add_row("in all", megabytes(manifest.raw_bytes), megabytes(manifest.wire_bytes), "")
    return Group(grid, "", files)


def prediction_table(result: Prediction) -> Table:
    """Show the persons found on each photo."""
    table = Table("photo", "persons", "scores", "seconds", "picture", box=None, pad_edge=False)
    for image in result.images:
        scores = " ".join(f"{person.score:.2f}" for person in image.persons[:8])
        table.add_row(
            image.path.name,
            str(len(image.persons)),
            scores + (" …" if len(image.persons) > 8 else ""),
            f"{image.seconds:.2f}",
            str(image.picture or ""),
        )
    return table


def models_table(listings: tuple[ModelListing, ...]) -> Table:
    """Show the catalogue."""
    table = Table("name", "size", "licence", "cached", box=None, pad_edge=False)
    for listing in listings:
        table.add_row(listing.name, megabytes(listing.bytes), listing.licence, str(listing.cached or "no"))
    return table
