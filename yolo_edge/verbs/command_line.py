"""The command line that repeats a validation, as its report tells it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from yolo_edge.validation.candidate import LAYOUTS

REFERENCE_RUNTIMES = ("onnx", "torch")
"""What runs the float model; the first by default."""


def told_path(path: str | Path) -> str:
    """Return a path as a report may tell it: an absolute one by its last part alone, since reports are published."""
    return Path(path).name if Path(path).is_absolute() else str(path)


def validation_command(
    models: Sequence[str | Path],
    runtimes: Sequence[str],
    *,
    benchmark: str | Path | None,
    reference: str | Path | None,
    reference_runtime: str,
    recipe: str | Path | None,
    limit: int | None,
    frames_per_second: float | None,
    layout: str,
    seed: int,
    timing: bool,
    trust: bool,
) -> str:
    """Return the command line of a validation, without what was left at its default.

    What is not explained here is as :func:`yolo_edge.validate` takes it; ``models`` are the directories as they were
    given, ``runtimes`` what ran them.
    """
    paths = {"--benchmark": benchmark, "--reference": reference, "--recipe": recipe}
    options = {option: None if path is None else told_path(path) for option, path in paths.items()} | {
        "--reference-runtime": None if reference_runtime == REFERENCE_RUNTIMES[0] else reference_runtime,
        "--limit": limit,
        "--frames-per-second": frames_per_second,
        "--layout": None if layout == LAYOUTS[0] else layout,
        "--seed": seed or None,
    }
    words = ["yolo-edge", "validate", *map(told_path, models)]
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
    words += ([] if timing else ["--no-timing"]) + (["--trust"] if trust else [])
    for runtime in runtimes:
        words += ["--runtime", runtime]
    return shlex.join(words)
