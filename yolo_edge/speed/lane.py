"""Where models are raced: a lane is one model in a Node process or a page of its own, a host opens lanes of a backend.

A host is found by the name of its runtime and used as a context manager. What a lane is told, and what it can be asked,
stands in ``js/lane.mjs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from yolo_edge.errors import YoloEdgeError
from yolo_edge.runtime.base import RuntimeKind
from yolo_edge.runtime.browser import (
    ask_page,
    close_page,
    find_browser,
    has_gpu,
    open_chromium,
    open_page,
)
from yolo_edge.runtime.child import NodeChild
from yolo_edge.runtime.loopback import LoopbackServer, tfjs_files
from yolo_edge.runtime.packages import SCRIPTS as RUNTIME_SCRIPTS
from yolo_edge.runtime.packages import find_node, tfjs_packages
from yolo_edge.speed.contender import INPUT_FORMS, Contender
from yolo_edge.speed.peers import SCRIPTS

ANSWER_SECONDS = 600.0
"""Longest wait for one answer: software WebGPU compiles for minutes."""

_ACTIONS = {"open": "load", "frame": "run", "find": "find persons with", "inspect": "inspect", "kernels": "profile"}
"""The jobs of a lane, in words."""

_PACKAGE = Path(__file__).parents[1]
_SERVED_SCRIPTS = (SCRIPTS, RUNTIME_SCRIPTS, _PACKAGE / "web")


@dataclass(frozen=True)
class Track:
    """What all lanes of a race share.

    Attributes:
        lab: directory with the inputs and the photo; see :func:`yolo_edge.speed.race.prepare_lab`.
        photo_size: height and width of the photo, pixels.
        threads: of WebAssembly in pages. Node has one: TensorFlow.js has no more there.
        onnxruntime: the bundle of onnxruntime-web; None where it is not raced.
        litert: the folder of the packages of LiteRT.js; None where it is not raced.
        browser_path: Chromium; None looks for one.
    """

    lab: Path
    photo_size: tuple[int, int]
    threads: int = 1
    onnxruntime: Path | None = None
    litert: Path | None = None
    browser_path: Path | None = None


def input_file(contender: Contender) -> str:
    """Return the name of a contender's input in the lab."""
    height, width = contender.image_size
    return f"{contender.input_form.replace(' ', '-')}-{height}x{width}.bin"


PHOTO_FILE = "photo.bin"
"""The photo in the lab: RGBA, a byte a value."""


class Lane(Protocol):
    """One loaded model."""

    facts: dict[str, Any]

    def ask(self, job: str, argument: Any = None) -> dict[str, Any]:
        """Have a job done.

        Raises:
            ModelError: the model or the process failed.
        """

    def close(self) -> None:
        """End what the lane runs, so that it takes no time from the others. May be called twice."""


class Host(Protocol):
    """Opens lanes."""

    def open_lane(self, contender: Contender) -> Lane:
        """Load a model and predict once.

        Raises:
            MissingComponentError: the backend is not available.
            ModelError: the model cannot be loaded or run.
        """


def _order(contender: Contender, track: Track, folder: str, **host: str | int) -> dict[str, Any]:
    """Return what a lane is told.

    Args:
        contender: what it is to run.
        track: what all lanes share.
        folder: where the lane finds the contender's files.
        host: ``backend``, ``threads``, and where the lane finds ``lab``, ``onnxruntime`` and, in pages, ``litert``.
    """
    form = INPUT_FORMS[contender.input_form]
    height, width = track.photo_size
    return {
        **host,
        "runner": contender.runner,
        "folder": folder,
        "file": contender.file,
        "input": {"file": input_file(contender), "dtype": form.dtype, "shape": form.shape(contender.image_size)},
        "outputs": list(contender.outputs),
        "decode": contender.decode,
        "photo": {"file": PHOTO_FILE, "height": height, "width": width},
        "contract": contender.contract,
        "keypointNames": list(contender.keypoint_names),
        "flags": dict(contender.flags),
    }


class NodeLane:
    """A lane in a Node process; ``child`` must be closed by whoever opened it."""

    def __init__(self, child: NodeChild, order: dict[str, Any]) -> None:
        self._child = child
        self.facts = self.ask("open", order)

    def ask(self, job: str, argument: Any = None) -> dict[str, Any]:
        """See :class:`Lane`."""
        return self._child.exchange(_ACTIONS[job], ANSWER_SECONDS, {"job": job, "argument": argument or {}})[0]

    def close(self) -> None:
        """See :class:`Lane`."""
        self._child.close()


