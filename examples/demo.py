"""The tour that ``make demo`` takes.

Genuine weights → TF.js graph model → skeletons drawn from a real browser → a model an eighth of the size → proof that
it still finds the same keypoints.

Usage: python examples/demo.py [DIRECTORY]
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

import yolo_edge
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.errors import YoloEdgeError
from yolo_edge.verbs.tables import megabytes

BACKENDS = ("browser:wasm", "browser:webgl")
BUDGET = "1.4MB"


def shipped_photo() -> Path:
    """Return the street photo that the ultralytics package ships."""
    spec = find_spec("ultralytics")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "assets" / "bus.jpg"


def main(directory: Path) -> None:
    """Convert, predict and print one table."""
    photo = shipped_photo()
    conversion = yolo_edge.convert("yolo11n-pose", directory / "pose", force=True)
    manifest = conversion.manifest
    table = Table(title="What was made", show_header=False)
    table.add_row("weights", f"{manifest.source.file}, sha256 {manifest.source.sha256[:16]}…, {manifest.model.licence}")
    table.add_row("TF.js model", f"{conversion.directory}: {manifest.model.operations} operations")
    table.add_row("size", f"{megabytes(manifest.raw_bytes)} raw, {megabytes(manifest.wire_bytes)} on the wire")
    reference = yolo_edge.predict("yolo11n-pose", [photo]).images[0].persons
    table.add_row("torch", f"{len(reference)} persons on {photo.name}, best score {reference[0].score:.3f}")
    for backend in BACKENDS:
        picture = directory / "skeletons" / f"{backend.replace(':', '-')}.png"
        found = yolo_edge.predict(directory / "pose", [photo], runtime=backend, output=picture, force=True).images[0]
        pairs = zip(reference, found.persons, strict=True)
        farthest = max(float(abs(a.keypoints[:, :2] - b.keypoints[:, :2]).max()) for a, b in pairs)
        table.add_row(
            f"Chromium, {backend.split(':')[1]}",
            f"{len(found.persons)} persons, keypoints within {farthest:.4f} px of torch, drawn in {picture}",
        )
    add_quantized(table, directory)
    Console().print(table)


def add_quantized(table: Table, directory: Path) -> None:
    """Quantize to a budget, judge what came out, and add that to the table."""
    small = yolo_edge.quantize("yolo11n-pose", directory / "pose-small", quantize="rd", max_bytes=BUDGET, force=True)
    sizes = f"{megabytes(small.manifest.raw_bytes)} raw, {megabytes(small.manifest.wire_bytes)} on the wire"
    table.add_row("quantized (rd)", f"{small.directory}: {sizes}")
    report = directory / "validation"
    result = yolo_edge.validate(small.directory, runtime=("node", *BACKENDS), output=report, force=True)
    (variant,) = result.variants
    agreement = variant.agreement
    assert agreement is not None and agreement.similarity is not None
    found = (
        f"{agreement.persons - agreement.lost} of {agreement.persons} persons found again, {agreement.invented} made up"
    )
    table.add_row("validated", f"{result.verdict}: {found}, mean OKS {agreement.similarity.value:.4f}")
    table.add_row("report", str(report / "report.html"))


if __name__ == "__main__":
    with reporting_to(TerminalReporter()):
        try:
            main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
        except YoloEdgeError as error:
            sys.exit(f"error: {error.what}\n  fix: {error.fix}")
