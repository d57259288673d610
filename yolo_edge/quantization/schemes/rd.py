"""``rd``: the least harm for a number of bytes on the wire.

Steps per layer by sensitivity (:mod:`yolo_edge.quantization.allocation`), error-feedback rounding, and Brotli as the
entropy coder. One number, the base of the steps, decides the size; it is searched so that the whole compressed model
takes between 99 and 100 % of the budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.console import say
from yolo_edge.errors import InputError
from yolo_edge.quantization.allocation import allocate_steps, base_for_entropy, entropy_bytes
from yolo_edge.quantization.calibration import Array, Calibration
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.feedback import calibrated, feedback_codes, make_plan
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx

_LEAST_FILL = 0.99
_AIM = 0.996
_MOST_TRIES = 6
_COARSEST_BASE = 10.0
_CONSTANT_BYTES = 50_000
"""A first guess of what biases, anchors and model.json take; the search corrects it."""


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Quantize every convolution kernel to meet the budget, or by the plan.

    Raises:
        UsageError: the model's head is not raw.
        InputError: the budget cannot be met (the message gives the smallest reachable size), or the calibration photos
            cannot be used.
        ModelError: the plan is for another model.
    """
    kernels = convolution_kernels(model)
    if not kernels:
        raise InputError("The model holds no convolution to quantize.", fix="Use --quantize float32.")
    calibration = calibrated("rd", model, request)
    if request.plan:
        plan = make_plan("rd", model, request, calibration, request.plan.steps)
        return Quantized(feedback_codes(kernels, calibration, plan.steps), plan)
    steps, encodings = _search(kernels, calibration, request)
    return Quantized(encodings, make_plan("rd", model, request, calibration, steps))


def _search(
    kernels: dict[str, Array], calibration: Calibration, request: QuantizationRequest
) -> tuple[dict[str, float], dict[str, Codes]]:
    assert request.max_bytes is not None and request.measure is not None
    budget = request.max_bytes
    target = float(budget - _CONSTANT_BYTES)
    best: tuple[int, dict[str, float], dict[str, Codes]] | None = None
    smallest = _smallest_entropy(kernels, calibration)
    for _ in range(_MOST_TRIES):
        if target <= smallest:
            break
        steps = allocate_steps(kernels, calibration, base_for_entropy(kernels, calibration, target))
        encodings = feedback_codes(kernels, calibration, steps)
        size = request.measure(encodings)
        say(f"{size:,} bytes on the wire, the budget is {budget:,}")
        if size <= budget and (best is None or size > best[0]):
            best = (size, steps, encodings)
        if _LEAST_FILL * budget <= size <= budget:
            break
        target += _AIM * budget - size
    if best is None:
        raise InputError(
            f"The model cannot be made as small as {budget:,} bytes: the smallest is about "
            f"{_smallest_size(kernels, calibration, request):,}, and useless at that.",
            fix="Give a larger --max-bytes or --bits; 1.2 MB is a good least for yolo11n.",
        )
    return best[1], best[2]


def _smallest_entropy(kernels: dict[str, Array], calibration: Calibration) -> float:
    steps = allocate_steps(kernels, calibration, _COARSEST_BASE)
    return sum(entropy_bytes((kernel / steps[name]).round().astype("int32")) for name, kernel in kernels.items())


def _smallest_size(kernels: dict[str, Array], calibration: Calibration, request: QuantizationRequest) -> int:
    assert request.measure is not None
    steps = allocate_steps(kernels, calibration, _COARSEST_BASE)
    return request.measure(feedback_codes(kernels, calibration, steps))


SCHEME = Scheme("rd", encode, frozenset({"calibration", "max_bytes", "plan"}))
