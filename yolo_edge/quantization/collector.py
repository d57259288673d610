"""Second moments of the inputs and gradients of a kernel's convolutions: sampled in each pass, summed up over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.differentiable import Convolution, padded

if TYPE_CHECKING:
    import torch

_POSITIONS = 192
"""Output positions sampled an input and layer."""

_STRIP = 256
"""Rows of a second moment that are summed at a time, from the diagonal on: the half below it is the same."""

_LEAST_SENSITIVITY = 1e-3
"""Of a channel, in means of its layer: what no photo excited may still matter."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What is kept of one convolution in one pass.

    Attributes:
        columns: its input at sampled output positions, float32 ``[groups, n, positions]``, ``n = in/groups · height ·
            width``.
        even: float32 ``[positions]``, what to weigh each by for the mean over all positions.
        focused: the same for the sum weighted by squared gradients.
        gradients: ``Σ g gᵀ`` over all positions, float32 ``[out, out]``.
    """

    columns: torch.Tensor
    even: torch.Tensor
    focused: torch.Tensor
    gradients: torch.Tensor


def take_sample(
    convolution: Convolution,
    source: torch.Tensor,
    gradient: torch.Tensor,
    shape: Sequence[int],
    random: torch.Generator,
) -> Sample:
    """Sample a convolution's input, half of the positions evenly, half by the gradients that reach the output there.

    Args:
        convolution: which one.
        source: its input, float32 ``[1, C, H, W]``.
        gradient: of the harm with respect to its output, float32 ``[out, H', W']``.
        shape: of its kernel, ``out, in/groups, height, width``.
        random: draws the positions.
    """
    import torch

    rows = gradient.flatten(1)
    energy = rows.square().sum(0)
    count = energy.numel()
    chance = 0.5 / count + 0.5 * energy / energy.sum().clamp(min=1e-30)
    chance /= chance.sum()
    positions = torch.multinomial(chance, min(_POSITIONS, count), replacement=True, generator=random)
    drawn = chance[positions] * len(positions)
    columns = _columns(convolution, source, positions, gradient.shape[2], (shape[2], shape[3]))
    return Sample(columns, 1 / (drawn * count), energy[positions] / drawn, rows @ rows.T)


def _columns(
    convolution: Convolution, source: torch.Tensor, positions: torch.Tensor, width: int, kernel_size: tuple[int, int]
) -> torch.Tensor:
    import torch

    image = padded(source, convolution.pads)[0]
    row = (positions // width)[:, None] * convolution.strides[0]
    column = (positions % width)[:, None] * convolution.strides[1]
    rows = row + torch.arange(kernel_size[0]) * convolution.dilations[0]
    columns = column + torch.arange(kernel_size[1]) * convolution.dilations[1]
    patches = image[:, rows[:, :, None], columns[:, None, :]].permute(1, 0, 2, 3)
    return patches.reshape(len(positions), convolution.groups, -1).permute(1, 2, 0).contiguous()


class Collector:
    """Sums up the samples of one kernel. Sums depend on the order of inputs, to the last bit."""

    def __init__(self, convolution: Convolution, kernel: torch.Tensor) -> None:
        """Start with nothing.

        Args:
            convolution: whose statistics these are.
            kernel: float32 ``[out, in/groups, height, width]``.
        """
        import torch

        out, columns = kernel.shape[0], kernel[0].numel()
        self._even = torch.zeros(convolution.groups, columns, columns)
        self._focused = torch.zeros(convolution.groups, columns, columns)
        self._gradients = torch.zeros(out, out)
        self._sensitivity = torch.zeros(out)

    def add(self, samples: Sequence[Sample], kernel_gradient: torch.Tensor, weight: float) -> None:
        """Add one input.

        Args:
            samples: of the convolutions that use this kernel.
            kernel_gradient: of the harm with respect to its kernel, of the kernel's shape.
            weight: of what has to do with gradients, in which inputs differ by orders of magnitude.
        """
        self._sensitivity += kernel_gradient.square().mean(dim=(1, 2, 3)) * weight
        for sample in samples:
            self._gradients += sample.gradients * weight
            _add_moments(self._even, sample.columns * sample.even.sqrt())
            _add_moments(self._focused, sample.columns * (sample.focused * weight).sqrt())

    def moments(self) -> npt.NDArray[np.float32]:
        """Return the second moments of the input columns, both kinds with the same weight: ``[groups, n, n]``.

        The mean diagonal of each group is 1: how excited its channels are is part of their sensitivity.
        """
        upper = ((_normalised(self._even) + _normalised(self._focused)) / 2).triu()
        mirrored: npt.NDArray[np.float32] = (upper + upper.triu(1).transpose(1, 2)).numpy()
        return mirrored

    def harm(self, inputs: int) -> npt.NDArray[np.float32]:
        """Return what a squared unit of weight error costs, ``[out, out]``, the mean over a number of inputs."""
        size = self._gradients.diagonal().clamp(min=1e-30).sqrt()
        correlations = self._gradients / size[:, None] / size
        correlations.fill_diagonal_(1.0)
        least = _LEAST_SENSITIVITY * self._sensitivity.mean().clamp(min=1e-30)
        root = (self._sensitivity.clamp(min=least) / inputs).sqrt()
        result: npt.NDArray[np.float32] = (correlations * root[:, None] * root).numpy()
        return result


def _add_moments(target: torch.Tensor, columns: torch.Tensor) -> None:
    """Add ``columns · columnsᵀ`` to the diagonal of ``target`` and what lies above it."""
    for start in range(0, target.shape[1], _STRIP):
        strip = target[:, start : start + _STRIP, start:]
        strip.baddbmm_(columns[:, start : start + _STRIP], columns[:, start:].transpose(1, 2))


def _normalised(moments: Any) -> Any:
    return moments / moments.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)[:, None, None]
