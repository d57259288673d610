"""Quantizing a whole model with error feedback: what the calibrated schemes share."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.console import progress
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.quantization.allocation import Steps
from yolo_edge.quantization.calibration import Array, Calibration, calibrate, model_digest
from yolo_edge.quantization.codes import Codes, nibble_levels
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.photos import find_photos
from yolo_edge.quantization.plan import CalibrationRecord, LayerPlan, Plan, check_plan, check_plan_photos
from yolo_edge.quantization.rounding import Feedback, make_feedback, round_with_feedback
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS, QuantizationRequest
from yolo_edge.tfjs.packing import HIGHEST_DEEP

if TYPE_CHECKING:
    import onnx

ZERO_POINTS = {4: 8, 8: 128, 16: 32768}
"""Bits a code → the code of 0. One zero point for all layers: Brotli then finds the same frequent bytes in each, which
saves 1.5 % against the smallest that fits (measured on yolo11n-pose)."""


@dataclass(frozen=True)
class CalibratedModel:
    """A model's kernels with all that is known about them.

    Attributes:
        kernels: initializer → float kernel, in graph order.
        calibration: statistics of each.
        feedbacks: how each one's rounding errors are passed on.
    """

    kernels: dict[str, Array]
    calibration: Calibration
    feedbacks: dict[str, Feedback]


def calibrated(scheme: str, model: onnx.ModelProto, request: QuantizationRequest) -> CalibratedModel:
    """Calibrate a model as a request asks: by its plan's choice of photos where it has one.

    Raises:
        ModelError: a kernel holds NaN or infinity; or the plan is for another scheme, model or set of photos.
        UsageError: the model's head is not raw.
        InputError: there is no convolution, or the photos cannot be used.
    """
    head = request.head
    if head is None or head.layout != "raw":
        raise UsageError(
            "Calibration needs a raw head; this model's output is end-to-end.",
            fix="Leave --end2end out, or use --quantize float16.",
        )
    kernels = checked_kernels(model)
    if not kernels:
        raise InputError("The model holds no convolution to quantize.", fix="Use --quantize float32.")
    if request.plan:
        check_plan(request.plan, scheme, model_digest(model))
    chosen = request.plan.calibration if request.plan else request
    source = None if request.calibration in (None, BUILTIN_PHOTOS) else request.calibration
    photos = find_photos(source, samples=chosen.samples, seed=chosen.seed)
    calibration = calibrate(model, head, photos, samples=chosen.samples, seed=chosen.seed)
    if request.plan:
        check_plan_photos(request.plan, calibration.digest)
    feedbacks = {}
    with progress("Preparing error feedback", len(kernels), "layers") as advance:
        for name in kernels:
            feedbacks[name] = make_feedback(calibration.layers[name])
            advance(1)
    return CalibratedModel(kernels, calibration, feedbacks)


def checked_kernels(model: onnx.ModelProto) -> dict[str, Array]:
    """Return the kernels to quantize.

    Raises:
        ModelError: one holds NaN or infinity.
    """
    kernels = convolution_kernels(model)
    for name, kernel in kernels.items():
        if not np.isfinite(kernel).all():
            raise ModelError(f"Weight '{name}' holds NaN or infinity.", fix="Train or download the checkpoint again.")
    return kernels


def make_plan(
    scheme: str,
    model: onnx.ModelProto,
    request: QuantizationRequest,
    calibration: Calibration,
    layers: Mapping[str, LayerPlan],
) -> Plan:
    """Write down the decisions that led to an artifact."""
    chosen = request.plan.calibration if request.plan else request
    record = CalibrationRecord(
        photos=calibration.photos,
        count=calibration.count,
        samples=chosen.samples,
        seed=chosen.seed,
        digest=calibration.digest,
    )
    return Plan(scheme=scheme, model=model_digest(model), calibration=record, layers=dict(layers))


def layers_of(encodings: Mapping[str, Codes]) -> dict[str, LayerPlan]:
    """Return the decisions that codes were made by."""
    return {name: LayerPlan(bits=codes.bits, steps=codes.scale.tolist()) for name, codes in encodings.items()}


def planned_steps(plan: Plan) -> Steps:
    """Return the steps of a plan."""
    return {name: np.array(layer.steps) for name, layer in plan.layers.items()}


def feedback_codes(model: CalibratedModel, steps: Steps, bits: Mapping[str, int] | None = None) -> dict[str, Codes]:
    """Round every kernel with error feedback.

    Args:
        model: kernels and feedback.
        steps: weight units a code, one value a channel or one for the tensor.
        bits: 4, 8 or 16 bits a code, by initializer; 8 where absent, or 16 where that holds too few codes.

    Returns:
        Initializer → codes, with one scale a channel where there is one step a channel.
    """

    def rounded(name: str) -> Codes:
        return _layer_codes(model.kernels[name], model.feedbacks[name], steps[name], (bits or {}).get(name))

    encodings = {}
    names = list(model.kernels)
    with progress("Rounding with error feedback", len(names), "layers") as advance, ThreadPoolExecutor() as pool:
        for name, codes in zip(names, pool.map(rounded, names), strict=True):
            encodings[name] = codes
            advance(1)
    return encodings


def _layer_codes(kernel: Array, feedback: Feedback, steps: npt.NDArray[np.float64], bits: int | None) -> Codes:
    width = bits or 16
    zero = ZERO_POINTS[width]
    if bits == 8 and len(steps) == 1:
        zero = _zero_point(kernel, float(steps[0]))
    spread = np.broadcast_to(steps, len(kernel))
    highest = min(2**width - 1, HIGHEST_DEEP) - zero
    levels = nibble_levels() if width == 4 else None
    signed = round_with_feedback(kernel, feedback, spread, lowest=-zero, highest=highest, levels=levels)
    if bits is None and signed.min() >= -128 and signed.max() <= 127:
        width, zero = 8, ZERO_POINTS[8]
    codes: npt.NDArray[np.unsignedinteger[Any]] = (signed + zero).astype(f"uint{max(width, 8)}")
    return Codes(codes, steps, zero, width, axis=0 if len(steps) > 1 else None)


def _zero_point(kernel: Array, step: float) -> int:
    """128 where all codes fit around it, else what the range of the weights asks for."""
    if np.abs(kernel).max() <= 127 * step:
        return ZERO_POINTS[8]
    return min(255, max(0, round(-min(float(kernel.min()), 0.0) / step)))
