"""How the results of verbs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from yolo_edge.checkpoint.image_size import size_text
from yolo_edge.console import counted

if TYPE_CHECKING:
    from yolo_edge.quantization.sensitivity import LayerSensitivity
    from yolo_edge.validation.bootstrap import Estimate
    from yolo_edge.validation.result import Validation
    from yolo_edge.verbs.benchmark import BenchmarkListing, FetchedBenchmark
    from yolo_edge.verbs.convert import Conversion
    from yolo_edge.verbs.frontier import Frontier
    from yolo_edge.verbs.models import ModelListing
    from yolo_edge.verbs.predict import Prediction
    from yolo_edge.verbs.verification import Verification


_LAYERS_SHOWN = 15


def megabytes(count: int) -> str:
    """Format bytes as decimal megabytes, or kilobytes below 100 kB: ``2.93 MB``, ``14.2 kB``."""
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def grid() -> Table:
    """Return a table of facts: a name and a text a row."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def plain_table(*names: str, right: Iterable[int] = (), **options: Any) -> Table:
    """Return a table without lines.

    Args:
        names: of its columns.
        right: indices of columns that are set flush right.
        options: more of :class:`rich.table.Table`.
    """
    table = Table(*names, box=None, pad_edge=False, **options)
    for index in right:
        table.columns[index].justify = "right"
    return table


def conversion_table(result: Conversion) -> Group:
    """Show what a conversion made: the model, then its files."""
    manifest, model = result.manifest, result.manifest.model
    facts = grid()
    facts.add_row("model", f"{manifest.name} (family {model.family}, {model.layout} output)")
    facts.add_row("input", f"{model.image_size[0]}x{model.image_size[1]} px (height x width), RGB 0-1, letterboxed")
    if result.size_choice is not None:
        facts.add_row("chosen", result.size_choice.sentence())
    keypoints = f"{model.keypoint_count} keypoints x {model.keypoint_dimensions}"
    facts.add_row("output", f"{list(model.output_shape)}: {counted(len(model.classes), 'classes')}, {keypoints}")
    facts.add_row("weights", f"{manifest.scheme}, {model.parameters:,} parameters")
    facts.add_row("graph", f"{model.operations} operations, engine {manifest.tool.engine}")
    facts.add_row("licence", model.licence)
    facts.add_row("directory", str(result.directory))
    files = plain_table("file", "raw", "on the wire", "sha256", right=(1, 2))
    for name, record in manifest.files.items():
        wire = megabytes(record.wire_bytes) if record.wire_bytes is not None else "not served"
        files.add_row(name, megabytes(record.bytes), wire, record.sha256[:16])
    files.add_row("in all", megabytes(manifest.raw_bytes), megabytes(manifest.wire_bytes), "")
    if not result.sensitivity:
        return Group(facts, "", files)
    return Group(facts, "", files, "", _sensitivity_table(result.sensitivity))


def _sensitivity_table(layers: tuple[LayerSensitivity, ...]) -> Table:
    """Show the layers whose rounding costs most, in thousandths of keypoint similarity."""
    columns = ("layer", "weights", "bits", "step/rms", "keypoints", "boxes", "scores")
    right = range(1, len(columns))
    table = plain_table(*columns, right=right, title="harm of rounding, 1e-3 OKS", title_justify="left")
    for layer in layers[:_LAYERS_SHOWN]:
        harm = (f"{1000 * value:.3f}" for value in (layer.keypoints, layer.boxes, layer.scores))
        table.add_row(layer.layer, f"{layer.weights:,}", str(layer.bits), f"{layer.step:.3f}", *harm)
    rest = layers[_LAYERS_SHOWN:]
    if rest:
        harm = (
            f"{1000 * sum(getattr(layer, part) for layer in rest):.3f}" for part in ("keypoints", "boxes", "scores")
        )
        table.add_row(f"{len(rest)} others", f"{sum(layer.weights for layer in rest):,}", "", "", *harm)
    return table


def frontier_table(result: Frontier) -> Group:
    """Show what each size costs."""
    facts = grid()
    facts.add_row("model", f"{result.model} at {result.sizes_text} px (height x width)")
    facts.add_row("measured on", f"{result.photos}, {result.photo_count} photos")
    facts.add_row("calibrated on", result.calibration)
    if result.average_precision is not None:
        facts.add_row("float AP", f"{100 * result.average_precision:.1f} points")
    facts.add_row("directory", str(result.directory))
    if result.rounds is not None:
        facts.add_row(
            "frame", f"ms a prediction in Node, median of {result.rounds} turns; ratio to float32 at the first size"
        )
    has_several = len(result.image_sizes) > 1
    columns = ["point", *(["input"] if has_several else []), "raw", "on the wire", "mean OKS", "of seen"]
    columns += ["persons", "lost", "AP loss (95 %)", *(["frame", "ratio"] if result.rounds is not None else [])]
    points = plain_table(*columns, right=range(1, len(columns)))
    for point in result.points:
        agreement, loss = point.agreement, point.loss
        points.add_row(
            point.name,
            *([size_text(point.image_size or result.image_sizes[0])] if has_several else []),
            megabytes(point.raw_bytes),
            megabytes(point.wire_bytes),
            _share(agreement.similarity),
            _share(agreement.seen_similarity),
            str(agreement.persons),
            str(agreement.lost),
            f"{loss.points:+.2f} ({loss.low:+.2f} to {loss.high:+.2f})" if loss else "no labels",
            *([f"{point.frame.milliseconds:.1f}", f"{point.frame.ratio:.3f}"] if point.frame else []),
        )
    skipped = [f"skipped {point.name}: {point.reason}" for point in result.skipped]
    return Group(facts, "", points, *skipped)


