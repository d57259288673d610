"""Stages of long work, each of whose outputs is named by a hash of all that decides it.

An output lies in the work directory as ``<kind>/<label>-<hash>``, whole or not at all. So a stage whose output is there
need not run again, and work that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from yolo_edge.console import say
from yolo_edge.errors import ConflictError, UsageError
from yolo_edge.files import explained, is_whole, staged_directory

State = Literal["made", "reused", "not needed", "to make"]

_KEY_DIGITS = 16
_PACKAGE = Path(__file__).parents[1]
_CODE = (".py", ".js", ".mjs", ".json", ".yaml", ".html", ".css")
_LIBRARIES = (
    *("brotli", "numba", "numpy", "onnx", "onnxruntime", "onnxslim", "opencv-python", "pillow", "playwright"),
    *("pycocotools", "torch", "torchvision", "ultralytics"),
)


@dataclass(frozen=True)
class Stage:
    """One piece of work.

    Attributes:
        name: what people call it.
        output: the directory that it makes.
    """

    name: str
    output: Path


@dataclass(frozen=True)
class StageRun:
    """What became of a stage.

    Attributes:
        name: of the stage.
        state: ``to make`` in a dry run; ``not needed`` where nothing asked for its output.
        seconds: wall time it took; other stages that it waited for are not counted.
        output: where its output lies; None where it leaves none in the work directory.
    """

    name: str
    state: State
    seconds: float
    output: Path | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready values."""
        values = asdict(self)
        return {**values, "seconds": round(self.seconds, 2), "output": self.output and str(self.output)}


class Workshop:
    """A work directory, and what was done in it.

    Args:
        root: the directory; made when it is first written to.
        dry_run: make nothing.
        forced: names of stages to run though their output is there.
    """

    def __init__(self, root: Path, *, dry_run: bool = False, forced: Iterable[str] = ()) -> None:
        self.root, self.dry_run = root, dry_run
        self._forced = set(forced)
        self._runs: dict[str, StageRun] = {}

    def expect(self, names: Iterable[str]) -> None:
        """Set the order in which stages are reported.

        Raises:
            UsageError: a stage is forced that is none of these.
        """
        self._runs = {name: StageRun(name, "not needed", 0.0, None) for name in names}
        unknown = sorted(self._forced - set(self._runs))
        if unknown:
            raise UsageError(f"There is no stage {unknown[0]!r}.", fix=f"Stages are: {', '.join(self._runs)}.")

    def stage(self, name: str, kind: str, label: str, parts: Iterable[str]) -> Stage:
        """Name a stage's output.

        Args:
            name: of the stage.
            kind: folder of the work directory.
            label: what people recognise the output by.
            parts: everything that decides it, beside the code and its libraries, which are added.
        """
        text = "\n".join([code_digest(), *parts])
        return Stage(name, self.root / kind / f"{label}-{hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]}")

    def has(self, stage: Stage) -> bool:
        """Tell whether a stage's output is there, unchanged, and wanted."""
        return stage.name not in self._forced and is_whole(stage.output)

    def run(self, stage: Stage, make: Callable[[Path], None]) -> Path | None:
        """Return a stage's output, made by ``make`` in an empty directory where it is not there.

        Args:
            stage: which.
            make: fills the directory, ``manifest.json`` included.

        Returns:
            The directory; None in a dry run that would make it.

        Raises:
            OutputError: the work directory cannot be written.
        """
        if self.has(stage):
            say(f"{stage.name}: reused")
            self.note(stage.name, "reused", 0.0, stage.output)
            return stage.output
        if self.dry_run:
            self.note(stage.name, "to make", 0.0, stage.output)
            return None
        started, waited = time.monotonic(), self._seconds()
        with staged_directory(stage.output, force=True) as directory:
            make(directory)
        seconds = time.monotonic() - started - (self._seconds() - waited)
        self._forced.discard(stage.name)
        self.note(stage.name, "made", seconds, stage.output)
        return stage.output

    def note(self, name: str, state: State, seconds: float = 0.0, output: Path | None = None) -> None:
        """Write down what became of a stage."""
        self._runs[name] = StageRun(name, state, seconds, output)

    @property
    def runs(self) -> tuple[StageRun, ...]:
        """What became of every stage, in the order of :meth:`expect`."""
        return tuple(self._runs.values())

    def _seconds(self) -> float:
        return sum(run.seconds for run in self._runs.values())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others out of the work directory.

        Raises:
            ConflictError: somebody else is at work in it.
        """
        if self.dry_run:
            yield
            return
        from filelock import FileLock, Timeout

        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0, is_singleton=False)
            try:
                lock.acquire()
            except Timeout as error:
                raise ConflictError(
                    f"Another release is at work in {self.root}.", fix="Wait for it, or give another --work."
                ) from error
        try:
            yield
        finally:
            lock.release()


@cache
def code_digest() -> str:
    """Return a sha256 over this package's code and the versions of the libraries that shape what it makes.

    The version number alone would not do: an installation from a working copy keeps it while the code changes.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in _CODE and path.is_file():
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for name in _LIBRARIES:
        try:
            digest.update(f"{name} {metadata.version(name)}\n".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()
