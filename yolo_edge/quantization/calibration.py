"""What photos say about a model's weights: input second moments and sensitivities of every convolution.

For each photo one forward and one backward pass is made. The backward pass starts from the detections' outputs,
scaled so that a unit is a unit of harm (:mod:`yolo_edge.quantization.harm`), under random signs; the gradients that
arrive then satisfy, in expectation over the signs,

    E[(dL/dw)²] = the diagonal of the Gauss-Newton matrix of the harm with respect to the weights,

which is what a small error in a weight costs (Hutchinson's estimator, see Martens, arXiv 1206.6464). Beside it, for
error-feedback rounding, the second moment ``H = Σ x xᵀ`` of every convolution's input columns is gathered from sampled
output positions: half of its weight is spread evenly, half goes to positions with large gradients, since an error where
no person is costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.cache import cache_root
from yolo_edge.console import progress, say
from yolo_edge.files import staged_file
from yolo_edge.pose.head import PoseHead
from yolo_edge.quantization.differentiable import Convolution, DifferentiableModel, padded
from yolo_edge.quantization.harm import harm_scale
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.photos import PhotoSet

if TYPE_CHECKING:
    import onnx
    import torch

Array = npt.NDArray[np.float32]

_POSITIONS = 192
"""Output positions sampled a photo and layer."""

_VERSION = 1
"""Changes whenever the numbers below would: part of the cache key."""


@dataclass(frozen=True)
class LayerStatistics:
    """What calibration found out about one convolution.

    Attributes:
        moments: second moments of the input columns, float32 ``[groups, n, n]``, ``n = in/groups · height · width``.
        sensitivity: harm a squared unit of weight error causes, float32, the mean over each output channel's weights.
    """

    moments: Array
    sensitivity: Array


@dataclass(frozen=True)
class Calibration:
    """Statistics of every quantized convolution of a model.

    Attributes:
        layers: kernel initializer → statistics.
        digest: sha256 of what it was computed from: model, photos, method.
        photos: name of the photo set.
        count: number of photos.
    """

    layers: Mapping[str, LayerStatistics]
    digest: str
    photos: str
    count: int


def calibrate(model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, *, seed: int = 0) -> Calibration:
    """Gather the statistics of a model on photos, or take them from the cache.

    Args:
        model: slimmed ONNX model of static shape with a raw head.
        head: what its output means.
        photos: what to run it on.
        seed: of the random signs and positions.

    Raises:
        UnsupportedOperationError: the graph holds an operation that cannot be differentiated.
        ImageError: a photo has become unreadable since it was chosen.
    """
    key = "\n".join([str(_VERSION), str(seed), model_digest(model), photos.digest])
    digest = sha256(key.encode()).hexdigest()
    path = cache_root() / "calibration" / f"{digest[:32]}.npz"
    layers = _read(path)
    if layers is None:
        layers = _gather(model, head, photos, seed)
        _write(path, layers)
    else:
        say("Calibration taken from the cache")
    return Calibration(layers, digest, photos.name, len(photos.photos))


def model_digest(model: onnx.ModelProto) -> str:
    """Return the sha256 of graph and weights; the metadata (names, licence) changes no statistics."""
    return sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def _gather(model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, seed: int) -> dict[str, LayerStatistics]:
    import torch

    network = DifferentiableModel(model)
    wanted = set(convolution_kernels(model))
    collectors = {
        convolution.kernel: _Collector(convolution, network.weights[convolution.kernel])
        for convolution in network.convolutions
        if convolution.kernel in wanted
    }
    random = torch.Generator().manual_seed(seed)
    title = f"Calibrating on {photos.name}"
    with progress(title, len(photos.photos), "photos") as advance:
        for image in photos.inputs(head.image_size):
            _gather_photo(network, collectors, head, torch.from_numpy(image), random)
            advance(1)
    return {name: collector.statistics(len(photos.photos)) for name, collector in collectors.items()}


def _gather_photo(
    network: DifferentiableModel, collectors: dict[str, _Collector], head: PoseHead, image: Any, random: Any
) -> None:
    import torch

    kernels = {name: network.weights[name].clone().requires_grad_() for name in collectors}
    seen: list[tuple[Convolution, torch.Tensor, torch.Tensor]] = []

    def observe(convolution: Convolution, source: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        if convolution.kernel in collectors:
            output.retain_grad()
            seen.append((convolution, source.detach(), output))
        return output

    output = network(image, kernels, observe)
    anchors, scale = harm_scale(output.detach()[0], head)
    signs = torch.randint(0, 2, scale.shape, generator=random) * 2.0 - 1.0
    (output[0][:, anchors] * scale * signs).sum().backward()
    for convolution, source, result in seen:
        gradient = kernels[convolution.kernel].grad
        if gradient is not None and result.grad is not None:
            collectors[convolution.kernel].add(source, result.grad[0], gradient, random)


class _Collector:
    """Sums up the statistics of one convolution."""

    def __init__(self, convolution: Convolution, kernel: Any) -> None:
        import torch

        self._convolution = convolution
        out, columns = kernel.shape[0], kernel[0].numel()
        self._kernel_size = (kernel.shape[2], kernel.shape[3])
        self._even = torch.zeros(convolution.groups, columns, columns)
        self._focused = torch.zeros(convolution.groups, columns, columns)
        self._sensitivity = torch.zeros(out)

    def add(self, source: Any, gradient: Any, kernel_gradient: Any, random: Any) -> None:
        """Add one photo.

        Args:
            source: the convolution's input ``[1, C, H, W]``.
            gradient: of the harm with respect to its output ``[O, H', W']``.
            kernel_gradient: of the harm with respect to its kernel.
            random: torch generator.
        """
        import torch

        self._sensitivity += kernel_gradient.square().mean(dim=(1, 2, 3))
        energy = gradient.square().sum(0).flatten()
        count = energy.numel()
        chance = 0.5 / count + 0.5 * energy / energy.sum().clamp(min=1e-30)
        chance /= chance.sum()
        positions = torch.multinomial(chance, min(_POSITIONS, count), replacement=True, generator=random)
        columns = self._columns(source, positions, gradient.shape[2])
        drawn = chance[positions] * len(positions)
        for target, weight in ((self._even, 1 / (drawn * count)), (self._focused, energy[positions] / drawn)):
            scaled = columns * weight.sqrt()
            target.baddbmm_(scaled, scaled.transpose(1, 2))

    def _columns(self, source: Any, positions: Any, width: int) -> Any:
        """Input columns at output positions: ``[groups, n, positions]``."""
        import torch

        convolution = self._convolution
        image = padded(source, convolution.pads)[0]
        row = (positions // width)[:, None] * convolution.strides[0]
        column = (positions % width)[:, None] * convolution.strides[1]
        rows = row + torch.arange(self._kernel_size[0]) * convolution.dilations[0]
        columns = column + torch.arange(self._kernel_size[1]) * convolution.dilations[1]
        patches = image[:, rows[:, :, None], columns[:, None, :]].permute(1, 0, 2, 3)
        return patches.reshape(len(positions), convolution.groups, -1).permute(1, 2, 0)

    def statistics(self, photos: int) -> LayerStatistics:
        """Return the sums as statistics: both kinds of moments with the same mean diagonal, half and half."""
        moments = _normalised(self._even) + _normalised(self._focused)
        return LayerStatistics((moments / 2).numpy(), (self._sensitivity / photos).numpy())


def _normalised(moments: Any) -> Any:
    return moments / moments.diagonal(dim1=1, dim2=2).mean().clamp(min=1e-30)


def _write(path: Path, layers: Mapping[str, LayerStatistics]) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {"names": np.array(list(layers))}
    for index, statistics in enumerate(layers.values()):
        columns = statistics.moments.shape[-1]
        arrays[f"moments{index}"] = statistics.moments[:, *np.triu_indices(columns)]
        arrays[f"sensitivity{index}"] = statistics.sensitivity
    with staged_file(path, force=True) as staging, staging.open("wb") as file:
        np.savez(file, **arrays)


def _read(path: Path) -> dict[str, LayerStatistics] | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["names"]]
            return {name: _restored(stored, index) for index, name in enumerate(names)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError):
        path.unlink(missing_ok=True)  # damaged: gathered anew
        return None


def _restored(stored: Any, index: int) -> LayerStatistics:
    packed = stored[f"moments{index}"]
    columns = int((np.sqrt(8 * packed.shape[1] + 1) - 1) / 2)
    upper = np.triu_indices(columns)
    moments = np.zeros((packed.shape[0], columns, columns), np.float32)
    moments[:, *upper] = packed
    moments[:, upper[1], upper[0]] = packed
    return LayerStatistics(moments, stored[f"sensitivity{index}"])
