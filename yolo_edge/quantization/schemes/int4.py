"""``int4``: 16 levels an output channel, two codes a byte; the layers that 16 levels hurt most keep 256.

For a CDN that does not compress: half the bytes of int8 before any compression. Each output channel has a step of its
own, the one of least squared error weighted by how excited each input is; the levels lie closer around 0, where most
weights are (:data:`yolo_edge.quantization.codes.NIBBLE_CURVE`); error feedback rounds to the nearest of them. The harm
of each layer is measured on its rounded kernel, and a quarter of the weights, where a byte more spares most harm, gets
8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.allocation import by_channel, compact_steps
from yolo_edge.quantization.calibration import Array
from yolo_edge.quantization.codes import nibble_levels
from yolo_edge.quantization.feedback import (
    CalibratedModel,
    calibrated,
    feedback_codes,
    layers_of,
    make_plan,
    planned_steps,
)
from yolo_edge.quantization.kernels import with_half_biases
from yolo_edge.quantization.rounding import harm_of
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx

_WIDE_SHARE = 0.23
"""Of all weights, at most so many get 8 bits: 4.92 bits a weight in all."""

_CLIPS = np.linspace(0.5, 1.1, 25)
"""Ranges to try for a channel, in its largest weights: a few clipped outliers buy all others a finer step."""

_DEAD = 2.0**-10
"""Range of a channel of zeros, in that of its kernel: 4 bits have no 0, so that its levels must be next to nothing."""


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Quantize every convolution kernel to 4 or 8 bits.

    Raises:
        UsageError: the model's head is not raw.
        InputError: there is no convolution, or the calibration photos cannot be used.
        ModelError: a kernel holds NaN or infinity, or the plan is for another model.
    """
    known = calibrated("int4", model, request)
    if request.plan:
        bits = {name: layer.bits for name, layer in request.plan.layers.items()}
        encodings = feedback_codes(known, planned_steps(request.plan), bits)
    else:
        narrow = {name: _steps(known, name, 4) for name in known.kernels}
        encodings = feedback_codes(known, narrow, dict.fromkeys(known.kernels, 4))
        harm = {
            name: harm_of(codes.decoded() - known.kernels[name], known.calibration.layers[name])
            for name, codes in encodings.items()
        }
        wide = _wide_layers(known, harm)
        part = CalibratedModel({name: known.kernels[name] for name in wide}, known.calibration, known.feedbacks)
        finer = feedback_codes(part, {name: _steps(known, name, 8) for name in wide}, dict.fromkeys(wide, 8))
        encodings |= finer
    plan = make_plan("int4", model, request, known.calibration, layers_of(encodings))
    return Quantized(with_half_biases(encodings, model), plan)


def _steps(known: CalibratedModel, name: str, bits: int) -> npt.NDArray[np.float64]:
    kernel = known.kernels[name]
    largest = np.abs(kernel.reshape(len(kernel), -1)).max(axis=1).astype(np.float64)
    largest = np.where(largest > 0, largest, _DEAD * max(float(largest.max()), _DEAD))
    if bits == 8:
        return compact_steps(largest / 126, 32)
    moments = np.diagonal(known.calibration.layers[name].moments, axis1=1, axis2=2)
    weights = np.repeat(moments, len(kernel) // len(moments), axis=0)
    best, least = largest, np.full(len(kernel), np.inf)
    for clip in _CLIPS:
        steps = compact_steps(largest * clip / nibble_levels()[-1], 32)
        error = _error(kernel, steps, weights)
        best, least = np.where(error < least, steps, best), np.minimum(error, least)
    return best


def _error(kernel: Array, steps: npt.NDArray[np.float64], weights: Array) -> npt.NDArray[np.float64]:
    """Weighted squared error of each channel rounded to nearest."""
    spread, levels = by_channel(steps, kernel), nibble_levels()
    places = np.searchsorted((levels[1:] + levels[:-1]) / 2, kernel / spread)
    error = (kernel - levels[places] * spread).reshape(len(kernel), -1)
    return np.asarray((np.square(error) * weights).sum(axis=1), np.float64)


def _wide_layers(known: CalibratedModel, harm: dict[str, float]) -> list[str]:
    """The layers that get 8 bits: most harm a weight first."""
    left = _WIDE_SHARE * sum(kernel.size for kernel in known.kernels.values())
    chosen = []
    for name in sorted(harm, key=lambda name: (-harm[name] / known.kernels[name].size, name)):
        if known.kernels[name].size <= left:
            left -= known.kernels[name].size
            chosen.append(name)
    return chosen


SCHEME = Scheme("int4", encode, frozenset({"calibration", "plan"}), is_packed=True)
