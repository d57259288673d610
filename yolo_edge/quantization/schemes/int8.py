"""``int8``: one uint8 code a weight and one scale a tensor, in the stock weights manifest.

Without photos the affine scheme of Jacob et al., arXiv 1712.05877, section 2.1, with the range widened to hold 0, so
that 0 is exact: ``scale = (max − min) / 255``, ``zero_point = round(−min / scale)``, ``code = round(weight / scale) +
zero_point``.

With photos, which is the default, codes are rounded by error feedback (:mod:`yolo_edge.quantization.rounding`), and
steps follow the sensitivities: layers that forgive take coarser steps than their range would allow, and the bytes that
saves on the wire pay for 16 bits in the few small layers that 256 levels are too few for. The whole is no larger than
without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yolo_edge.console import say
from yolo_edge.quantization.allocation import Steps, base_for_entropy, entropy_bytes, tensor_steps
from yolo_edge.quantization.calibration import Array
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.feedback import (
    CalibratedModel,
    calibrated,
    checked_kernels,
    feedback_codes,
    layers_of,
    make_plan,
    planned_steps,
)
from yolo_edge.quantization.kernels import with_half_biases
from yolo_edge.quantization.scheme import NO_PHOTOS, QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx

_WIDE_SHARE = 0.15
"""Of all weights, at most so many get 16 bits."""

_COARSEST = 0.8
_FINEST_WIDE = 0.002
"""Bounds of a step, in root mean squares of the kernel; the latter of 16-bit layers."""

_WIRE_SHARE = 0.963
"""Entropy to aim for, of that of rounding to nearest: leaves room for what Brotli makes of 16-bit codes, whose bytes
lie side by side."""


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Quantize every convolution kernel.

    Raises:
        ModelError: a kernel holds NaN or infinity, or the plan is for another model.
        InputError: the calibration photos cannot be used.
    """
    if request.calibration == NO_PHOTOS and request.plan is None:
        return _rounded_to_nearest(model)
    if request.calibration is None and (request.head is None or request.head.layout != "raw"):
        say("An end-to-end output cannot be calibrated on: rounding to nearest")
        return _rounded_to_nearest(model)
    known = calibrated("int8", model, request)
    if request.plan:
        steps = planned_steps(request.plan)
        bits = {name: layer.bits for name, layer in request.plan.layers.items()}
    else:
        steps, bits = _decided(known)
    encodings = feedback_codes(known, steps, bits)
    plan = make_plan("int8", model, request, known.calibration, layers_of(encodings))
    return Quantized(with_half_biases(encodings, model), plan)


def _rounded_to_nearest(model: onnx.ModelProto) -> Quantized:
    codes = {name: _nearest(kernel) for name, kernel in checked_kernels(model).items()}
    return Quantized(with_half_biases(codes, model))


def _decided(known: CalibratedModel) -> tuple[Steps, dict[str, int]]:
    """Choose steps, and the layers that get 16 bits."""
    finest = {name: _range(kernel) / 255 or 1.0 for name, kernel in known.kernels.items()}
    narrow: Steps = {name: np.array([step]) for name, step in finest.items()}
    target = _WIRE_SHARE * entropy_bytes(known.kernels, narrow)

    def allocate(base: float) -> Steps:
        wide = _wide_layers(known, finest, base)
        bounds = {name: _floor(known.kernels[name], step, name in wide) for name, step in finest.items()}
        return tensor_steps(known.kernels, known.feedbacks, base, bounds, _COARSEST)

    base = base_for_entropy(known.kernels, allocate, target)
    wide = _wide_layers(known, finest, base)
    return allocate(base), {name: 16 if name in wide else 8 for name in known.kernels}


def _wide_layers(known: CalibratedModel, finest: dict[str, float], base: float) -> set[str]:
    """The layers that want finer steps than 256 levels give, those first that gain most a weight."""
    wanted = tensor_steps(known.kernels, known.feedbacks, base, dict.fromkeys(finest, 0.0), np.inf)
    gain = {
        name: float(known.feedbacks[name].row_harm.mean()) * (step**2 - wanted[name][0] ** 2)
        for name, step in finest.items()
        if wanted[name][0] < step
    }
    left = _WIDE_SHARE * sum(kernel.size for kernel in known.kernels.values())
    chosen = set()
    for name in sorted(gain, key=lambda name: (-gain[name], name)):
        if known.kernels[name].size <= left:
            left -= known.kernels[name].size
            chosen.add(name)
    return chosen


def _floor(kernel: Array, narrow: float, is_wide: bool) -> float:
    return _FINEST_WIDE * float(np.sqrt(np.mean(np.square(kernel, dtype=np.float64)))) if is_wide else narrow


def _range(kernel: Array) -> float:
    """Largest less smallest weight, 0 between them."""
    return max(float(kernel.max()), 0.0) - min(float(kernel.min()), 0.0)


def _nearest(kernel: Array) -> Codes:
    scale = _range(kernel) / 255 or 1.0
    zero_point = round(-min(float(kernel.min()), 0.0) / scale)
    codes = np.clip(np.round(kernel.astype(np.float64) / scale) + zero_point, 0, 255).astype(np.uint8)
    return Codes(codes, np.array([scale]), zero_point, bits=8)


SCHEME = Scheme("int8", encode, frozenset({"calibration", "plan"}), rounds_to_nearest=True)
