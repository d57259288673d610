"""What photos say about a model's weights: second moments of inputs and gradients of every convolution.

For each input (:mod:`yolo_edge.quantization.mosaic`) one forward and one backward pass is made. The backward pass
starts from the detections' outputs, scaled so that a unit is a unit of harm (:mod:`yolo_edge.quantization.harm`), under
random signs; the gradients that arrive then satisfy, in expectation over the signs,

    E[(dL/dw)²] = the diagonal of the Gauss-Newton matrix of the harm with respect to the weights,

which is what a small error in a weight costs (Hutchinson's estimator, see Martens, arXiv 1206.6464). Beside it the
second moments are gathered from which error feedback (:mod:`yolo_edge.quantization.rounding`) knows which errors
cancel: ``Σ x xᵀ`` of the convolution's input columns at sampled output positions, half of its weight spread evenly,
half on positions with large gradients, since an error where no person is costs nothing; and ``Σ g gᵀ`` of the gradients
at its output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from yolo_edge.cache import cache_root
from yolo_edge.console import progress, say
from yolo_edge.files import staged_file
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.quantization.differentiable import Convolution, DifferentiableModel, padded
from yolo_edge.quantization.harm import harm_scale
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.mosaic import compose
from yolo_edge.quantization.photos import PhotoSet

if TYPE_CHECKING:
    import onnx
    import torch

Array = npt.NDArray[np.float32]

_POSITIONS = 192
"""Output positions sampled a photo and layer."""

_PHOTO_SIDE = 1.5
"""Longest side of a photo that is kept, in sides of the model's input: a crop of two thirds still fills it."""

_SURE = 0.4
_LEAST_SENSITIVITY = 1e-3
"""Of a channel, in means of its layer: what no photo excited may still matter."""

_VERSION = 3
"""Changes whenever the numbers below would: part of the cache key."""


@dataclass(frozen=True)
class LayerStatistics:
    """What calibration found out about one convolution.

    Attributes:
        moments: second moments of the input columns, float32 ``[groups, n, n]``, ``n = in/groups · height · width``;
            the mean diagonal of each group is 1.
        harm: float32 ``[out, out]``; on the diagonal what a squared unit of weight error costs in each output channel,
            the mean over its weights; beside it how the channels' gradients go together.
    """

    moments: Array
    harm: Array

    @property
    def sensitivity(self) -> Array:
        """Harm of a squared unit of weight error, one value an output channel."""
        return self.harm.diagonal()


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


def calibrate(model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, *, samples: int, seed: int = 0) -> Calibration:
    """Gather the statistics of a model on photos, or take them from the cache.

    Args:
        model: slimmed ONNX model of static shape with a raw head.
        head: what its output means.
        photos: what to compose the inputs of.
        samples: how many inputs.
        seed: of the compositions, random signs and positions.

    Raises:
        UnsupportedOperationError: the graph holds an operation that cannot be differentiated.
        ImageError: a photo has become unreadable since it was chosen.
    """
    key = "\n".join([str(_VERSION), str(samples), str(seed), model_digest(model), photos.digest])
    digest = sha256(key.encode()).hexdigest()
    path = cache_root() / "calibration" / f"{digest[:32]}.npz"
    layers = _read(path)
    if layers is None:
        layers = _gather(model, head, photos, samples, seed)
        _write(path, layers)
    else:
        say("Calibration taken from the cache")
    return Calibration(layers, digest, photos.name, len(photos.photos))


def model_digest(model: onnx.ModelProto) -> str:
    """Return the sha256 of graph and weights; the metadata (names, licence) changes no statistics."""
    return sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def _gather(
    model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, samples: int, seed: int
) -> dict[str, LayerStatistics]:
    import torch

    network = DifferentiableModel(model)
    wanted = set(convolution_kernels(model))
    collectors = {
        convolution.kernel: _Collector(convolution, network.weights[convolution.kernel])
        for convolution in network.convolutions
        if convolution.kernel in wanted
    }
    random = torch.Generator().manual_seed(seed)
    with progress(f"Calibrating on {photos.name}", samples, "inputs") as advance:
        for image in calibration_inputs(model, head, photos, samples=samples, seed=seed):
            _gather_input(network, collectors, head, torch.from_numpy(image), random)
            advance(1)
    return {name: collector.statistics(samples) for name, collector in collectors.items()}