class NodeHost:
    """Opens lanes in Node; what ends them goes onto ``stack``."""

    def __init__(self, stack: ExitStack, track: Track) -> None:
        self._stack, self._track = stack, track
        self._node, self._packages = find_node(), tfjs_packages()

    def open_lane(self, contender: Contender) -> NodeLane:
        """See :class:`Host`."""
        child = NodeChild([self._node.path, SCRIPTS / "worker.mjs", self._packages], contender.name)
        self._stack.callback(child.close)
        lab, bundle = str(self._track.lab.absolute()), str(self._track.onnxruntime or "")
        host: dict[str, str | int] = {"backend": "wasm", "threads": 1, "lab": lab, "onnxruntime": bundle}
        return NodeLane(child, _order(contender, self._track, str(contender.folder.absolute()), **host))


class PageLane:
    """A lane in a page."""

    def __init__(self, page: Any, server: LoopbackServer, source: Path, place: str, order: dict[str, Any]) -> None:
        self._page, self._server, self._source, self._place = page, server, source, place
        self.facts = self.ask("open", order)

    def ask(self, job: str, argument: Any = None) -> dict[str, Any]:
        """See :class:`Lane`."""
        return ask_page(
            *(self._page, self._server, self._source, job, argument or {}),
            action=_ACTIONS[job],
            place=self._place,
            seconds=ANSWER_SECONDS,
        )

    def close(self) -> None:
        """See :class:`Lane`."""
        close_page(self._page)


class PageHost:
    """Opens lanes in pages of one Chromium; what ends it goes onto ``stack``."""

    def __init__(self, stack: ExitStack, track: Track, kind: RuntimeKind, contenders: Sequence[Contender]) -> None:
        self._track, self._kind = track, kind
        unique = dict.fromkeys(contender.folder for contender in contenders)
        self._folders = {folder: f"model{index}" for index, folder in enumerate(unique)}
        program = find_browser(track.browser_path)
        folders = {name: folder for folder, name in self._folders.items()} | {"lab": track.lab}
        if track.onnxruntime is not None:
            folders["onnxruntime"] = track.onnxruntime.parent
        if track.litert is not None:
            folders["litert"] = track.litert
        self._server = LoopbackServer(folders, page_files(tfjs_packages()))
        stack.callback(self._server.close)
        self._browser = open_chromium(stack, program, software_rendering=not has_gpu())

    def open_lane(self, contender: Contender) -> PageLane:
        """See :class:`Host`."""
        page = open_page(self._browser, f"{self._server.base_url}speed/js/page.html")
        bundle = f"onnxruntime/{self._track.onnxruntime.name}" if self._track.onnxruntime else ""
        host: dict[str, str | int] = {
            **{"backend": str(self._kind.backend), "threads": self._track.threads},
            **{"lab": "lab", "onnxruntime": bundle, "litert": "litert"},
        }
        order = _order(contender, self._track, self._folders[contender.folder], **host)
        try:
            return PageLane(page, self._server, contender.folder, f"{contender.name} in {self._kind.name}", order)
        except YoloEdgeError:
            close_page(page)
            raise


def page_files(packages: Path) -> dict[str, Path]:
    """Return what the page of a lane needs: path → file, laid out as in this package, so that scripts find each other.

    Args:
        packages: ``node_modules`` with TensorFlow.js.
    """
    found = tfjs_files(packages)
    for folder in _SERVED_SCRIPTS:
        for path in folder.iterdir():
            if path.suffix in (".js", ".mjs", ".html"):
                found[path.relative_to(_PACKAGE).as_posix()] = path
    return found


@contextmanager
def open_host(kind: RuntimeKind, track: Track, contenders: Sequence[Contender]) -> Iterator[Host]:
    """Open the host of a runtime; all its lanes end with the block.

    Args:
        kind: of :data:`yolo_edge.runtime.base.RUNTIMES`, one that runs directories.
        track: what all lanes share.
        contenders: those that may be loaded.

    Raises:
        MissingComponentError: Node, a browser or a Python package is not there.
        NetworkError: TensorFlow.js is not in the cache and npm cannot fetch it.
    """
    with ExitStack() as stack:
        yield NodeHost(stack, track) if kind.module == "node" else PageHost(stack, track, kind, contenders)
