"""Quantized weights: what a scheme makes and a lowering engine writes.

Both kinds keep the shape of the ONNX initializer they stand for (convolution kernels: ``[out, in, height, width]``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NIBBLE_CURVE = 0.045
"""How much finer the 16 levels of a 4-bit code lie around 0: level ``x · (1 + curve · x²)`` for ``x = code − 7.5``.

Weights of a channel have heavier tails than a normal distribution. Equal levels (curve 0) leave 1.7 times the harm
(docs/quantization.md); between 0.035 and 0.06 there is no difference.
"""


def nibble_levels() -> npt.NDArray[np.float32]:
    """Return what the 4-bit codes 0 … 15 stand for, in steps, computed as the initializer graph computes it."""
    centred = np.arange(16, dtype=np.float32) - np.float32(7.5)
    return np.asarray(centred * (centred * centred * np.float32(NIBBLE_CURVE) + np.float32(1)), np.float32)


@dataclass(frozen=True)
class Codes:
    """Integer codes with a scale: ``weight = (code − zero_point) · scale``.

    Of 4 bits ``weight = nibble_levels()[code] · scale``.

    Attributes:
        codes: uint8 or uint16, shape of the initializer.
        scale: float64, one value, or one a slice along ``axis``; weight units a step.
        zero_point: the code that stands for 0; of no meaning for 4 bits, which have no exact 0.
        bits: bits a code needs (codes lie in 0 … 2**bits − 1): 4, 8 or 16.
        axis: axis of per-channel scales, None when there is one scale.
    """

    codes: npt.NDArray[np.unsignedinteger[Any]]
    scale: npt.NDArray[np.float64]
    zero_point: int
    bits: int
    axis: int | None = None

    def decoded(self) -> npt.NDArray[np.float32]:
        """Return the float32 weights that the codes stand for."""
        scale = self.scale
        if self.axis is not None:
            scale = scale.reshape([-1 if axis == self.axis else 1 for axis in range(self.codes.ndim)])
        if self.bits == 4:
            return np.asarray(nibble_levels()[self.codes] * scale.astype(np.float32), np.float32)
        return ((self.codes.astype(np.float64) - self.zero_point) * scale).astype(np.float32)


@dataclass(frozen=True)
class HalfFloat:
    """Weights cast to IEEE 754 half precision."""

    values: npt.NDArray[np.float16]

    def decoded(self) -> npt.NDArray[np.float32]:
        """Return the weights as float32."""
        return self.values.astype(np.float32)


Encoding = Codes | HalfFloat
Encodings = Mapping[str, Encoding]
"""ONNX initializer name → its quantized form. Initializers that are absent stay float32."""
