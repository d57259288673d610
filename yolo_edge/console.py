"""How long work tells a person what it is doing.

Stages call :func:`say` and :func:`progress`; what happens then is decided by the reporter in use. Python callers get
silence. The CLI installs :class:`TerminalReporter`: a progress bar on a terminal, plain lines elsewhere (CI). All talk
goes to stderr, so that stdout carries results alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType

Advance = Callable[[int], None]
"""Called with the number of units done since the last call."""


class Reporter(Protocol):
    """Where talk and progress go."""

    def say(self, message: str) -> None:
        """Show one line."""

    def progress(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Advance]:
        """Show the progress of ``total`` units of work (None: unknown); the context yields an ``Advance``."""


class SilentReporter:
    """Says nothing: the default for Python callers."""

    def say(self, message: str) -> None:
        """Drop the message."""

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        """Count nothing."""
        yield lambda amount: None


class TerminalReporter:
    """A bar on a terminal, one plain line per stage elsewhere. Always on stderr."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()

    def say(self, message: str) -> None:
        """Print one line to stderr."""
        print(message, file=sys.stderr, flush=True)

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        """Show a bar with time left, or say when a stage starts."""
        if not self._is_terminal:
            amount = f" ({_amount(total, unit)})" if total else ""
            self.say(f"{title}{amount} …")
            yield lambda amount: None
            return
        from rich import progress as bar  # rich takes 50 ms to import: only a terminal pays for it
        from rich.console import Console

        columns: list[bar.ProgressColumn] = [bar.TextColumn("{task.description}"), bar.BarColumn()]
        columns += [bar.DownloadColumn()] if unit == "bytes" else [bar.MofNCompleteColumn()]
        columns += [bar.TimeRemainingColumn()]
        with bar.Progress(*columns, console=Console(stderr=True), transient=True) as display:
            task = display.add_task(title, total=total)
            yield lambda amount: display.advance(task, amount)


def _amount(total: int, unit: str) -> str:
    return f"{total / 1e6:.1f} MB" if unit == "bytes" else counted(total, unit)


def counted(count: int, plural: str) -> str:
    """Write how many there are: ``1 photo``, ``12 photos``.

    Args:
        count: of the things.
        plural: noun that takes no more than an ``s`` (or ``sses``: classes, passes) to be one.
    """
    ending = "es" if plural.endswith("sses") else "s"
    return f"{count} {plural.removesuffix(ending) if count == 1 else plural}"


_reporter: ContextVar[Reporter] = ContextVar("reporter", default=SilentReporter())  # noqa: B039  (it has no state)


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Send all talk inside the block to ``reporter``."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


def say(message: str) -> None:
    """Tell the reader one thing (stderr)."""
    _reporter.get().say(message)


def progress(title: str, total: int | None = None, unit: str = "steps") -> AbstractContextManager[Advance]:
    """Show the progress of a long piece of work.

    Args:
        title: what is being done, as a noun phrase (``"Downloading yolo11n-pose.pt"``).
        total: how many units there are; None when unknown.
        unit: ``"bytes"``, or a plural noun (``"photos"``, ``"layers"``).

    Returns:
        A context manager that yields a function to call with the number of units done since the last call.
    """
    return _reporter.get().progress(title, total, unit)


def print_result(result: RenderableType | list[Any] | dict[str, Any]) -> None:
    """Print a result to stdout: JSON, or a table that fits the terminal."""
    if isinstance(result, list | dict):
        print(json.dumps(result, indent=2), flush=True)
        return
    from rich.console import Console

    # Names of files and texts of errors are shown as they are, brackets too, and addresses whole.
    Console(width=None if sys.stdout.isatty() else 120, markup=False).print(result, crop=False)
