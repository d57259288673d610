"""``float16``: convolution kernels as IEEE 754 half precision, decoded to float32 when the model loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yolo_edge.errors import ModelError
from yolo_edge.quantization.codes import HalfFloat
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.scheme import QuantizationRequest, Quantized, Scheme

if TYPE_CHECKING:
    import onnx

_LARGEST = float(np.finfo(np.float16).max)


def encode(model: onnx.ModelProto, request: QuantizationRequest) -> Quantized:
    """Cast every convolution kernel to half precision.

    Raises:
        ModelError: a weight is too large for half precision (above 65504).
    """
    encodings = {}
    for name, kernel in convolution_kernels(model).items():
        if not np.abs(kernel).max() <= _LARGEST:
            raise ModelError(
                f"Weight '{name}' holds values beyond the half precision range of ±{_LARGEST:g}.",
                fix="Use --quantize float32.",
            )
        encodings[name] = HalfFloat(kernel.astype(np.float16))
    return Quantized(encodings)


SCHEME = Scheme("float16", encode)
