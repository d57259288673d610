"""Measure the conversion side by side in one run, and write the tables of ``benchmarks/README.md``.

Usage: python -m benchmarks.conversion [--without-tensorflow] [--without-browser]

Costs are measured first, while this process is small, as CPU seconds and as the least of several runs: wall seconds on
a busy machine say little. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.cost import Cost, cost_of, cpu_seconds, least

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "conversion.json"
README = HERE / "README.md"
BEGIN, END = "<!-- conversion: begin -->", "<!-- conversion: end -->"

MODEL = "yolo11n-pose"
RUNS = {"direct": 3, "tensorflow": 1}
LOWERING_RUNS = {"direct": 5, "tensorflow": 1}

BARS = {
    "pixels": 0.05,
    "scores": 1e-4,
    "operations": 370,
    "transposes": 6,
    "lowering_seconds": 0.5,
    "cpu_seconds": 6.0,
    "peak_megabytes": 700.0,
    "times_faster": 5.0,
    "help_cpu_seconds": 0.3,
}


@dataclass(frozen=True)
class Case:
    """A net and an input size to compare runtimes at; ``config`` None means the genuine weights."""

    config: str | None
    size: tuple[int, int]
    classes: int = 1
    keypoints: tuple[int, int] = (17, 3)

    @property
    def name(self) -> str:
        weights = f"{MODEL}" if self.config is None else f"{Path(self.config).stem}, untrained"
        shape = f"{self.classes} class{'es' if self.classes > 1 else ''}, {self.keypoints[0]}x{self.keypoints[1]}"
        return f"{weights}, {self.size[0]}x{self.size[1]}, {shape}"


CASES = (
    Case(None, (640, 640)),
    Case(None, (320, 320)),
    Case(None, (480, 640)),
    Case("yolov8n-pose.yaml", (640, 640)),
    Case("yolo26n-pose.yaml", (640, 640)),
    Case("yolov8n-pose.yaml", (320, 320), classes=3, keypoints=(21, 2)),
    Case("yolo26n-pose.yaml", (480, 640), classes=3, keypoints=(21, 2)),
)

PAIRS = (("node", "onnx"), ("node", "torch"), ("torch", "float64"))
"""What is compared with what; the last pair shows how much of a difference is float32's own rounding."""

BROWSERS = (("wasm", (640, 640), 10), ("webgl", (640, 640), 2), ("webgpu", (64, 64), 2))
"""Backend, input size, number of photos: WebGL and WebGPU take their time where there is no GPU."""


@dataclass
class Results:
    """Everything that was measured, as ``results/conversion.json`` holds it."""

    environment: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    engines: dict[str, Any] = field(default_factory=dict)
    agreement: list[dict[str, Any]] = field(default_factory=list)
    browsers: list[dict[str, Any]] = field(default_factory=list)
    bars: list[dict[str, Any]] = field(default_factory=list)


def measure_costs(results: Results, workspace: Path, engines: list[str]) -> None:
    """Measure whole conversions in child processes, and compare the bytes of those of the direct engine."""
    program = [sys.executable, "-m", "yolo_edge"]
    cost_of([*program, "-q", "convert", MODEL, "-o", workspace / "first"])  # fetches the weights, fills the disk cache
    results.costs["help"] = asdict(least([cost_of([*program, "--help"]) for _ in range(5)]))
    for engine in engines:
        costs = []
        for run in range(RUNS[engine]):
            target = workspace / f"{engine}-{run}"
            costs.append(cost_of([*program, "-q", "convert", MODEL, "-o", target, "--engine", engine]))
        results.engines[engine] = {"runs": RUNS[engine], **asdict(least(costs)), **_size(workspace / f"{engine}-0")}
        _tell(f"{engine}: {least(costs)}")
    directories = [workspace / "first", *(workspace / f"direct-{run}" for run in range(RUNS["direct"]))]
    contents = [{file.name: file.read_bytes() for file in directory.iterdir()} for directory in directories]
    results.costs["identical_conversions"] = len(contents) if all(c == contents[0] for c in contents) else 0


def _size(directory: Path) -> dict[str, Any]:
    topology = json.loads((directory / "model.json").read_text())["modelTopology"]["node"]
    kinds = [node["op"] for node in topology if node["op"] not in ("Const", "Placeholder")]
    outputs = kinds.count("Identity")  # the node that gives the output its name runs nothing
    manifest = json.loads((directory / "manifest.json").read_text())
    return {
        "operations": manifest["model"]["operations"],
        "identities": outputs,
        "transposes": kinds.count("Transpose"),
        "model_json_bytes": (directory / "model.json").stat().st_size,
        "raw_bytes": manifest["raw_bytes"],
        "wire_bytes": manifest["wire_bytes"],
    }


