"""What a command costs: CPU seconds, wall seconds and peak memory of a child process and its children."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yolo_edge.cache import CACHE_VARIABLE, cache_root

_DOWNLOADS = ("node", "weights", "checkpoints")


@dataclass(frozen=True)
class Cost:
    """The price of one run, or the least of several (each figure on its own).

    Attributes:
        cpu_seconds: user and system, of the process and all its children.
        wall_seconds: as the clock on the wall has it.
        peak_megabytes: largest resident set of any single process among them. None if it is no larger than that of the
            process that measured: Linux starts a child's peak at its parent's, so nothing is known then.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float | None


def cost_of(command: Sequence[str | os.PathLike[str]]) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: the command failed.
    """
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command} failed with exit code {child.returncode}")
    is_its_own = usage.ru_maxrss > 1.05 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = usage.ru_maxrss * 1024 / 1e6 if is_its_own else None
    return Cost(usage.ru_utime + usage.ru_stime, wall, peak)


@contextmanager
def fresh_cache() -> Iterator[None]:
    """Let child processes remember nothing but what was downloaded, which is not what is measured."""
    with tempfile.TemporaryDirectory() as cache:
        for kept in _DOWNLOADS:
            if (cache_root() / kept).exists():
                (Path(cache) / kept).symlink_to(cache_root() / kept)
        before = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = cache
        try:
            yield
        finally:
            os.environ.pop(CACHE_VARIABLE) if before is None else os.environ.update({CACHE_VARIABLE: before})


def least(costs: Sequence[Cost]) -> Cost:
    """Return the least of each figure."""
    return Cost(
        min(cost.cpu_seconds for cost in costs),
        min(cost.wall_seconds for cost in costs),
        min((cost.peak_megabytes for cost in costs if cost.peak_megabytes is not None), default=None),
    )


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children it has waited for, so far."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
