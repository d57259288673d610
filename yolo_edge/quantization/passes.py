"""Forward and backward passes of a model over many inputs, several side by side.

Torch shares one operation out among threads that wait for each other after each; on two cores a pass is no quicker for
it, and many times slower where another program runs. So every pass has one thread to itself, and passes run side by
side. Results come in the order of the inputs and are the same for any number of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from yolo_edge.pose.head import PoseHead
from yolo_edge.quantization.collector import Sample, take_sample
from yolo_edge.quantization.differentiable import Convolution, DifferentiableModel
from yolo_edge.quantization.harm import harm_scale
from yolo_edge.threads import mapped_ahead

if TYPE_CHECKING:
    import torch

_MEMORY = 1.1e9
"""Bytes that passes side by side may take together; one may take more."""

_BYTES_A_VALUE = 20
"""What a pass takes for each value that a convolution gives: 350 MB for the 18 million of yolo11n at 640 px."""

_MOST_PHOTOS = 3
"""Read at a time: one of 24 million pixels takes 72 MB."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What one input says about the watched convolutions.

    Attributes:
        samples: kernel initializer → samples of inputs and gradients, one for each convolution that uses the kernel.
        kernel_gradients: kernel initializer → gradient of the harm with respect to it, of the kernel's shape.
        harm: what errors as large as the weights themselves would do on this input, to second order.
    """

    samples: dict[str, list[Sample]]
    kernel_gradients: dict[str, torch.Tensor]
    harm: float


def passes(
    network: DifferentiableModel,
    kernels: Iterable[str],
    head: PoseHead,
    inputs: Iterable[npt.NDArray[np.float32]],
    seed: int,
) -> Iterator[Pass]:
    """Make a forward and a backward pass with each input, and yield what they say, in order.

    Args:
        network: the model.
        kernels: initializers of the convolutions to watch.
        head: what the model's output means.
        inputs: float32 ``[1, 3, H, W]`` each.
        seed: of the random signs under which the backward pass starts, and of the sampled positions.
    """
    places = {name: index for index, name in enumerate(kernels)}

    def passed(item: tuple[int, npt.NDArray[np.float32]]) -> Pass:
        return _pass(network, places, head, item[1], (seed, item[0]))

    yield from mapped_ahead(passed, enumerate(inputs), passes_at_once(network, head))


def _pass(
    network: DifferentiableModel,
    places: dict[str, int],
    head: PoseHead,
    image: npt.NDArray[np.float32],
    key: tuple[int, int],
) -> Pass:
    import torch

    kernels = {name: network.weights[name].clone().requires_grad_() for name in places}
    samples: dict[str, list[Sample]] = {}

    def observe(convolution: Convolution, source: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        name = convolution.kernel
        if name in places:

            def sample(gradient: torch.Tensor) -> None:
                random = generator(*key, places[name])
                taken = take_sample(convolution, source.detach(), gradient[0], kernels[name].shape, random)
                samples.setdefault(name, []).append(taken)

            output.register_hook(sample)
        return output

    output = network(torch.from_numpy(image), kernels, observe)
    signed_harm(output[0], head, generator(*key)).sum().backward()
    gradients = {name: kernel.grad for name, kernel in kernels.items() if kernel.grad is not None}
    harm = sum(float(value.square().sum() * network.weights[name].square().mean()) for name, value in gradients.items())
    return Pass(samples, gradients, harm)


def signed_harm(output: torch.Tensor, head: PoseHead, random: torch.Generator) -> torch.Tensor:
    """Return what a backward pass starts from: root harm of the anchors that matter, each value under a random sign.

    Args:
        output: float32 ``[4+nc+K·D, N]``.
        head: its meaning.
        random: draws the signs.
    """
    import torch

    anchors, scale = harm_scale(output.detach(), head)
    signs = torch.randint(0, 2, scale.shape, generator=random) * 2.0 - 1.0
    return output[:, anchors] * scale * signs


def generator(*key: int) -> torch.Generator:
    """Return a random generator for a seed and a place in the work, whatever else is drawn before.

    Keys that differ by a 0 at their end alone give the same one.
    """
    import torch

    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint32)[0]))


def passes_at_once(network: DifferentiableModel, head: PoseHead) -> int:
    """Return how many passes to run side by side: one a core, as far as memory goes."""
    import torch

    values = 0

    def count(_: Convolution, source: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        nonlocal values
        values += output.numel()
        return output

    with torch.no_grad():
        network(torch.zeros(1, 3, *head.image_size), None, count)
    return max(1, min(os.cpu_count() or 1, int(_MEMORY / (_BYTES_A_VALUE * max(values, 1)))))


def photos_at_once() -> int:
    """Return how many photos to read side by side."""
    return min(_MOST_PHOTOS, os.cpu_count() or 1)
