"""Where the time goes: ``python -m benchmarks.stages [COMMAND …]``.

Runs ``convert``, ``quantize --quantize rd``, ``validate`` and ``release`` on yolo11n-pose at 640 px, each in a process
of its own that remembers nothing but downloads, with clocks around the functions of :data:`STAGES`. A clock stands
still while one inside it runs, so the shares add up; what no clock sees is "everything else". Prints a table a command.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cost import fresh_cache
from yolo_edge.quantization.photos import DEFAULT_SAMPLES

STAGES: dict[str, tuple[str, ...]] = {
    "checkpoint checked and loaded": ("checkpoint.safety:examine_checkpoint", "checkpoint.export:_load_checked"),
    "export: traced to ONNX": ("checkpoint.export:_to_onnx",),
    "export: slimmed": ("checkpoint.export:_slimmed",),
    "lowered and written": ("lowering.direct:ENGINE.lower", "tfjs.manifest:serialize_model"),
    "golden vectors": ("bundle.golden:make_golden",),
    "Brotli": ("bundle.compress:_compressed",),
    "calibrated": ("quantization.calibration:calibrate",),
    "rounding prepared": ("quantization.rounding:make_feedback",),
    "steps chosen": ("quantization.allocation:base_for_entropy", "quantization.allocation:entropy_bytes"),
    "rounded": ("quantization.feedback:feedback_codes",),
    "photos, float model and variants": ("validation.observation:observe",),
    "each backend looked at": ("validation.probe:probe",),
    "Chromium started": ("runtime.browser:open_chromium",),
    "times beside float32": ("validation.timing:measure_ratios",),
    "figures and intervals": (
        "validation.agreement:measure_agreement",
        "validation.angles:measure_angles",
        "validation.bootstrap:Resamples.__init__",
    ),
    "report": ("validation.report:write_report",),
    "published": ("verbs.publish:publish",),
}
"""Name of a stage → ``module:function`` below ``yolo_edge``; where one calls another, the inner one's clock runs."""

IMPORTS = "torch and ultralytics imported"
EVERYTHING_ELSE = "everything else"
LEAST_SHARE = 0.01
"""Stages below this share of the wall are part of "everything else"."""

RECIPE = """
name: yolo-lite
version: 1.0.0
source: yolo11n-pose
variants:
  - scheme: int8
  - scheme: rd
    max_bytes: 1.4MB
samples: {samples}
validation:
  runtimes: [node, browser:wasm]
gate:
  mean_oks: 0.5
  first_predict_ratio: 100
  steady_ratio: 100
"""


class Clocks:
    """Seconds by stage; the one that was started last runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a clock around it; on other threads than the first, it is as it was."""
        from threading import current_thread, main_thread

        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            if current_thread() is not main_thread():
                return function(*arguments, **options)
            self._switch()
            self._running.append(stage)
            try:
                return function(*arguments, **options)
            finally:
                self._switch()
                self._running.pop()

        return wrapper

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


def install(clocks: Clocks) -> None:
    """Put the clocks around the functions, before those who import them by name do so."""
    for stage, places in STAGES.items():
        for place in places:
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(f"yolo_edge.{module}")
            *owners, name = path.split(".")
            for part in owners:
                owner = getattr(owner, part)
            wrapped = clocks.timed(stage, getattr(owner, name))
            object.__setattr__(owner, name, wrapped) if owners == ["ENGINE"] else setattr(owner, name, wrapped)
            rebind(wrapped.__wrapped__, wrapped)


def rebind(function: Any, wrapped: Any) -> None:
    """Replace a function in the modules that have imported it by name already."""
    for name, module in list(sys.modules.items()):
        if name.startswith("yolo_edge"):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, wrapped)


def commands(work: Path, samples: int) -> dict[str, Callable[[], object]]:
    """Name → what is measured; ``validate`` finds its model in ``work``."""
    import yolo_edge

    (work / "recipe.yaml").write_text(RECIPE.format(samples=samples))
    return {
        "convert": lambda: yolo_edge.convert("yolo11n-pose", work / "out"),
        "quantize": lambda: yolo_edge.quantize(
            "yolo11n-pose", work / "out", quantize="rd", max_bytes="1.4MB", samples=samples
        ),
        "validate": lambda: yolo_edge.validate(
            work / "model", output=work / "out", runtime=["node", "browser:wasm"], benchmark="builtin"
        ),
        "release": lambda: yolo_edge.release(work / "recipe.yaml", store=str(work / "store"), work=work / "stages"),
    }


def measure(name: str, work: Path, samples: int) -> dict[str, float]:
    """Run a command in this process, and return the seconds of each stage."""
    import yolo_edge

    if name == "validate":
        yolo_edge.convert("yolo11n-pose", work / "model", quantize="int8", calibration="none")
    started = time.perf_counter()
    importlib.import_module("torch")
    importlib.import_module("ultralytics.nn.tasks")
    imported = time.perf_counter() - started
    clocks = Clocks()
    install(clocks)
    run = commands(work, samples)[name]
    started = time.perf_counter()
    run()
    total = time.perf_counter() - started + imported
    seconds = {IMPORTS: imported, **clocks.seconds}
    return {**seconds, EVERYTHING_ELSE: total - sum(seconds.values())}


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Let a number of programs compute without an end beside what is measured."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def print_table(name: str, seconds: dict[str, float]) -> None:
    total = sum(seconds.values())
    shown = {
        stage: spent for stage, spent in seconds.items() if spent >= LEAST_SHARE * total and stage != EVERYTHING_ELSE
    }
    rest = total - sum(shown.values())
    print(f"\n### {name}: {total:.1f} s\n\n| stage | s | share |\n|---|---|---|")
    for stage, spent in [*sorted(shown.items(), key=lambda entry: -entry[1]), (EVERYTHING_ELSE, rest)]:
        print(f"| {stage} | {spent:.2f} | {100 * spent / total:.0f} % |")
    sys.stdout.flush()


def main() -> None:
    names = ("convert", "quantize", "validate", "release")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--samples", type=int, default=DEFAULT_SAMPLES, help="calibration inputs")
    parser.add_argument("--beside", type=int, default=0, help="programs that each keep a core busy meanwhile")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(given.commands[0], Path(scratch), given.samples)))
        return
    for name in given.commands or names:
        with fresh_cache(), busy(given.beside):
            command = [sys.executable, "-m", "benchmarks.stages", "--here", name, "--samples", str(given.samples)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        print_table(name, json.loads(answer.splitlines()[-1]))


if __name__ == "__main__":
    main()
