"""``int8``: one uint8 code a weight and one scale a tensor.

The affine scheme of Jacob et al., arXiv 1712.05877, section 2.1, with the range widened to hold 0, so that 0 is exact:
``scale = (max − min) / 255``, ``zero_point = round(−min / scale)``, ``code = round(weight / scale) + zero_point``.

Codes are rounded to nearest, or with calibration photos by error feedback (:mod:`yolo_edge.quantization.rounding`),
which leaves a fraction of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from yolo_edge.errors import ModelError
from yolo_edge.quantization.calibration import Array
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.feedback import calibrated, feedback_codes, make_plan
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Quantize every convolution kernel to uint8.

    Raises:
        ModelError: a kernel holds NaN or infinity, or the plan is for another model.
        InputError: the calibration photos cannot be used.
    """
    kernels = convolution_kernels(model)
    grids = {name: _grid(name, kernel) for name, kernel in kernels.items()}
    if request.calibration is None and request.plan is None:
        return Quantized({name: _nearest(kernel, *grids[name]) for name, kernel in kernels.items()})
    steps: Mapping[str, float] = {name: scale for name, (scale, _) in grids.items()}
    calibration = calibrated("int8", model, request)
    plan = make_plan("int8", model, request, calibration, steps)
    zero_points = {name: zero for name, (_, zero) in grids.items()}
    return Quantized(feedback_codes(kernels, calibration, steps, zero_points), plan)


def _grid(name: str, kernel: Array) -> tuple[float, int]:
    """Scale and zero point of a kernel."""
    if not np.isfinite(kernel).all():
        raise ModelError(f"Weight '{name}' holds NaN or infinity.", fix="Train or download the checkpoint again.")
    low, high = min(float(kernel.min()), 0.0), max(float(kernel.max()), 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, round(-low / scale)


def _nearest(kernel: Array, scale: float, zero_point: int) -> Codes:
    codes = np.clip(np.round(kernel.astype(np.float64) / scale) + zero_point, 0, 255).astype(np.uint8)
    return Codes(codes, np.array([scale]), zero_point, bits=8)


SCHEME = Scheme("int8", encode, frozenset({"calibration", "plan"}))
