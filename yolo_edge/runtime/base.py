"""One way to run a model, whatever runs it.

A runtime takes letterboxed photos as TensorFlow.js does (NHWC, RGB, 0-1) and answers the output tensor of the ONNX
export. They are found by name in :data:`RUNTIMES`, opened by :func:`open_runtime`, and used as context managers::

    with open_runtime("node", Path("models/yolo11n")) as runtime:
        output = runtime.run(images)
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import MissingComponentError, ModelError, UsageError, YoloEdgeError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.tfjs.manifest import MODEL_FILE

ENGINE_ERRORS: dict[str, type[YoloEdgeError]] = {"backend": MissingComponentError, "model": ModelError}
"""What ``js/engine.mjs`` says is at fault → the error that is raised for it."""

_ENGINE_FIXES = {
    "backend": "Try another runtime: browser:wasm runs everywhere.",
    "model": "Convert the model again if its files were changed, or try another runtime.",
}


def raise_engine_error(answer: Mapping[str, Any], what: str) -> None:
    """Raise what the answer of a page or a Node process says went wrong, if anything did.

    Args:
        answer: with ``error`` and ``kind``, as ``describe`` of ``js/engine.mjs`` writes them, where a job failed.
        what: the job, as ``Node could not load the model``.

    Raises:
        MissingComponentError: the backend is not available.
        ModelError: the model cannot be loaded or run.
    """
    if "error" in answer:
        raise ENGINE_ERRORS[answer["kind"]](f"{what}: {answer['error']}.", fix=_ENGINE_FIXES[answer["kind"]])


SourceKind = Literal[".pt", ".onnx", "directory"]


@dataclass
class Timings:
    """Wall seconds, filled in as a runtime works. A TF.js runtime measures inside its own process.

    Attributes:
        load: from the start of the process, or the reading of the file, to a model that is ready to warm up.
        first_run: the warm-up on zeros: shader compilation, weights decoded by an initializer graph. None where a
            runtime has no warm-up.
        runs: each :meth:`Runtime.run` since, without the transfer of input and output between processes.
    """

    load: float = 0.0
    first_run: float | None = None
    runs: list[float] = field(default_factory=list)


class Runtime(Protocol):
    """Runs one model. Not safe for use by several threads at once."""

    name: str
    timings: Timings

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the model on one letterboxed photo.

        Args:
            images: float32 ``[1, H, W, 3]``, RGB, 0-1.

        Returns:
            The output tensor, float32, laid out as :mod:`yolo_edge.pose.head` says: ``[1, C, N]`` or ``[1, M, C]``.

        Raises:
            UsageError: ``images`` has another shape or dtype than the model takes.
            ModelError: the model cannot be run; the message holds what the engine said.
        """

    def close(self) -> None:
        """End what the runtime started. May be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BaseRuntime(ABC):
    """What all runtimes share: the check of the input, the clock, and the context manager."""

    name: str
    source: Path

    def __init__(self, name: str, source: Path) -> None:
        self.name = name
        self.source = source
        self.timings = Timings()

    @abstractmethod
    def _input_shape(self) -> tuple[int | None, ...] | None:
        """The shape the model takes, ``[1, H, W, 3]``; None for a size (or all) that it leaves open."""

    @abstractmethod
    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Run on checked, contiguous images; return the output and the seconds it took."""

    @abstractmethod
    def close(self) -> None:
        """End what the runtime started. May be called twice."""

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :meth:`Runtime.run`."""
        self._check(images)
        output, seconds = self._compute(np.ascontiguousarray(images))
        self.timings.runs.append(seconds)
        return output

    def _check(self, images: NDArray[np.float32]) -> None:
        fix = "Letterbox the photo with yolo_edge.pose.letterbox.letterbox to the size of the model."
        if images.dtype != np.float32 or images.ndim != 4 or images.shape[0] != 1 or images.shape[3] != 3:
            raise UsageError(
                f"A runtime takes float32 images [1, H, W, 3], these are {images.dtype} {list(images.shape)}.", fix=fix
            )
        wanted = self._input_shape()
        if wanted is None:
            return
        if len(wanted) != 4 or any(size not in (None, given) for size, given in zip(wanted, images.shape, strict=True)):
            raise UsageError(
                f"{self.source} takes images of shape {list(wanted)}, these are {list(images.shape)}.", fix=fix
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class RuntimeKind:
    """An entry of the registry.

    Attributes:
        name: as users write it.
        description: one line for help texts.
        takes: the kind of source it runs.
        module: module below ``yolo_edge.runtime`` that holds it; imported when it is opened.
        options: the names of the options it takes.
        backend: the TF.js backend to ask for, where that applies.
    """

    name: str
    description: str
    takes: SourceKind
    module: str
    options: frozenset[str] = frozenset()
    backend: str | None = None

    def open(self, source: Path, **options: Any) -> Runtime:
        """Import the module and open ``source`` with it."""
        opener: Callable[..., Runtime] = import_module(f"yolo_edge.runtime.{self.module}").open_model
        if self.backend is not None:
            options["backend"] = self.backend
        return opener(source, **options)


def _browser(backend: str, description: str) -> RuntimeKind:
    options = frozenset({"browser_path", "run_seconds", "software_rendering"})
    return RuntimeKind(f"browser:{backend}", description, "directory", "browser", options, backend)


RUNTIMES: dict[str, RuntimeKind] = {
    kind.name: kind
    for kind in (
        RuntimeKind("torch", "PyTorch, the checkpoint itself", ".pt", "torch", frozenset({"trust"})),
        RuntimeKind("onnx", "ONNX Runtime on the CPU", ".onnx", "onnx", frozenset({"threads"})),
        RuntimeKind(
            "node", "TF.js WebAssembly in Node", "directory", "node", frozenset({"threads", "run_seconds"}), "wasm"
        ),
        _browser("wasm", "TF.js WebAssembly in Chromium"),
        _browser("webgl", "TF.js WebGL in Chromium"),
        _browser("webgpu", "TF.js WebGPU in Chromium"),
        _browser("cpu", "TF.js plain JavaScript in Chromium (slow; for comparison)"),
    )
}

DIRECTORY_RUNTIMES = tuple(kind.name for kind in RUNTIMES.values() if kind.takes == "directory")
"""Those that run converted directories."""

ALIASES: dict[str, str] = {"browser": "browser:wasm"}
"""Short names."""

DEFAULT_RUNTIMES: dict[SourceKind, str] = {".pt": "torch", ".onnx": "onnx", "directory": "node"}
"""What runs a source when nothing is asked for."""


def source_kind(source: Path) -> SourceKind:
    """Tell what kind of model ``source`` is, by its suffix or its being a directory with a ``model.json``.

    Raises:
        ModelError: there is nothing at ``source``, or it is none of the kinds.
    """
    if source.is_dir():
        if (source / MODEL_FILE).is_file():
            return "directory"
        raise ModelError(
            f"{source} is not a converted model: it holds no model.json.", fix="Make one with: yolo-edge convert"
        )
    if not source.exists():
        raise ModelError(f"The model {source} does not exist.", fix="Check the path.")
    suffix = source.suffix.lower()
    if suffix == ".pt":
        return ".pt"
    if suffix == ".onnx":
        return ".onnx"
    raise ModelError(
        f"{source} is not a model that can be run.", fix="Give a .pt, an .onnx, or a directory that convert made."
    )


def find_runtime(name: str, source: Path) -> RuntimeKind:
    """Look a runtime up, and check that it takes ``source``.

    Args:
        name: a name of :data:`RUNTIMES`, an alias, or ``auto`` for the one of :data:`DEFAULT_RUNTIMES`.
        source: a ``.pt``, an ``.onnx``, or a converted directory.

    Raises:
        UsageError: there is no such runtime, or it runs another kind of model.
        ModelError: ``source`` is no model at all.
    """
    kind = source_kind(source)
    name = DEFAULT_RUNTIMES[kind] if name == "auto" else ALIASES.get(name, name)
    runtime = RUNTIMES.get(name)
    if runtime is None:
        raise UsageError(f"There is no runtime '{name}'.", fix=f"Choose one of: auto, {', '.join(RUNTIMES)}.")
    if runtime.takes != kind:
        fitting = ", ".join(other.name for other in RUNTIMES.values() if other.takes == kind)
        takes = "a converted directory" if runtime.takes == "directory" else f"a {runtime.takes} file"
        raise UsageError(f"The runtime '{name}' runs {takes}, {source} is not one.", fix=f"Choose one of: {fitting}.")
    return runtime


def directory_runtimes(
    names: Iterable[str],
    *,
    others: Sequence[str] = (),
    unknown: str = "There is no runtime '{name}' for converted directories.",
) -> tuple[str, ...]:
    """Look up runtimes that run converted directories: aliases resolved, each once.

    Args:
        names: as users write them.
        others: names that are allowed besides, and stay as they are.
        unknown: what is said of another name.

    Raises:
        UsageError: one is neither.
    """
    fitting = (*DIRECTORY_RUNTIMES, *others)
    found = tuple(dict.fromkeys(ALIASES.get(name, name) for name in names))
    for name in found:
        if name not in fitting:
            raise UsageError(unknown.format(name=name), fix=f"Choose of: {', '.join(fitting)}.")
    return found


def open_runtime(name: str, source: Path, **options: Any) -> Runtime:
    """Load a model into a runtime.

    Args:
        name: see :func:`find_runtime`.
        source: a ``.pt``, an ``.onnx``, or a converted directory.
        options: what the runtime's :class:`RuntimeKind` lists, e.g. ``browser_path`` or ``trust``.

    Raises:
        UsageError: no such runtime or option, or the runtime runs another kind of model.
        ModelError: the model is damaged.
        MissingComponentError: Node, a browser or a Python package is not there.
        NetworkError: the npm packages are not there and could not be fetched.
    """
    kind = find_runtime(name, Path(source))
    unknown = sorted(set(options) - kind.options)
    if unknown:
        raise UsageError(
            f"The runtime '{kind.name}' has no option {', '.join(unknown)}.",
            fix=f"It has: {', '.join(sorted(kind.options)) or 'none'}.",
        )
    return kind.open(Path(source), **options)


def check_bundle(directory: Path) -> None:
    """Refuse a converted directory whose files no longer have the hashes of its ``manifest.json``.

    A directory without a manifest is a TF.js model of other making: there is nothing to check it against.

    Raises:
        ModelError: a file is missing or changed.
    """
    if (directory / MANIFEST_FILE).is_file():
        from yolo_edge.bundle.manifest import verify_directory

        verify_directory(directory)


class Stopwatch:
    """Wall seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start
