"""The genuine net says the same on every runtime."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from yolo_edge.errors import ModelError
from yolo_edge.pose.decode import detect
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import open_runtime
from yolo_edge.verbs.predict import head_of, predict

PHOTOS = Path(find_spec("ultralytics").submodule_search_locations[0]) / "assets"
BOX_PIXELS = KEYPOINT_PIXELS = 0.05
SCORE = 1e-4


@pytest.fixture(scope="module")
def reference(converted_onnx):
    """Photo name → input, geometry, output of ONNX Runtime."""
    head = head_of(converted_onnx)
    answers = {}
    with open_runtime("onnx", converted_onnx) as runtime:
        for name in ("bus.jpg", "zidane.jpg"):
            images, geometry = letterbox(read_image(PHOTOS / name), head.image_size)
            answers[name] = images, geometry, runtime.run(images)
    return answers


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["torch", "node"] + [pytest.param(f"browser:{b}", marks=pytest.mark.browser) for b in ("wasm", "webgl")],
)
def test_output_and_persons_are_those_of_onnx_runtime(converted, weights, reference, name):
    head = head_of(converted)
    with open_runtime(name, weights if name == "torch" else converted) as runtime:
        for photo, (images, geometry, expected) in reference.items():
            output = runtime.run(images)
            apart = np.abs(output - expected)[0]
            assert apart[:4].max() <= BOX_PIXELS and apart[4].max() <= SCORE
            assert apart[5:].reshape(17, 3, -1)[:, :2].max() <= KEYPOINT_PIXELS
            here, there = detect(output, head, geometry), detect(expected, head, geometry)
            assert len(here) == len(there) >= 2, photo
            scale = 1 / min(geometry.scale)  # pixels of the photo per input pixel
            for a, b in zip(here, there, strict=True):
                assert np.abs(a.keypoints - b.keypoints)[:, :2].max() <= KEYPOINT_PIXELS * scale


@pytest.mark.slow
def test_a_changed_shard_is_refused_before_anything_runs(converted, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in converted.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    shard = next(copy.glob("*.bin"))
    damaged = bytearray(shard.read_bytes())
    damaged[1000] ^= 1
    shard.write_bytes(damaged)
    for runtime in ("node", "browser:wasm"):
        with pytest.raises(ModelError, match=rf"{shard.name} has changed"):
            predict(copy, [PHOTOS / "bus.jpg"], runtime=runtime)
