"""TensorFlow.js in Node: a child process that is spoken to in binary frames.

The protocol is described at the top of ``js/worker.mjs``. The child ends when its stdin closes, or is killed through
its own handle; nothing else is ever stopped.
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ModelError
from yolo_edge.runtime.base import ENGINE_ERRORS, BaseRuntime, Stopwatch, check_bundle
from yolo_edge.runtime.packages import SCRIPTS, find_node, tfjs_packages

START_SECONDS = 180.0
"""Longest wait for a loaded and warmed-up model."""

RUN_SECONDS = 300.0
"""Longest wait for one output."""

_CLOSE_SECONDS = 5.0
_STDERR_TAIL = 800
_LENGTH = struct.Struct("<I")


class NodeRuntime(BaseRuntime):
    """Runs a converted directory with TF.js on its WebAssembly backend (SIMD) in Node.

    Args:
        source: the directory with ``model.json``.
        threads: CPU threads. One by default: its timings are steadier, and sums do not depend on the machine.
        run_seconds: longest wait for one output.
        backend: TF.js backend, ``wasm`` or ``cpu``.

    Attributes:
        facts: what the worker said when it was ready: ``backend``, ``inputShape``, ``versions``.

    Raises:
        MissingComponentError: Node or npm is not installed, or the backend does not start.
        NetworkError: TensorFlow.js is not in the cache and npm cannot fetch it.
        ModelError: the directory's files do not fit their manifest, or TF.js refuses the model.
    """

    def __init__(
        self, source: Path, *, threads: int = 1, run_seconds: float = RUN_SECONDS, backend: str = "wasm"
    ) -> None:
        super().__init__("node", source)
        check_bundle(source)
        node, packages = find_node(), tfjs_packages()
        self._run_seconds = run_seconds
        self._talk: threading.Thread | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        watch = Stopwatch()
        self._child = subprocess.Popen(
            [node.path, SCRIPTS / "worker.mjs", packages, source.absolute(), backend, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        try:
            self.facts, _ = self._within(START_SECONDS, "load the model", self._receive)
        except BaseException:
            self.close()
            raise
        self.timings.first_run = self.facts["firstRunSeconds"]
        self.timings.load = watch.seconds - (self.timings.first_run or 0.0)

    def _input_shape(self) -> tuple[int | None, ...] | None:
        shape = self.facts["inputShape"]
        return tuple(shape) if shape else None

    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        def exchange() -> tuple[dict[str, Any], bytes]:
            self._send({"shape": images.shape}, images.astype("<f4", copy=False))
            return self._receive()

        header, payload = self._within(self._run_seconds, "run the model", exchange)
        return np.frombuffer(payload, dtype="<f4").astype(np.float32).reshape(header["shape"]), header["seconds"]

    def close(self) -> None:
        """Close the child's stdin, which ends it; kill it if it does not end, or is in the middle of something."""
        if self._talk is not None and self._talk.is_alive():
            self._child.kill()
            self._talk.join()
        with contextlib.suppress(OSError):  # a dead child's pipe breaks when the rest of the buffer is flushed
            if self._child.stdin:
                self._child.stdin.close()
        try:
            self._child.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()
        self._stderr.close()

    def _within(
        self, seconds: float, action: str, exchange: Callable[[], tuple[dict[str, Any], bytes]]
    ) -> tuple[dict[str, Any], bytes]:
        """Talk to the child in a thread, so that a child that hangs can be given up on.

        Raises:
            ModelError: the child ended or answered nothing in time (it is killed then), or it reported an error.
        """
        answer: list[tuple[dict[str, Any], bytes]] = []
        failure: list[Exception] = []

        def talk() -> None:
            try:
                answer.append(exchange())
            except (OSError, ValueError, EOFError) as error:
                failure.append(error)

        thread = self._talk = threading.Thread(target=talk, name="yolo-edge-node", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._child.kill()
            thread.join()
            raise ModelError(
                f"Node did not {action} {self.source} within {seconds:g} seconds.",
                fix="Try a smaller image size, or another runtime.",
            )
        if failure:
            raise ModelError(
                f"Node ended while it was to {action} {self.source}{self._last_words()}",
                fix="Try another runtime, and report it if the model runs there.",
            ) from failure[0]
        header, payload = answer[0]
        if "error" in header:
            raise ENGINE_ERRORS[header["kind"]](
                f"TensorFlow.js in Node could not {action} {self.source}: {header['error']}.",
                fix="Convert the model again if its files were changed, or try another runtime.",
            )
        return header, payload

    def _last_words(self) -> str:
        """How the child ended, and the end of what it wrote to stderr."""
        try:
            code = self._child.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return "."
        self._stderr.seek(0)
        text = self._stderr.read().decode("utf-8", "replace").strip()
        return f" (exit status {code}): …{text[-_STDERR_TAIL:]}" if text else f" (exit status {code})."

    def _send(self, header: dict[str, Any], payload: NDArray[np.float32]) -> None:
        stdin = self._child.stdin
        assert stdin is not None
        text = json.dumps({**header, "bytes": payload.nbytes}).encode()
        stdin.write(_LENGTH.pack(len(text)) + text)
        stdin.write(payload.data)
        stdin.flush()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        header: dict[str, Any] = json.loads(self._read(length))
        return header, self._read(header["bytes"])

    def _read(self, count: int) -> bytes:
        stdout = self._child.stdout
        assert stdout is not None
        block = stdout.read(count)
        if len(block) < count:
            raise EOFError("the pipe is closed")
        return block


def open_model(source: Path, **options: Any) -> NodeRuntime:
    """Open ``source``; see :class:`NodeRuntime`."""
    return NodeRuntime(source, **options)
