"""TensorFlow.js in Node, in a child process; see :mod:`yolo_edge.runtime.child`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.runtime.base import BaseRuntime, Stopwatch, check_bundle
from yolo_edge.runtime.child import NodeChild
from yolo_edge.runtime.packages import SCRIPTS, find_node, tfjs_packages

START_SECONDS = 180.0
"""Longest wait for a loaded and warmed-up model."""

RUN_SECONDS = 300.0
"""Longest wait for one output."""


class NodeRuntime(BaseRuntime):
    """Runs a converted directory with TF.js on its WebAssembly backend (SIMD) in Node.

    Args:
        source: the directory with ``model.json``.
        threads: CPU threads. One by default: its timings are steadier, and sums do not depend on the machine.
        run_seconds: longest wait for one output.
        backend: TF.js backend, ``wasm`` or ``cpu``.

    Attributes:
        child: the process.
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
        watch = Stopwatch()
        self.child = NodeChild(
            [node.path, SCRIPTS / "worker.mjs", packages, source.absolute(), backend, str(threads)], str(source)
        )
        try:
            self.facts, _ = self.child.receive("load the model", START_SECONDS)
        except BaseException:
            self.close()
            raise
        self.timings.first_run = self.facts["firstRunSeconds"]
        self.timings.load = watch.seconds - (self.timings.first_run or 0.0)

    def _input_shape(self) -> tuple[int | None, ...] | None:
        shape = self.facts["inputShape"]
        return tuple(shape) if shape else None

    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        values = images.astype("<f4", copy=False)
        header, payload = self.child.exchange("run the model", self._run_seconds, {"shape": images.shape}, values.data)
        return np.frombuffer(payload, dtype="<f4").astype(np.float32).reshape(header["shape"]), header["seconds"]

    def close(self) -> None:
        """End the child."""
        self.child.close()


def open_model(source: Path, **options: Any) -> NodeRuntime:
    """Open ``source``; see :class:`NodeRuntime`."""
    return NodeRuntime(source, **options)
