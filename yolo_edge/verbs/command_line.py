"""The command line that repeats a validation, as its report tells it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def told_path(path: str | Path) -> str:
    """Return a path as a report may tell it: an absolute one by its last part alone, since reports are published."""
    return Path(path).name if Path(path).is_absolute() else str(path)


def validation_command(
    models: Sequence[str | Path], options: Mapping[str, object], switches: Mapping[str, bool], runtimes: Sequence[str]
) -> str:
    """Return the command line of a validation.

    Args:
        models: the directories, as they were given.
        options: option → value; None where it was left at its default. Paths are those of :class:`~pathlib.Path`.
        switches: switch → whether it was set.
        runtimes: what ran the directories.
    """
    words = ["yolo-edge", "validate", *map(told_path, models)]
    for option, value in options.items():
        if value is not None:
            words += [option, told_path(value) if isinstance(value, Path) else str(value)]
    words += [switch for switch, is_set in switches.items() if is_set]
    for runtime in runtimes:
        words += ["--runtime", runtime]
    return shlex.join(words)