def calibration_inputs(
    model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, *, samples: int, seed: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield inputs composed of photos, float32 ``[1, 3, H, W]``; photos with a person are taken more often.

    Raises:
        ImageError: a photo has become unreadable since it was chosen.
    """
    images = [_reduced(photo.read(), head.image_size) for photo in photos.photos]
    persons = _photos_with_persons(model, head, images)
    say(f"{len(persons)} of {len(images)} photos hold a person ({photos.name})")
    if not persons:
        say("Sensitivities taken without persons are wrong: give --calibration photos like those of your users")
    yield from compose(images, persons, head.image_size, samples, seed)


def _reduced(image: npt.NDArray[np.uint8], image_size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Scale a photo down to what its crops need, so that a set of large photos fits into memory."""
    import cv2

    factor = _PHOTO_SIDE * max(image_size) / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _photos_with_persons(model: onnx.ModelProto, head: PoseHead, images: Sequence[npt.NDArray[np.uint8]]) -> list[int]:
    """Return the indices of the photos on which the float model is sure of a person."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name, found = session.get_inputs()[0].name, []
    for index, image in enumerate(images):
        boxed, _ = letterbox(image, head.image_size)
        output = session.run(None, {name: np.ascontiguousarray(boxed.transpose(0, 3, 1, 2))})[0]
        if output[0, 4 : 4 + len(head.classes)].max() >= _SURE:
            found.append(index)
    return found


def _gather_input(
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
        self._gradients = torch.zeros(out, out)
        self._sensitivity = torch.zeros(out)

    def add(self, source: Any, gradient: Any, kernel_gradient: Any, random: Any) -> None:
        """Add one input.

        Args:
            source: the convolution's input ``[1, C, H, W]``.
            gradient: of the harm with respect to its output ``[O, H', W']``.
            kernel_gradient: of the harm with respect to its kernel.
            random: torch generator.
        """
        import torch

        self._sensitivity += kernel_gradient.square().mean(dim=(1, 2, 3))
        rows = gradient.flatten(1)
        self._gradients += rows @ rows.T
        energy = rows.square().sum(0)
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

    def statistics(self, inputs: int) -> LayerStatistics:
        """Return the sums as statistics: both kinds of moments with the same mean diagonal, half and half."""
        moments = _normalised(self._even) + _normalised(self._focused)
        size = self._gradients.diagonal().clamp(min=1e-30).sqrt()
        correlations = self._gradients / size[:, None] / size
        correlations.fill_diagonal_(1.0)
        least = _LEAST_SENSITIVITY * self._sensitivity.mean().clamp(min=1e-30)
        root = (self._sensitivity.clamp(min=least) / inputs).sqrt()
        upper = moments.triu() / 2  # sums of products are symmetric to the last bit on some processors only
        mirrored = upper + upper.triu(1).transpose(1, 2)
        return LayerStatistics(mirrored.numpy(), (correlations * root[:, None] * root).numpy())


def _normalised(moments: Any) -> Any:
    """Scale each group to a mean diagonal of 1: how excited its channels are is part of their sensitivity."""
    return moments / moments.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)[:, None, None]


def _write(path: Path, layers: Mapping[str, LayerStatistics]) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {"names": np.array(list(layers))}
    for index, statistics in enumerate(layers.values()):
        columns = statistics.moments.shape[-1]
        arrays[f"moments{index}"] = statistics.moments[:, *np.triu_indices(columns)]
        arrays[f"harm{index}"] = statistics.harm
    with staged_file(path, force=True) as staging, staging.open("wb") as file:
        np.savez(file, **arrays)


def _read(path: Path) -> dict[str, LayerStatistics] | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["names"]]
            return {name: _restored(stored, index) for index, name in enumerate(names)}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        path.unlink(missing_ok=True)  # damaged: gathered anew
        return None


def _restored(stored: Any, index: int) -> LayerStatistics:
    packed = stored[f"moments{index}"]
    columns = int((np.sqrt(8 * packed.shape[1] + 1) - 1) / 2)
    upper = np.triu_indices(columns)
    moments = np.zeros((packed.shape[0], columns, columns), np.float32)
    moments[:, *upper] = packed
    moments[:, upper[1], upper[0]] = packed
    return LayerStatistics(moments, stored[f"harm{index}"])