def validation_table(result: Validation) -> Group:
    """Show the verdicts, the variants side by side, and each bound."""
    facts = grid()
    height, width = result.head.image_size
    facts.add_row("float model", f"{result.reference} at {height}x{width} px, run by {result.reference_runtime}")
    facts.add_row("photos", f"{result.benchmark.name}, {result.photos}")
    if result.report:
        facts.add_row("report", str(result.report / "report.html"))
    columns = ("variant", "on the wire", "mean OKS", "persons", "lost", "invented", "AP loss (95 %)", "verdict")
    variants = plain_table(*columns, right=range(1, len(columns) - 1))
    variants.columns[0].overflow = "fold"
    variants.columns[-1].no_wrap = True
    for variant in result.variants:
        agreement = variant.agreement
        loss = variant.accuracy[0].loss if variant.accuracy else None
        variants.add_row(
            variant.candidate.name,
            megabytes(variant.candidate.wire_bytes),
            _share(agreement.similarity if agreement else None),
            *(str(count) for count in (agreement.persons, agreement.lost, agreement.invented))
            if agreement
            else ("", "", ""),
            f"{loss.value:+.2f} ({loss.low:+.2f} to {loss.high:+.2f})" if loss else "no labels",
            variant.verdict,
        )
    checks = plain_table("variant", "verdict", "what")
    for variant in result.variants:
        for check in variant.checks:
            checks.add_row(variant.candidate.name, check.verdict, check.sentence())
    runs = plain_table("variant", "runtime", "photos", "first", "a frame", "what", right=(2,))
    for variant in result.variants:
        for run in variant.runs:
            times = (run.times.first_predict, run.times.frame) if run.times else (None, None)
            what = run.message or run.status
            runs.add_row(variant.candidate.name, run.runtime, f"{run.photos:,}", *map(_seconds, times), what)
    return Group(facts, "", variants, "", checks, "", runs, "", *result.notes, f"verdict: {result.verdict}")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _share(figure: Estimate | None) -> str:
    return "none" if figure is None else f"{figure.value:.4f}"


def prediction_table(result: Prediction) -> Table:
    """Show the persons found on each photo."""
    table = plain_table("photo", "persons", "scores", "seconds", "picture")
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


def verification_table(result: Verification) -> Group:
    """Show what was checked: the files, how they were served, and how far each runtime is off."""
    manifest = result.manifest
    facts = grid()
    facts.add_row("model", f"{manifest.name} (family {manifest.model.family}, {manifest.scheme})")
    facts.add_row("source", result.source)
    served = any(file.delivery for file in result.files)
    delivery = ("on the wire", "encoding", "type", "cache-control") if served else ()
    files = plain_table("file", "bytes", "sha256", *delivery, right=(1,))
    for file in result.files:
        cells = [file.name, f"{file.bytes:,}", f"{file.sha256[:16]} ok" if file.sha256 else "the list itself"]
        if file.delivery:
            sent = file.delivery
            cells += [f"{sent.wire_bytes:,}", sent.content_encoding or "none", sent.content_type or "none"]
            cells.append(sent.cache_control or "none")
        files.add_row(*cells)
    parts: list[Table | str] = [facts, "", files]
    if result.runtimes:
        parts += ["", _differences_table(result)]
    return Group(*parts, *(f"note: {note}." for note in result.notes))


def _differences_table(result: Verification) -> Table:
    columns = ("runtime", "golden vectors", "worst", "allowed", "")
    table = plain_table(*columns, right=(2, 3))
    for check in result.runtimes:
        for difference in check.differences:
            unit = " px" if difference.quantity in ("boxes", "keypoints") else ""
            table.add_row(
                check.runtime,
                difference.quantity.replace("_", " "),
                f"{difference.worst:.2g}{unit}",
                f"{difference.tolerance:g}{unit}",
                "ok" if difference.passed else "FAILED",
            )
    return table


def models_table(listings: tuple[ModelListing, ...]) -> Table:
    """Show the catalogue."""
    table = plain_table("name", "size", "licence", "cached")
    for listing in listings:
        table.add_row(listing.name, megabytes(listing.bytes), listing.licence, str(listing.cached or "no"))
    return table


def benchmarks_table(listings: tuple[BenchmarkListing, ...]) -> Table:
    """Show the sets of photos known by name."""
    table = plain_table("name", "what", "licence", "fetched")
    for listing in listings:
        here = f"{listing.files} files in {listing.directory}" if listing.directory else "no"
        table.add_row(
            listing.name, listing.description, listing.licence, "not needed" if listing.kind == "builtin" else here
        )
    return table


def fetched_table(result: FetchedBenchmark) -> Table:
    """Show what a fetch left behind."""
    facts = grid()
    facts.add_row("set", result.name)
    if result.directory is not None:
        facts.add_row("directory", str(result.directory))
        facts.add_row("files", f"{result.files}, {result.downloaded} of them new, {megabytes(result.bytes)} in all")
        facts.add_row("photos", str(result.photos))
    return facts
