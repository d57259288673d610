"""``rd``: the least harm for a number of bytes on the wire.

Steps per output channel by sensitivity (:mod:`yolo_edge.quantization.allocation`), error-feedback rounding, and Brotli
as the entropy coder. One number, the base of the steps, decides the size; it is searched so that the whole compressed
model takes between 99 and 100 % of the budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.console import say
from yolo_edge.errors import InputError
from yolo_edge.quantization.allocation import COARSEST_BASE, Steps, base_for_entropy, channel_steps, entropy_bytes
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.feedback import (
    CalibratedModel,
    calibrated,
    feedback_codes,
    layers_of,
    make_plan,
    planned_steps,
)
from yolo_edge.quantization.kernels import with_half_biases
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx

_LEAST_FILL = 0.99
_AIM = 0.996
_MOST_TRIES = 6
_CONSTANT_BYTES = 60_000
"""A first guess of what biases, scales, model.json and error feedback add to the entropy; the search corrects it."""


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Quantize every convolution kernel to meet the budget, or by the plan.

    Raises:
        UsageError: the model's head is not raw.
        InputError: the budget cannot be met (the message gives the smallest reachable size), or the calibration photos
            cannot be used.
        ModelError: the plan is for another model.
    """
    known = calibrated("rd", model, request)
    if request.plan:
        encodings = feedback_codes(known, planned_steps(request.plan))
    else:
        encodings = _search(known, model, request)
    plan = make_plan("rd", model, request, known.calibration, layers_of(encodings))
    return Quantized(with_half_biases(encodings, model), plan)


def _search(known: CalibratedModel, model: onnx.ModelProto, request: QuantizationRequest) -> dict[str, Codes]:
    assert request.max_bytes is not None and request.measure is not None
    budget = request.max_bytes
    target = _AIM * budget - _CONSTANT_BYTES
    best: tuple[int, dict[str, Codes]] | None = None
    smallest = entropy_bytes(known.kernels, _steps(known, COARSEST_BASE))
    for attempt in range(_MOST_TRIES):
        if target <= smallest and attempt:
            break
        target = max(target, smallest)
        base = base_for_entropy(known.kernels, lambda value: _steps(known, value), target)
        encodings = feedback_codes(known, _steps(known, base))
        size = request.measure(with_half_biases(encodings, model))
        say(f"{size:,} bytes on the wire, the budget is {budget:,}")
        if size <= budget and (best is None or size > best[0]):
            best = (size, encodings)
        if _LEAST_FILL * budget <= size <= budget:
            break
        target += _AIM * budget - size
    if best is None:
        smallest_size = request.measure(with_half_biases(feedback_codes(known, _steps(known, COARSEST_BASE)), model))
        raise InputError(
            f"The model cannot be made as small as {budget:,} bytes: the smallest is about {smallest_size:,}, and "
            "useless at that.",
            fix="Give a larger --max-bytes or --bits; 1.2 MB is a good least for yolo11n.",
        )
    return best[1]


def _steps(known: CalibratedModel, base: float) -> Steps:
    return channel_steps(known.kernels, known.feedbacks, base)


SCHEME = Scheme("rd", encode, frozenset({"calibration", "max_bytes", "plan"}), is_packed=True)
