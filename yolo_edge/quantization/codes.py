"""Quantized weights: what a scheme makes and a lowering engine writes.

Both kinds keep the shape of the ONNX initializer they stand for (convolution kernels: ``[out, in, height, width]``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Codes:
    """Integer codes with a scale: ``weight = (code − zero_point) · scale``.

    Attributes:
        codes: uint8 or uint16, shape of the initializer.
        scale: float64, one value, or one a slice along ``axis``; weight units a step.
        zero_point: the code that stands for 0.
        bits: bits a code needs (codes lie in 0 … 2**bits − 1).
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


def encoded_bytes(encoding: Encoding) -> int:
    """Return the number of bytes of an encoding's values before any compression."""
    values: npt.NDArray[Any] = encoding.codes if isinstance(encoding, Codes) else encoding.values
    return values.nbytes
