"""The JavaScript decoder answers what ``yolo_edge.pose.decode.detect`` answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.nets import shipped_photo
from tests.web.scripts import run_script
from yolo_edge.bundle.contract import make_contract
from yolo_edge.pose.decode import detect
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import Letterbox, letterbox

RANDOM_CASES = 220
KEYPOINT_PIXELS = 1e-3


def head_of(layout: str, shape: tuple[int, int, int], classes: int, keypoints: int, dimensions: int) -> PoseHead:
    return PoseHead(
        family="v11" if layout == "raw" else "26",
        layout=layout,  # type: ignore[arg-type]
        image_size=(320, 256),
        classes=tuple(f"class {index}" for index in range(classes)),
        keypoint_count=keypoints,
        keypoint_dimensions=dimensions,
        keypoint_names=tuple(f"point {index}" for index in range(keypoints)),
        skeleton=(),
        strides=(8, 16, 32),
        output_shape=shape,
        licence="",
    )


def random_case(random: np.random.Generator) -> tuple[PoseHead, np.ndarray, tuple[int, int]]:
    """An output full of overlapping boxes, ties in score included."""
    layout = ("raw", "end2end")[int(random.integers(2))]
    classes, keypoints, dimensions = (int(random.integers(*span)) for span in ((1, 5), (1, 20), (2, 4)))
    rows = int(random.integers(1, 900))
    centres = random.uniform(0, 256, (8, 2))[random.integers(0, 8, rows)] + random.normal(0, 6, (rows, 2))
    sizes = random.uniform(20, 120, (rows, 2))
    scores = random.beta(1, 2, (rows, classes))
    scores[random.random(scores.shape) < 0.2] = 0.5
    points = random.uniform(-40, 360, (rows, keypoints, dimensions))
    points[..., 2:] = random.random(points[..., 2:].shape)
    points = points.reshape(rows, -1)
    if layout == "raw":
        table = np.hstack([centres, sizes, scores, points])
        output = table.T[None]
    else:
        order = np.argsort(-scores[:, 0], kind="stable")
        index = random.integers(0, classes, (rows, 1))
        table = np.hstack([centres - sizes / 2, centres + sizes / 2, scores[:, :1], index, points])
        output = table[order][None]
    output = np.ascontiguousarray(output, np.float32)
    source = (int(random.integers(1, 2000)), int(random.integers(1, 2000)))
    return head_of(layout, output.shape, classes, keypoints, dimensions), output, source


def answers(cases: list[tuple[PoseHead, np.ndarray, tuple[int, int], float, float]], folder: Path) -> list:
    described = [
        {
            "output": make_contract(head, "output").output.model_dump(mode="json"),
            "source": source,
            "input": head.image_size,
            "confidence": confidence,
            "iou": iou,
            "keypoints": head.keypoint_count,
        }
        for head, _, source, confidence, iou in cases
    ]
    (folder / "cases.json").write_text(json.dumps(described))
    (folder / "outputs.bin").write_bytes(b"".join(output.astype("<f4").tobytes() for _, output, *_ in cases))
    return run_script("decode.mjs", folder)


def check(cases: list[tuple[PoseHead, np.ndarray, tuple[int, int], float, float]], folder: Path) -> int:
    """Hold every case to Python's persons; return how many there were."""
    total = 0
    for number, (case, found) in enumerate(zip(cases, answers(cases, folder), strict=True)):
        head, output, source, confidence, iou = case
        persons = detect(output, head, Letterbox.fit(source, head.image_size), confidence, iou)
        where = f"case {number}, {head.layout}"
        assert len(found) == len(persons), where
        total += len(persons)
        for person, other in zip(persons, found, strict=True):
            box = other["box"]
            corners = [box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]]
            points = np.array([[point["x"], point["y"], point["score"]] for point in other["keypoints"]])
            assert other["score"] == pytest.approx(person.score, abs=1e-7), where
            assert other["classIndex"] == person.class_index, where
            assert np.abs(person.box - corners).max() <= KEYPOINT_PIXELS, where
            wanted = np.ones((head.keypoint_count, 3))
            wanted[:, : head.keypoint_dimensions] = person.keypoints
            assert np.abs(wanted - points).max() <= KEYPOINT_PIXELS, where
    return total


def test_random_outputs_give_the_persons_that_python_finds(tmp_path):
    random = np.random.default_rng(7)
    cases = []
    for _ in range(RANDOM_CASES):
        head, output, source = random_case(random)
        confidence, iou = (float(random.choice(values)) for values in ((0.05, 0.25, 0.5, 0.7), (0.0, 0.3, 0.7, 1.0)))
        cases.append((head, output, source, confidence, iou))
    assert check(cases, tmp_path) > 10 * RANDOM_CASES, "too few persons to prove anything"


@pytest.mark.slow
def test_real_outputs_give_the_persons_that_python_finds(web_directory, tmp_path):
    import onnxruntime

    from yolo_edge.bundle.manifest import read_manifest

    head = read_manifest(web_directory).head
    session = onnxruntime.InferenceSession(str(web_directory / "model.onnx"), providers=["CPUExecutionProvider"])
    cases = []
    for name in ("bus.jpg", "zidane.jpg"):
        image = read_image(shipped_photo(name))
        for part in (image, image[:, : image.shape[1] // 2], image[::2, ::3], image[:, ::-1]):
            images, at = letterbox(np.ascontiguousarray(part), head.image_size)
            output = session.run(None, {session.get_inputs()[0].name: images.transpose(0, 3, 1, 2)})[0]
            for confidence in (0.01, 0.25):
                cases.append((head, output, at.source_size, confidence, 0.7))
    assert check(cases, tmp_path) > 50


def test_a_frame_is_decoded_within_a_millisecond_and_without_allocation():
    cost = run_script("decoder_cost.mjs")
    assert cost["persons"] > 20
    assert cost["milliseconds"] < 1
    assert cost["bytes"] < 4096, "one object a candidate would be 8,400 times 16 bytes or more"
