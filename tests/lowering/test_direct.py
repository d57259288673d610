"""The direct engine gives, in TF.js, what onnxruntime gives for the ONNX model it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.nets import photo_batch
from yolo_edge.checkpoint.export import ExportedModel, export_checkpoint
from yolo_edge.lowering.direct import lower
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import write_model

PIXELS = 0.05
SCORE = 1e-4
PHOTOS = ("bus.jpg", "zidane.jpg")


def run_both(exported: ExportedModel, directory: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outputs of onnxruntime and of TF.js wasm in Node on the shipped photos."""
    (directory / "model.onnx").write_bytes(exported.serialized())
    (directory / "tfjs").mkdir()
    write_model(lower(exported.model, {}), directory / "tfjs")
    images = [photo_batch(name, exported.head.image_size) for name in PHOTOS]
    with open_runtime("onnx", directory / "model.onnx") as runtime:
        expected = [runtime.run(image) for image in images]
    with open_runtime("node", directory / "tfjs") as runtime:
        return [(want, runtime.run(image)) for want, image in zip(expected, images, strict=True)]


def assert_raw_outputs_agree(exported: ExportedModel, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    head = exported.head
    classes = slice(4, 4 + len(head.classes))
    for expected, found in pairs:
        assert found.shape == expected.shape == head.output_shape
        difference = np.abs(found - expected)
        scores = difference[:, classes].max()
        difference[:, classes] = 0
        visibility = head.keypoint_dimensions == 3
        if visibility:
            seen = difference[:, classes.stop + 2 :: 3]
            assert seen.max() <= SCORE * 10, f"keypoint visibility is off by {seen.max()}"
            difference[:, classes.stop + 2 :: 3] = 0
        assert scores <= SCORE, f"a class score is off by {scores}"
        assert difference.max() <= PIXELS, f"a box or keypoint is off by {difference.max()} px"


@pytest.mark.parametrize("size", [(320, 320), (480, 640), (640, 640)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_genuine_weights_give_the_same_poses_as_onnxruntime(weights, tmp_path, size):
    exported = export_checkpoint(weights, size)
    assert_raw_outputs_agree(exported, run_both(exported, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "classes", "keypoints", "family"),
    [
        ("yolov8n-pose.yaml", 1, (17, 3), "v8"),
        ("yolov8n-pose.yaml", 3, (21, 2), "v8"),
        ("yolo11n-pose.yaml", 3, (17, 3), "v11"),
        ("yolo12n-pose.yaml", 1, (17, 3), "v11"),
        ("yolo26n-pose.yaml", 1, (17, 3), "26"),
        ("yolo26n-pose.yaml", 3, (21, 2), "26"),
        ("yolov8n-pose-p6.yaml", 1, (17, 3), "v8"),
    ],
)
def test_every_family_gives_the_same_output_as_onnxruntime(untrained, tmp_path, config, classes, keypoints, family):
    exported = export_checkpoint(untrained(config, classes=classes, keypoints=keypoints), (320, 320))
    assert exported.head.family == family
    assert (exported.head.keypoint_count, exported.head.keypoint_dimensions) == keypoints
    assert_raw_outputs_agree(exported, run_both(exported, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 3])
def test_end_to_end_output_holds_the_same_detections(untrained, tmp_path, classes):
    exported = export_checkpoint(untrained("yolo26n-pose.yaml", classes=classes), (320, 320), end2end=True)
    assert (exported.head.family, exported.head.layout) == ("26", "end2end")
    for expected, found in run_both(exported, tmp_path):
        assert found.shape == expected.shape == (1, 300, 57)
        np.testing.assert_allclose(found[0, :, 4], expected[0, :, 4], atol=SCORE, err_msg="sorted scores")
        # Rows whose scores tie within rounding may change places, and the last row may be another of its equals.
        for row in expected[0, :-5]:
            off = np.abs(found[0] - row)
            off[np.abs(found[0, :, 4] - row[4]) > SCORE] = np.inf
            off[:, 4] = 0
            assert off.max(axis=1).min() <= PIXELS, f"no detection like {row[:6]}"


def test_graph_stays_small(converted_onnx):
    model = lower(onnx.load(converted_onnx), {})
    operations = model.operations()
    assert sum(operations.values()) <= 370
    assert operations["Transpose"] <= 6
    assert operations["Pad"] == 0


def test_lowering_twice_gives_the_same_nodes(converted_onnx):
    model = onnx.load(converted_onnx)
    first, second = lower(model, {}), lower(model, {})
    assert [node.to_json() for node in first.nodes] == [node.to_json() for node in second.nodes]
