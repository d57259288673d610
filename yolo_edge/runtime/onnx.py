"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ModelError, first_line
from yolo_edge.runtime.base import BaseRuntime, Stopwatch

_FATAL_ONLY = 4  # ONNX Runtime's log severity: its warnings about the machine are of no use to our readers
_FIX = "Export it again with: yolo-edge convert --onnx keep"


class OnnxRuntime(BaseRuntime):
    """Runs an ``.onnx`` of one ``[1, 3, H, W]`` input and one output.

    Args:
        source: the file.
        threads: CPU threads; None lets ONNX Runtime choose. Sums are ordered differently with another number, so
            outputs may differ in the last bits.

    Raises:
        ModelError: the file is damaged, or has other inputs or outputs.
    """

    def __init__(self, source: Path, threads: int | None = None) -> None:
        super().__init__("onnx", source)
        import onnxruntime

        watch = Stopwatch()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class
            raise ModelError(f"ONNX Runtime cannot load {source}: {first_line(error)}", fix=_FIX) from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            raise ModelError(
                f"{source} has {len(inputs)} inputs and {len(outputs)} outputs; expected one float image, one tensor.",
                fix=_FIX,
            )
        self._session: Any = session
        self._input_name: str = inputs[0].name
        self._shape: list[Any] = inputs[0].shape
        self.timings.load = watch.seconds

    def _input_shape(self) -> tuple[int | None, ...] | None:
        batch, channels, height, width = (size if isinstance(size, int) else None for size in self._shape)
        return batch, height, width, channels

    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        watch = Stopwatch()
        try:
            (output,) = self._session.run(None, {self._input_name: channels_first})
        except Exception as error:
            raise ModelError(f"ONNX Runtime cannot run {self.source}: {first_line(error)}", fix=_FIX) from error
        seconds = watch.seconds
        return np.asarray(output, dtype=np.float32), seconds

    def close(self) -> None:
        """Let the session go."""
        self._session = None


def open_model(source: Path, **options: Any) -> OnnxRuntime:
    """Open ``source``; see :class:`OnnxRuntime`."""
    return OnnxRuntime(source, **options)