def measure_lowering(results: Results, workspace: Path, weights: Path) -> None:
    """Measure ONNX → model.json and shards alone, imports and export not counted."""
    from yolo_edge.checkpoint.export import export_checkpoint
    from yolo_edge.lowering.engine import find_engine
    from yolo_edge.tfjs.manifest import write_model

    model = export_checkpoint(weights).model
    for name, row in results.engines.items():
        engine, costs = find_engine(name), []
        for _ in range(LOWERING_RUNS[name]):
            target = Path(tempfile.mkdtemp(dir=workspace))
            cpu, wall = cpu_seconds(), time.perf_counter()
            write_model(engine.lower(model, {}), target)
            costs.append(Cost(cpu_seconds() - cpu, time.perf_counter() - wall, None))
        row["lowering_runs"] = LOWERING_RUNS[name]
        row["lowering_cpu_seconds"], row["lowering_wall_seconds"] = least(costs).cpu_seconds, least(costs).wall_seconds


def measure_agreement(results: Results, workspace: Path, weights: Path) -> None:
    """Compare TF.js wasm in Node with onnxruntime and torch on ten photos."""
    from benchmarks.agreement import compare, compare_persons, double_precision_outputs, outputs_of
    from benchmarks.photos import calibration_batch, ten_photos
    from tests.nets import save_untrained_net
    from yolo_edge.runtime.base import open_runtime
    from yolo_edge.verbs.convert import convert

    photos = ten_photos()
    for index, case in enumerate(CASES):
        checkpoint = weights
        if case.config:
            shape: dict[str, Any] = {"classes": case.classes, "keypoints": case.keypoints}
            net = workspace / f"net-{index}.pt"
            checkpoint = save_untrained_net(net, case.config, calibration=calibration_batch(photos), **shape)
        directory = workspace / f"case-{index}"
        head = convert(checkpoint, directory, imgsz=f"{case.size[0]}x{case.size[1]}", onnx="keep").manifest.head
        answers: dict[str, Any] = {"float64": double_precision_outputs(checkpoint, head, photos)}
        for name, source in (("node", directory), ("onnx", directory / "model.onnx"), ("torch", checkpoint)):
            with open_runtime(name, source) as runtime:
                answers[name] = outputs_of(runtime, head, photos)
        for one, other in PAIRS:
            row = {"case": case.name, "of": one, "against": other, "photos": len(photos)}
            row |= asdict(compare(answers[one], answers[other], head))
            if case.config is None and one == "node":
                row |= asdict(compare_persons(answers[one], answers[other], head, photos))
            results.agreement.append(row)
            _tell(str(row))


def measure_browsers(results: Results, workspace: Path, weights: Path) -> None:
    """Compare TF.js in Chromium with onnxruntime."""
    from benchmarks.agreement import compare, compare_persons, outputs_of
    from benchmarks.photos import ten_photos
    from yolo_edge.runtime.base import open_runtime
    from yolo_edge.verbs.convert import convert

    for backend, size, count in BROWSERS:
        photos = ten_photos()[:count]
        directory = workspace / f"browser-{backend}"
        head = convert(weights, directory, imgsz=f"{size[0]}x{size[1]}", onnx="keep").manifest.head
        with open_runtime("onnx", directory / "model.onnx") as runtime:
            expected = outputs_of(runtime, head, photos)
        with open_runtime(f"browser:{backend}", directory) as runtime:
            found = outputs_of(runtime, head, photos)
            adapter = getattr(runtime, "facts", {}).get("adapter", "")
        row = {"backend": backend, "size": f"{size[0]}x{size[1]}", "adapter": adapter, "photos": len(photos)}
        row |= asdict(compare(found, expected, head)) | asdict(compare_persons(found, expected, head, photos))
        results.browsers.append(row)
        _tell(str(row))


def check_bars(results: Results) -> None:
    """Hold what was measured against the bars of the project."""

    def bar(what: str, value: float, limit: float, *, at_least: bool = False) -> None:
        met = value >= limit if at_least else value <= limit
        sign = "≥" if at_least else "≤"
        results.bars.append({"what": what, "value": value, "bar": f"{sign} {limit:g}", "met": bool(met)})

    direct, other = results.engines["direct"], results.engines.get("tensorflow")
    bar("non-const operations", direct["operations"], BARS["operations"])
    bar("transposes", direct["transposes"], BARS["transposes"])
    bar("ONNX → model.json, s", direct["lowering_wall_seconds"], BARS["lowering_seconds"])
    bar(".pt → TF.js, CPU s", direct["cpu_seconds"], BARS["cpu_seconds"])
    bar(".pt → TF.js, peak MB", direct["peak_megabytes"], BARS["peak_megabytes"])
    if other:
        times = other["cpu_seconds"] / direct["cpu_seconds"]
        bar("times faster than the tensorflow engine, CPU", times, BARS["times_faster"], at_least=True)
    bar("yolo-edge --help, CPU s", results.costs["help"]["cpu_seconds"], BARS["help_cpu_seconds"])
    bar("conversions with identical bytes", results.costs["identical_conversions"], 2, at_least=True)
    rows = [row for row in results.agreement if row["of"] == "node"] + results.browsers
    bar("box, px, worst of all rows", max(row["boxes"] for row in rows), BARS["pixels"])
    bar("keypoint, px, worst of all rows", max(row["keypoints"] for row in rows), BARS["pixels"])
    bar("score, worst of all rows", max(row["scores"] for row in rows), BARS["scores"])
    bar("rows with another number of persons", sum(row.get("persons", 0) is None for row in rows), 0)


