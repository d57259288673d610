"""``int8``: one uint8 code a weight and one scale a tensor, rounded to nearest.

The affine scheme of Jacob et al., arXiv 1712.05877, section 2.1, with the range widened to hold 0, so that 0 is exact:
``scale = (max − min) / 255``, ``zero_point = round(−min / scale)``, ``code = round(weight / scale) + zero_point``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import ModelError
from yolo_edge.quantization.codes import Codes, Encodings
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import Scheme

if TYPE_CHECKING:
    import onnx


def encode(model: onnx.ModelProto) -> Encodings:
    """Quantize every convolution kernel to uint8.

    Raises:
        ModelError: a kernel holds NaN or infinity.
    """
    return {name: _encode_kernel(name, kernel) for name, kernel in convolution_kernels(model).items()}


def _encode_kernel(name: str, kernel: npt.NDArray[Any]) -> Codes:
    weights = kernel.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ModelError(f"Weight '{name}' holds NaN or infinity.", fix="Train or download the checkpoint again.")
    low, high = min(float(weights.min()), 0.0), max(float(weights.max()), 0.0)
    scale = (high - low) / 255 or 1.0
    zero_point = round(-low / scale)
    codes = np.clip(np.round(weights / scale) + zero_point, 0, 255).astype(np.uint8)
    return Codes(codes, np.array([scale]), zero_point, bits=8)


SCHEME = Scheme("int8", encode)
