"""Speed beside other makers' models: ``python -m benchmarks.speed [--rounds 40] [--work DIR]``.

Converts yolo11n-pose at 640 px by each scheme, and by the engine ``tensorflow`` where the extra ``[tf]`` is installed,
and races them; then at 192 and at 256 px beside the peers of that size. Prints the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import yolo_edge
from yolo_edge.verbs.bench import BenchResult

SOURCE = "yolo11n-pose"
SCHEMES = {
    "float32": {},
    "int8": {"quantize": "int8", "samples": 8},
    "int4": {"quantize": "int4", "samples": 8},
    "rd-1.4MB": {"quantize": "rd", "max_bytes": "1.4MB", "samples": 8},
}
KERNELS_SHOWN = 6


def converted(directory: Path, **options: object) -> Path:
    if not directory.exists():
        yolo_edge.convert(SOURCE, directory, **options)
    return directory


def print_tables(title: str, result: BenchResult) -> None:
    for backend in dict.fromkeys(row.backend for row in result.measurements):
        rows = [row for row in result.measurements if row.backend == backend]
        print(f"\n### {title}, {backend}, {result.rounds} rounds\n")
        print(
            "| model | input | wire MB | load | first | p50 | p95 | ratio | kernels | tensors MB | wasm MB | frames/s |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
        for row in rows:
            figures = row.figures
            cells = [row.name, str(row.image_size[1]), f"{row.wire_bytes / 1e6:.2f}"]
            if figures is None:
                print(f"| {' | '.join(cells)} | not available: {row.unavailable} |")
                continue
            times = (figures.load_milliseconds, figures.first_milliseconds, figures.median, figures.percentile95)
            cells += [f"{value:.0f}" for value in times]
            cells += [f"{figures.ratio:.2f}", str(figures.kernels or "-")]
            cells += [f"{value / 1e6:.0f}" if value else "-" for value in (figures.tensor_bytes, figures.wasm_bytes)]
            cells.append(f"{figures.frames_per_second:.1f}" if figures.frames_per_second else "-")
            print(f"| {' | '.join(cells)} |")
    for row in result.measurements:
        if row.figures and row.figures.profile:
            kernels = [
                f"{kernel.name} x{kernel.calls:g} {kernel.milliseconds:.1f} ms ({100 * kernel.share:.0f} %)"
                f" {kernel.multiply_adds / 1e6:.0f} MMAC"
                for kernel in row.figures.profile[:KERNELS_SHOWN]
                if kernel.milliseconds is not None and kernel.share is not None
            ]
            print(f"\n{row.name}, {row.backend}: {', '.join(kernels)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--work", type=Path, help="Directory for models and results; kept.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or Path(scratch)
        models = [converted(work / name, **options) for name, options in SCHEMES.items()]
        if find_spec("tensorflow") and find_spec("onnx2tf"):
            models.append(converted(work / "tensorflow", engine="tensorflow"))
        result = yolo_edge.bench(models, rounds=given.rounds, output=work / "bench-640", force=True)
        print_tables(f"{SOURCE} at 640 px", result)
        for size in (192, 256):
            model = converted(work / str(size), imgsz=size, onnx="keep")
            output = work / f"bench-{size}"
            result = yolo_edge.bench(model, rounds=given.rounds, peers=True, profile=True, output=output, force=True)
            print_tables(f"beside peers of {size} px", result)


if __name__ == "__main__":
    main()
