"""Sums of samples are the moments they estimate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from yolo_edge.quantization.collector import Collector, take_sample
from yolo_edge.quantization.differentiable import Convolution

CONVOLUTION = Convolution("kernel", strides=(2, 1), pads=(1, 0, 1, 2), dilations=(1, 2), groups=2)
SHAPE = (6, 4, 3, 2)
"""Six output channels of two groups, four input channels each, 3x2."""


def columns_of_all_positions(source: torch.Tensor) -> torch.Tensor:
    """``[groups, n, positions]``, by torch's own unfold."""
    top, left, bottom, right = CONVOLUTION.pads
    padded = torch.nn.functional.pad(source, (left, right, top, bottom))
    unfolded = torch.nn.functional.unfold(padded, SHAPE[2:], dilation=CONVOLUTION.dilations, stride=CONVOLUTION.strides)
    return unfolded[0].reshape(CONVOLUTION.groups, -1, unfolded.shape[-1])


def example(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    source = torch.rand(1, 8, 11, 9, generator=random)
    positions = columns_of_all_positions(source).shape[-1]
    return source, torch.randn(SHAPE[0], 6, positions // 6, generator=random)


def test_samples_are_columns_of_the_convolution():
    source, gradient = example(0)
    sample = take_sample(CONVOLUTION, source, gradient, SHAPE, torch.Generator().manual_seed(1))
    known = {column.numpy().tobytes() for column in columns_of_all_positions(source).flatten(0, 1).T}
    assert {column.contiguous().numpy().tobytes() for column in sample.columns.flatten(0, 1).T} <= known


def test_the_mean_of_many_samples_is_the_moment_of_all_positions():
    source, gradient = example(0)
    collector = Collector(CONVOLUTION, torch.zeros(SHAPE))
    for seed in range(1500):
        sample = take_sample(CONVOLUTION, source, gradient, SHAPE, torch.Generator().manual_seed(seed))
        collector.add([sample], torch.ones(SHAPE), 1.0)
    every = columns_of_all_positions(source).double()
    energy = gradient.flatten(1).square().sum(0).double()
    expected = np.zeros((2, 24, 24))
    for weight in (torch.ones_like(energy), energy):
        moment = (every * weight) @ every.transpose(1, 2)
        expected += (moment / moment.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] / 2).numpy()
    np.testing.assert_allclose(collector.moments(), expected, atol=0.02)


@pytest.mark.parametrize("columns", [64, 300, 600])
def test_moments_are_whole_and_symmetric_at_any_size(columns):
    """Sums are taken strip by strip above the diagonal."""
    pointwise = Convolution("kernel", strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1)
    random = torch.Generator().manual_seed(0)
    source, gradient = torch.randn(1, columns, 4, 4, generator=random), torch.randn(2, 4, 4, generator=random)
    shape = (2, columns, 1, 1)
    sample = take_sample(pointwise, source, gradient, shape, random)
    collector = Collector(pointwise, torch.zeros(shape))
    collector.add([sample], torch.ones(shape), 1.0)
    (moments,) = collector.moments()
    known = sample.columns[0].double()
    even, focused = ((known * weight.double()) @ known.T for weight in (sample.even, sample.focused))
    expected = (even / even.diagonal().mean() + focused / focused.diagonal().mean()) / 2
    np.testing.assert_allclose(moments, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert np.array_equal(moments, moments.T)
