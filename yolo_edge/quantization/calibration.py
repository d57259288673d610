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

Every input counts the same: its squares are divided by the harm that errors in proportion to the weights would do on
it. Harm differs by orders of magnitude from input to input, and one blurred person would else decide about all layers.
So what calibration finds out are shares of harm, in a unit that is the same for all layers of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from yolo_edge.photos.photo import Photo
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.quantization.collector import Collector
from yolo_edge.quantization.differentiable import DifferentiableModel
from yolo_edge.quantization.kernels import convolution_kernels
from yolo_edge.quantization.mosaic import compose
from yolo_edge.quantization.passes import Pass, passes, photos_at_once
from yolo_edge.quantization.photos import PhotoSet
from yolo_edge.threads import mapped_ahead, one_thread_an_operation

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[np.float32]

_PHOTO_SIDE = 1.5
"""Longest side of a photo that is kept, in sides of the model's input: a crop of two thirds still fills it."""

_SURE = 0.4

_VERSION = 6
"""Changes whenever the numbers below would: part of the cache key."""


@dataclass(frozen=True)
class LayerStatistics:
    """What calibration found out about one convolution.

    Attributes:
        moments: second moments of the input columns, float32 ``[groups, n, n]``, ``n = in/groups · height · width``;
            the mean diagonal of each group is 1.
        harm: float32 ``[out, out]``; on the diagonal what a squared unit of weight error costs in each output channel,
            the mean over its weights, as a share; beside it how the channels' gradients go together.
    """

    moments: Array
    harm: Array

    @property
    def sensitivity(self) -> Array:
        """Share of harm of a squared unit of weight error, one value an output channel."""
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
    network = DifferentiableModel(model)
    wanted = set(convolution_kernels(model))
    collectors = {
        convolution.kernel: Collector(convolution, network.weights[convolution.kernel])
        for convolution in network.convolutions
        if convolution.kernel in wanted
    }
    inputs = calibration_inputs(model, head, photos, samples=samples, seed=seed)
    with (
        one_thread_an_operation(),
        ThreadPoolExecutor() as layers,
        progress(f"Calibrating on {photos.name}", samples, "inputs") as advance,
    ):
        for passed in passes(network, collectors, head, inputs, seed):
            _add(collectors, passed, layers)
            advance(1)
    return {name: LayerStatistics(item.moments(), item.harm(samples)) for name, item in collectors.items()}


def _add(collectors: Mapping[str, Collector], passed: Pass, layers: ThreadPoolExecutor) -> None:
    weight = _weight(passed)

    def add(name: str) -> None:
        if name in passed.samples and name in passed.kernel_gradients:
            collectors[name].add(passed.samples[name], passed.kernel_gradients[name], weight)

    for _ in layers.map(add, collectors):
        pass


def _weight(passed: Pass) -> float:
    return 1 / passed.harm if passed.harm > 0 else 0.0


def calibration_inputs(
    model: onnx.ModelProto, head: PoseHead, photos: PhotoSet, *, samples: int, seed: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield inputs composed of photos, float32 ``[1, 3, H, W]``; photos with a person are taken more often.

    Raises:
        ImageError: a photo has become unreadable since it was chosen.
    """
    images, persons = _looked_at(model, head, photos)
    say(f"{len(persons)} of {len(images)} photos hold a person ({photos.name})")
    if not persons:
        say("Sensitivities taken without persons are wrong: give --calibration photos like those of your users")
    yield from compose(images, persons, head.image_size, samples, seed)


def _looked_at(
    model: onnx.ModelProto, head: PoseHead, photos: PhotoSet
) -> tuple[list[npt.NDArray[np.uint8]], list[int]]:
    """Return all photos, scaled down, and the indices of those on which the float model is sure of a person."""
    has_person = _person_finder(model, head)

    def look(photo: Photo) -> tuple[npt.NDArray[np.uint8], bool]:
        image = _reduced(photo.read(), head.image_size)
        return image, has_person(image)

    seen = list(mapped_ahead(look, photos.photos, photos_at_once()))
    return [image for image, _ in seen], [index for index, (_, found) in enumerate(seen) if found]


def _reduced(image: npt.NDArray[np.uint8], image_size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Scale a photo down to what its crops need, so that a set of large photos fits into memory."""
    import cv2

    factor = _PHOTO_SIDE * max(image_size) / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _person_finder(model: onnx.ModelProto, head: PoseHead) -> Callable[[npt.NDArray[np.uint8]], bool]:
    """Return what tells whether the float model is sure of a person on a photo; it takes one thread a photo."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def has_person(image: npt.NDArray[np.uint8]) -> bool:
        boxed, _ = letterbox(image, head.image_size)
        output = session.run(None, {name: np.ascontiguousarray(boxed.transpose(0, 3, 1, 2))})[0]
        return bool(output[0, 4 : 4 + len(head.classes)].max() >= _SURE)

    return has_person


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
