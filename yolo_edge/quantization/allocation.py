"""How coarsely each layer and channel may be rounded: steps by sensitivity.

With entropy-coded uniform quantization a step ``Δ`` costs ``n`` weights about ``n·log₂(1/Δ)`` bits and ``n·s·Δ²/12`` of
harm, ``s`` the harm of a squared unit of rounding residue (Gish and Pierce, IEEE Trans. Inf. Theory 14, 1968: within
0.25 bit of the best any code does). The least harm for a number of bits has the same harm per bit everywhere, so ``Δ ∝
1/√s``. The exponent below is a little less than ½, since ``s`` is estimated from few photos and an overconfident
extreme costs more than a timid one (docs/quantization.md has the measurements).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.rounding import Feedback

Kernels = Mapping[str, npt.NDArray[np.float32]]
Steps = dict[str, npt.NDArray[np.float64]]
"""Kernel initializer → weight units a code, one value a channel, or a single one for the tensor."""

FINEST_BASE, COARSEST_BASE = 1e-12, 1e6
"""Bounds of the search, beyond which every step is at its own bound: harm is of no fixed scale."""

_EXPONENT = 0.4
_FINEST, _COARSEST = 0.002, 1.5
"""Bounds of a step, in root mean squares of the weights it is for."""


def channel_steps(kernels: Kernels, feedbacks: Mapping[str, Feedback], base: float) -> Steps:
    """Return a step for each output channel.

    Args:
        kernels: initializer → kernel ``[out, in/groups, height, width]``.
        feedbacks: of the same layers.
        base: how coarse the whole is; steps grow with it.
    """
    steps = {}
    for name, kernel in kernels.items():
        rows = kernel.reshape(len(kernel), -1).astype(np.float64)
        size = np.sqrt(np.mean(np.square(rows), axis=1))
        size = np.where(size > 0, size, max(float(size.max()), 1e-6))
        wanted = base * np.maximum(feedbacks[name].row_harm, 1e-20) ** -_EXPONENT
        steps[name] = compact_steps(np.clip(wanted, _FINEST * size, _COARSEST * size))
    return steps


def tensor_steps(
    kernels: Kernels, feedbacks: Mapping[str, Feedback], base: float, finest: Mapping[str, float], coarsest: float
) -> Steps:
    """Return one step for each kernel.

    Args:
        kernels: initializer → kernel.
        feedbacks: of the same layers.
        base: how coarse the whole is.
        finest: initializer → smallest step that its codes have room for.
        coarsest: largest step, in root mean squares of the kernel.
    """
    steps = {}
    for name, kernel in kernels.items():
        size = float(np.sqrt(np.mean(np.square(kernel, dtype=np.float64)))) or 1.0
        wanted = base * max(float(feedbacks[name].row_harm.mean()), 1e-20) ** -_EXPONENT
        steps[name] = np.array([max(min(wanted, coarsest * size), finest[name])])
    return steps


def compact_steps(steps: npt.NDArray[np.float64], levels: int = 8) -> npt.NDArray[np.float64]:
    """Round to the nearest of ``levels / 2`` mantissas times a power of two: a few bits each on the wire.

    With 8 levels the mantissas are 4, 5, 6 and 7.
    """
    mantissa, exponent = np.frexp(steps)
    return np.asarray(np.ldexp(np.round(mantissa * levels) / levels, exponent), np.float64)


def by_channel(steps: npt.NDArray[np.float64], kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return steps in a shape that divides the kernel."""
    return steps.reshape(-1, *[1] * (kernel.ndim - 1))


def entropy_bytes(kernels: Kernels, steps: Steps) -> float:
    """Return the size of a model's codes, rounded to nearest, under a coder that knows each layer's frequencies.

    Brotli comes within 3 % of it.
    """
    total = 0.0
    for name, kernel in kernels.items():
        codes = np.round(kernel / by_channel(steps[name], kernel)).astype(np.int32)
        counts = np.bincount((codes - codes.min()).ravel())
        share = counts[counts > 0] / codes.size
        total -= float((share * np.log2(share)).sum()) * codes.size / 8
    return total


def base_for_entropy(kernels: Kernels, allocate: Callable[[float], Steps], target: float) -> float:
    """Find the base at which ``allocate`` has an entropy of ``target`` bytes, by bisection."""
    low, high = FINEST_BASE, COARSEST_BASE
    for _ in range(28):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if entropy_bytes(kernels, allocate(middle)) > target else (low, middle)
    return float(np.sqrt(low * high))
