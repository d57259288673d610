"""``int4`` on the genuine weights at 192 px: half a byte a weight, whatever compresses it or does not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.quantization.conftest import Artifact
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.quantization.plan import read_plan
from yolo_edge.quantization.schemes.int4 import _WIDE_SHARE
from yolo_edge.tfjs.manifest import read_model
from yolo_edge.tfjs.packing import run_initializer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artifact(small_artifact) -> Artifact:
    return small_artifact("int4")


@pytest.fixture(scope="module")
def decoded(artifact) -> dict[str, np.ndarray]:
    """Initializer → the weights that its codes stand for, ``[out, in, height, width]``."""
    initializers = onnx.load(artifact.decoded).graph.initializer
    layers = read_plan(artifact.directory).layers
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in initializers if tensor.name in layers}


def test_raw_shards_hold_on_a_cdn_that_does_not_compress(artifact):
    shards = sum(path.stat().st_size for path in artifact.directory.glob("*.bin"))
    assert shards <= 1_850_000
    assert read_manifest(artifact.directory).wire_bytes < shards


def test_at_most_16_levels_in_each_output_channel(artifact, decoded):
    layers = read_plan(artifact.directory).layers
    assert {layer.bits for layer in layers.values()} == {4, 8}
    for name, kernel in decoded.items():
        levels = max(len(np.unique(channel)) for channel in kernel)
        assert levels <= 2 ** layers[name].bits, f"{name} has {levels} levels in a channel"
    assert max(len(np.unique(channel)) for channel in decoded["model.9.cv2.conv.weight"]) <= 16


def test_layers_of_8_bits_hold_at_most_their_share(artifact, decoded):
    layers = read_plan(artifact.directory).layers
    sizes = {bits: sum(decoded[name].size for name in layers if layers[name].bits == bits) for bits in (4, 8)}
    share = sizes[8] / (sizes[4] + sizes[8])
    assert 0.9 * _WIDE_SHARE <= share <= _WIDE_SHARE


def test_scales_are_stored_as_two_bytes(artifact, decoded):
    initializer = read_model(artifact.directory).initializer
    channels = sum(len(kernel) for kernel in decoded.values())
    (scales,) = [weight for weight in initializer.weights if weight.values.shape == (channels, 1, 1, 1)]
    assert scales.values.dtype == np.uint16
    assert {weight.stored.dtype for weight in initializer.weights if weight.stored} == {"uint8", "uint16"}


def test_the_initializer_makes_the_weights_that_the_codes_stand_for(artifact, decoded):
    """Bit for bit, kernel by kernel: the same values in another order."""
    made = run_initializer(read_model(artifact.directory).initializer)
    assert len(made) == len(decoded) == 93
    assert sorted(array.size for array in made.values()) == sorted(array.size for array in decoded.values())
    everything = [np.sort(np.concatenate([part.ravel() for part in parts.values()])) for parts in (made, decoded)]
    assert np.array_equal(*everything)
