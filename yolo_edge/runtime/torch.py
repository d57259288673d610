"""PyTorch: the checkpoint itself, as the export sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ModelError
from yolo_edge.runtime.base import BaseRuntime, Stopwatch


class TorchRuntime(BaseRuntime):
    """Runs a ``.pt`` on the CPU: fused, in export mode, so that it answers the exported graph's one tensor.

    Args:
        source: the checkpoint.
        trust: load it even if its pickle asks for globals that are not on the allow-list.

    Raises:
        CheckpointError: the file is damaged, unsafe, or holds no pose model.
    """

    def __init__(self, source: Path, trust: bool = False) -> None:
        super().__init__("torch", source)
        from yolo_edge.checkpoint.export import load_model

        watch = Stopwatch()
        self._model: Any = load_model(source, trust=trust)
        self.timings.load = watch.seconds

    def _input_shape(self) -> tuple[int | None, ...] | None:
        return None  # the net is fully convolutional

    def _compute(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        import torch

        channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        watch = Stopwatch()
        try:
            with torch.inference_mode():
                output = self._model(channels_first)
        except RuntimeError as error:
            raise ModelError(
                f"PyTorch cannot run {self.source} on images of {images.shape[1]}x{images.shape[2]} px: {error}",
                fix="Give a height and width that are multiples of 32.",
            ) from error
        seconds = watch.seconds
        tensor = output[0] if isinstance(output, tuple | list) else output
        return np.asarray(tensor.detach().numpy(), dtype=np.float32), seconds

    def close(self) -> None:
        """Let the model go."""
        self._model = None


def open_model(source: Path, **options: Any) -> TorchRuntime:
    """Open ``source``; see :class:`TorchRuntime`."""
    return TorchRuntime(source, **options)
