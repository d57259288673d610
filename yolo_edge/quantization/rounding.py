"""Error-feedback rounding (GPTQ): each weight's rounding error is made up for by the weights not yet rounded.

Source: Frantar et al., arXiv 2210.17323, in the Cholesky form of its section 3.3. For a kernel row ``w`` and the
second moment ``H`` of its input columns, the columns are rounded one after the other, from the most to the least
excited; with ``U`` the upper Cholesky factor of ``H⁻¹``, the error ``e = (w_i − q_i) / U_ii`` is spread as
``w_j ← w_j − e · U_ij`` over ``j > i``. The output error ``(w − q) H (w − q)ᵀ`` that is left is a fraction of what
rounding to nearest leaves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DAMPING = 0.03
"""Added to the diagonal of ``H``, as a share of its mean: keeps a singular ``H`` invertible, and the feedback from
trusting few photos too much."""

_BLOCK = 64


def round_with_feedback(
    kernel: npt.NDArray[Any],
    moments: npt.NDArray[Any],
    step: float,
    *,
    lowest: int,
    highest: int,
) -> npt.NDArray[np.int32]:
    """Round a convolution kernel to whole multiples of a step.

    Args:
        kernel: float ``[out, in/groups, height, width]``.
        moments: second moments of the input columns ``[groups, n, n]``.
        step: weight units a code.
        lowest: smallest code, negative or 0.
        highest: largest code, positive or 0.

    Returns:
        Signed codes of the kernel's shape; ``code · step`` stands for the weight.
    """
    import torch

    groups, columns = moments.shape[:2]
    weights = torch.from_numpy(kernel.astype(np.float64)).reshape(groups, -1, columns) / step
    factor, order = _feedback_factor(torch.from_numpy(moments.astype(np.float64)))
    rows = weights.shape[1]
    weights = torch.gather(weights, 2, order[:, None].expand(groups, rows, columns))
    codes = torch.zeros_like(weights)
    for begin in range(0, columns, _BLOCK):
        end = min(begin + _BLOCK, columns)
        errors = torch.zeros(groups, rows, end - begin, dtype=weights.dtype)
        for column in range(begin, end):
            code = weights[:, :, column].round().clamp(lowest, highest)
            codes[:, :, column] = code
            error = (weights[:, :, column] - code) / factor[:, column, column, None]
            weights[:, :, column + 1 : end] -= error[:, :, None] * factor[:, None, column, column + 1 : end]
            errors[:, :, column - begin] = error
        weights[:, :, end:] -= errors @ factor[:, begin:end, end:]
    restored = torch.empty_like(codes).scatter_(2, order[:, None].expand(groups, rows, columns), codes)
    signed: npt.NDArray[np.int32] = restored.reshape(kernel.shape).numpy().astype(np.int32)
    return signed


def _feedback_factor(moments: Any) -> tuple[Any, Any]:
    """Return the upper Cholesky factor of the damped inverse, and the column order it is in."""
    import torch

    groups, columns = moments.shape[:2]
    diagonal = moments.diagonal(dim1=1, dim2=2)
    mean = diagonal.mean(dim=1, keepdim=True)
    mean = torch.where(mean > 0, mean, torch.ones_like(mean))  # a layer no photo excites: rounds to nearest
    damped = moments + torch.diag_embed((DAMPING * mean).expand(groups, columns))
    order = torch.argsort(diagonal, dim=1, descending=True, stable=True)
    group = torch.arange(groups)[:, None, None]
    damped = damped[group, order[:, :, None], order[:, None, :]]
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True), order
