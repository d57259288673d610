"""What each scheme costs in keypoints: ``python -m benchmarks.quantization --labels coco.json --calibration FOLDER``.

Converts yolo11n-pose at 640 px by every scheme and runs the decoded weights by onnxruntime on the labelled photos (that
TF.js decodes the same weights is tested elsewhere). *AP loss*: COCO keypoint AP against the float32 model's. *OKS*: the
mean object keypoint similarity to the float32 model's persons of score 0.5 and above; a lost one counts 0.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import yolo_edge
from yolo_edge.console import TerminalReporter, reporting_to, say
from yolo_edge.lowering.direct import lower
from yolo_edge.pose.decode import detect
from yolo_edge.pose.head import PoseHead, read_head
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.quantization.harm import COCO_SIGMAS
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import read_model

AREA_OF_BOX = 0.53


def variants(calibration: str) -> dict[str, dict]:
    """Name of a row → options of convert."""
    photos = {"calibration": calibration, "samples": 100}
    return {
        "int8, nearest": {"quantize": "int8"},
        "int8, builtin photos": {"quantize": "int8", "calibration": "builtin"},
        "int8, own photos": {"quantize": "int8", **photos},
        "rd 1.6 MB, own photos": {"quantize": "rd", "max_bytes": "1.6MB", **photos},
        "rd 1.4 MB, own photos": {"quantize": "rd", "max_bytes": "1.4MB", **photos},
        "rd 1.4 MB, builtin photos": {"quantize": "rd", "max_bytes": "1.4MB"},
        "rd 1.2 MB, own photos": {"quantize": "rd", "max_bytes": "1.2MB", **photos},
    }


def decoded_onnx(directory: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The ONNX model with the weights that a converted directory decodes to."""
    shipped = {weight.name: weight for weight in read_model(directory).weights}
    kernels = {weight.initializer: shipped[weight.name] for weight in lower(model, {}).weights if weight.initializer}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for tensor in result.graph.initializer:
        if tensor.name in kernels and len(tensor.dims) == 4:
            values = kernels[tensor.name].decoded()
            order = (2, 3, 0, 1) if tensor.dims[1] == 1 and tensor.dims[0] > 1 else (3, 2, 0, 1)
            array = np.ascontiguousarray(values.transpose(order)).reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return result


def persons_of(model: onnx.ModelProto, head: PoseHead, photos: dict[int, Path], scratch: Path) -> dict[int, list]:
    """Every person down to score 0.001 on each photo, by image id."""
    onnx.save(model, scratch / "run.onnx")
    found = {}
    with open_runtime("onnx", scratch / "run.onnx") as runtime:
        for image_id, path in photos.items():
            image, geometry = letterbox(read_image(path), head.image_size)
            found[image_id] = detect(runtime.run(image), head, geometry, 0.001, 0.7)
    return found


def average_precision(truth: COCO, found: dict[int, list]) -> float:
    """COCO keypoint AP of persons."""
    rows = [
        {
            "image_id": image_id,
            "category_id": 1,
            "keypoints": np.asarray(person.keypoints, float).ravel().tolist(),
            "score": float(person.score),
        }
        for image_id, persons in found.items()
        for person in persons
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(rows), "keypoints")
        evaluation.params.imgIds = list(found)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def similarity(reference, other) -> float:
    """OKS of two persons, over all keypoints, on the reference's area."""
    x1, y1, x2, y2 = reference.box
    distance = np.square(np.asarray(reference.keypoints)[:, :2] - np.asarray(other.keypoints)[:, :2]).sum(1)
    area = max(float((x2 - x1) * (y2 - y1)) * AREA_OF_BOX, 1.0)
    return float(np.exp(-distance / (2 * area * np.square(2 * np.array(COCO_SIGMAS)))).mean())


def mean_similarity(reference: dict[int, list], found: dict[int, list]) -> float:
    """Mean OKS of the reference's sure persons with their best match of score 0.25 and above."""
    values = [
        max((similarity(person, other) for other in found[image_id] if other.score >= 0.25), default=0.0)
        for image_id, persons in reference.items()
        for person in persons
        if person.score >= 0.5
    ]
    return float(np.mean(values))


def loss_interval(truth: COCO, reference: dict[int, list], found: dict[int, list], rounds: int = 200) -> tuple:
    """Paired bootstrap 95 % interval of the AP loss in points, over images."""
    random, ids, losses = np.random.default_rng(0), np.array(list(reference)), []
    for _ in range(rounds):
        chosen = sorted(set(random.choice(ids, len(ids)).tolist()))
        pair = [average_precision(truth, {i: side[i] for i in chosen}) for side in (reference, found)]
        losses.append(100 * (pair[0] - pair[1]))
    return tuple(np.percentile(losses, (2.5, 97.5)))


def main(labels: Path, calibration: str) -> None:
    document = json.loads(labels.read_text())
    labelled = {row["image_id"] for row in document["annotations"] if row.get("num_keypoints", 0) > 0}
    photos = {
        row["id"]: labels.parent / "images" / row["file_name"] for row in document["images"] if row["id"] in labelled
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
    print("| what | raw MB | wire MB | AP loss, points (95 %) | mean OKS | seconds |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        yolo_edge.convert("yolo11n-pose", folder / "float", onnx="keep")
        model = onnx.load(folder / "float" / "model.onnx")
        head = read_head(model, "float32")
        reference = persons_of(model, head, photos, folder)
        for index, (name, options) in enumerate(variants(calibration).items()):
            say(name)
            start = time.monotonic()
            result = yolo_edge.convert(folder / "float" / "model.onnx", folder / str(index), **options).manifest
            seconds = time.monotonic() - start
            found = persons_of(decoded_onnx(folder / str(index), model), head, photos, folder)
            loss = 100 * (average_precision(truth, reference) - average_precision(truth, found))
            low, high = loss_interval(truth, reference, found)
            print(
                f"| {name} | {result.raw_bytes / 1e6:.2f} | {result.wire_bytes / 1e6:.3f} | "
                f"{loss:+.2f} ({low:+.2f} to {high:+.2f}) | {mean_similarity(reference, found):.4f} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="COCO keypoint json, photos in images/ beside it")
    parser.add_argument("--calibration", required=True, help="folder of unlabelled photos")
    arguments = parser.parse_args()
    with reporting_to(TerminalReporter()):
        main(arguments.labels, arguments.calibration)
