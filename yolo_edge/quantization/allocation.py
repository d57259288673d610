"""How coarsely each layer may be rounded: steps by sensitivity.

With entropy-coded uniform quantization a step ``Δ`` costs a layer of ``n`` weights about ``n·log₂(1/Δ)`` bits and
``n·s·Δ²/12`` of harm, ``s`` the mean harm a squared unit of weight error causes (Gish and Pierce, IEEE Trans. Inf.
Theory 14, 1968: within 0.25 bit of the best any code does). The least harm for a number of bits has the same harm
per bit everywhere, so ``Δ ∝ 1/√s``. The exponent below is a little less than ½, since ``s`` is estimated from few
photos and an overconfident extreme costs more than a timid one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.calibration import Calibration

_EXPONENT = 0.4
_FINEST, _COARSEST = 0.002, 0.9
"""Bounds of a step, in root mean squares of the layer's weights."""


def allocate_steps(
    kernels: Mapping[str, npt.NDArray[np.float32]], calibration: Calibration, base: float
) -> dict[str, float]:
    """Return the step of each layer.

    Args:
        kernels: initializer → kernel.
        calibration: statistics of the same model.
        base: how coarse the whole is; steps grow with it.
    """
    steps = {}
    for name, kernel in kernels.items():
        size = float(np.sqrt(np.mean(np.square(kernel, dtype=np.float64))))
        sensitivity = float(calibration.layers[name].sensitivity.mean())
        wanted = base / max(sensitivity, 1e-20) ** _EXPONENT
        steps[name] = float(np.clip(wanted, _FINEST * size, _COARSEST * size)) if size else 1.0
    return steps


def entropy_bytes(codes: npt.NDArray[np.int32]) -> float:
    """Return the size of codes under an ideal coder that knows their frequencies; Brotli comes within 3 %."""
    _, counts = np.unique(codes, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() * codes.size / 8)


def base_for_entropy(kernels: Mapping[str, npt.NDArray[np.float32]], calibration: Calibration, target: float) -> float:
    """Find the base at which nearest rounding has an entropy of ``target`` bytes, by bisection."""
    low, high = 1e-7, 10.0
    for _ in range(32):
        middle = float(np.sqrt(low * high))
        steps = allocate_steps(kernels, calibration, middle)
        total = sum(entropy_bytes(np.round(kernel / steps[name]).astype(np.int32)) for name, kernel in kernels.items())
        low, high = (middle, high) if total > target else (low, middle)
    return float(np.sqrt(low * high))
