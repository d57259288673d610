"""Quantizing a whole model with error feedback: what the calibrated schemes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from yolo_edge.console import progress
from yolo_edge.errors import UsageError
from yolo_edge.quantization.calibration import Array, Calibration, calibrate, model_digest
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.photos import find_photos
from yolo_edge.quantization.plan import CalibrationRecord, Plan, check_plan, check_plan_photos
from yolo_edge.quantization.rounding import round_with_feedback
from yolo_edge.quantization.scheme import BUILTIN_PHOTOS, QuantizationRequest

if TYPE_CHECKING:
    import onnx

_UINT16 = 65535


def calibrated(scheme: str, model: onnx.ModelProto, request: QuantizationRequest) -> Calibration:
    """Calibrate a model as a request asks: by its plan's choice of photos where it has one.

    Raises:
        ModelError: the plan is for another scheme, model or set of photos.
        UsageError: the model's head is not raw.
        InputError: the photos cannot be used.
    """
    head = request.head
    if head is None or head.layout != "raw":
        raise UsageError(
            "Calibration needs a raw head; this model's output is end-to-end.",
            fix="Leave --end2end out, or use --quantize float16.",
        )
    if request.plan:
        check_plan(request.plan, scheme, model_digest(model))
    chosen = request.plan.calibration if request.plan else request
    source = None if request.calibration in (None, BUILTIN_PHOTOS) else request.calibration
    photos = find_photos(source, samples=chosen.samples, seed=chosen.seed)
    calibration = calibrate(model, head, photos, seed=chosen.seed)
    if request.plan:
        check_plan_photos(request.plan, calibration.digest)
    return calibration


def make_plan(
    scheme: str,
    model: onnx.ModelProto,
    request: QuantizationRequest,
    calibration: Calibration,
    steps: Mapping[str, float],
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
    return Plan(scheme=scheme, model=model_digest(model), calibration=record, steps=dict(steps))


def feedback_codes(
    kernels: Mapping[str, Array],
    calibration: Calibration,
    steps: Mapping[str, float],
    zero_points: Mapping[str, int] | None = None,
) -> dict[str, Codes]:
    """Round every kernel with error feedback.

    Args:
        kernels: initializer → float kernel.
        calibration: statistics of the same model.
        steps: weight units a code.
        zero_points: the code of 0, for 8-bit codes of that fixed range; where absent, the codes get the range they
            need: uint8 up to 256 levels, else uint16.

    Returns:
        Initializer → codes, one scale a tensor.
    """
    encodings = {}
    with progress("Rounding with error feedback", len(kernels), "layers") as advance:
        for name, kernel in kernels.items():
            zero = zero_points[name] if zero_points else None
            lowest, highest = (-zero, 255 - zero) if zero is not None else (-_UINT16 // 2, _UINT16 // 2)
            moments = calibration.layers[name].moments
            signed = round_with_feedback(kernel, moments, steps[name], lowest=lowest, highest=highest)
            encodings[name] = _codes(signed, steps[name], zero)
            advance(1)
    return encodings


def _codes(signed: npt.NDArray[np.int32], step: float, zero: int | None) -> Codes:
    if zero is None:
        zero = max(0, -int(signed.min()))
    span = int(signed.max()) + zero
    bits = 8 if span <= 255 else 16
    return Codes((signed + zero).astype(f"uint{bits}"), np.array([step]), zero, bits)