def markdown(results: Results) -> str:
    """Write the results as tables."""
    environment = results.environment
    lines = [
        f"Measured {environment['date']} on {environment['cores']} cores ({environment['processor']}), load average "
        f"{environment['load_before']:.1f} before and {environment['load_after']:.1f} after, other work running. "
        + ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
        + ".",
        "",
        "### Bars",
        "",
        *_table(
            ("what", "measured", "bar", "met"),
            (
                (row["what"], f"{row['value']:.4g}", row["bar"], "yes" if row["met"] else "**no**")
                for row in results.bars
            ),
        ),
        "",
        f"### Engines: {MODEL} at 640 px, float32",
        "",
        *_engine_table(results.engines),
        "",
        "### Direct engine, TF.js wasm in Node, against onnxruntime and torch",
        "",
        *_table(
            ("net, input, head", "of", "against", *_APART_TITLES),
            ((row["case"], _NAMES[row["of"]], _NAMES[row["against"]], *_apart_cells(row)) for row in results.agreement),
        ),
    ]
    if results.browsers:
        cells = (
            (f"{row['backend']} ({row['adapter']})", row["size"], row["photos"], *_apart_cells(row))
            for row in results.browsers
        )
        lines += ["", f"### Chromium against onnxruntime, {MODEL}", ""]
        lines += _table(("backend", "input", "photos", *_APART_TITLES), cells)
    return "\n".join(lines)


_NAMES = {"node": "TF.js", "onnx": "onnxruntime", "torch": "torch", "float64": "torch, float64"}
_APART_TITLES = ("box, px", "keypoint, px", "score", "visibility", "persons", "their keypoints, px")


def _apart_cells(row: dict[str, Any]) -> list[str]:
    numbers = [f"{row['boxes']:.5f}", f"{row['keypoints']:.5f}", f"{row['scores']:.1e}", f"{row['visibility']:.1e}"]
    if "persons" not in row:
        return [*numbers, "", ""]
    if row["persons"] is None:
        return [*numbers, "**differ**", ""]
    return [*numbers, str(row["persons"]), f"{row['person_keypoints']:.5f}"]


def _engine_table(engines: dict[str, Any]) -> list[str]:
    rows = {
        "`.pt` → directory, CPU s": "{cpu_seconds:.1f}",
        "`.pt` → directory, wall s": "{wall_seconds:.1f}",
        "runs (the least is shown)": "{runs}",
        "peak memory of the largest process, MB": "{peak_megabytes:.0f}",
        "ONNX → `model.json` and shards, CPU s": "{lowering_cpu_seconds:.2f}",
        "ONNX → `model.json` and shards, wall s": "{lowering_wall_seconds:.2f}",
        "runs of that": "{lowering_runs}",
        "non-const operations": "{operations}",
        "of them transposes": "{transposes}",
        "`model.json`, bytes": "{model_json_bytes:,}",
        "raw bytes": "{raw_bytes:,}",
        "wire bytes": "{wire_bytes:,}",
    }
    cells = ([label, *(pattern.format(**row) for row in engines.values())] for label, pattern in rows.items())
    return _table(("", *engines), cells)


def _table(titles: Any, rows: Any) -> list[str]:
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def put_into_readme(table: str) -> None:
    """Replace what stands between the two marks of ``benchmarks/README.md``."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _environment() -> dict[str, Any]:
    names = ("yolo-edge", "torch", "ultralytics", "onnx", "onnxruntime", "onnxslim", "tensorflow", "onnx2tf")
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "versions": {"Python": platform.python_version(), **versions},
    }


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> int:
    """Measure everything, write the results, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-tensorflow", action="store_true", help="leave the tensorflow engine out")
    parser.add_argument("--without-browser", action="store_true", help="leave Chromium out")
    options = parser.parse_args()
    results = Results(environment=_environment())
    with tempfile.TemporaryDirectory(prefix="yolo-edge-bench-") as scratch:
        workspace = Path(scratch)
        measure_costs(results, workspace, ["direct"] if options.without_tensorflow else ["direct", "tensorflow"])
        from yolo_edge.checkpoint.source import resolve_source

        weights = resolve_source(MODEL)
        measure_lowering(results, workspace, weights)
        measure_agreement(results, workspace, weights)
        if not options.without_browser:
            measure_browsers(results, workspace, weights)
    results.environment["load_after"] = os.getloadavg()[0]
    check_bars(results)
    table = markdown(results)
    print(table)
    is_whole = not (options.without_tensorflow or options.without_browser)
    if is_whole:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(asdict(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        put_into_readme(table)
    return 0 if all(row["met"] for row in results.bars) else 1


if __name__ == "__main__":
    sys.exit(main())
