"""What each scheme costs in keypoints: ``python -m benchmarks.quantization --labels coco.json --calibration FOLDER``.

Converts yolo11n-pose at 640 px by every scheme and runs the decoded weights by onnxruntime on the labelled photos (that
TF.js decodes the same weights is tested elsewhere). *AP loss*: COCO keypoint AP against the float32 model's. *OKS*: the
mean object keypoint similarity to the float32 model's persons of score 0.5 and above; a lost one counts 0.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import yolo_edge
from yolo_edge.console import TerminalReporter, reporting_to, say
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import ReadablePhotos, readable
from yolo_edge.pose.decode import Person
from yolo_edge.pose.head import PoseHead, read_head
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import read_model
from yolo_edge.tfjs.packing import run_initializer
from yolo_edge.validation.agreement import measure_agreement
from yolo_edge.validation.coco import evaluate_keypoints, measure_loss
from yolo_edge.validation.detection import find_persons


def variants(calibration: str) -> dict[str, dict]:
    """Name of a row → options of convert."""
    return {
        "int8, nearest": {"quantize": "int8", "calibration": "none"},
        "int8, builtin photos": {"quantize": "int8"},
        "int8": {"quantize": "int8", "calibration": calibration},
        "rd 1.6 MB": {"quantize": "rd", "max_bytes": "1.6MB", "calibration": calibration},
        "rd 1.4 MB": {"quantize": "rd", "max_bytes": "1.4MB", "calibration": calibration},
        "rd 1.2 MB": {"quantize": "rd", "max_bytes": "1.2MB", "calibration": calibration},
        "rd 1.4 MB, builtin photos": {"quantize": "rd", "max_bytes": "1.4MB"},
        "int4": {"quantize": "int4", "calibration": calibration},
    }


CONVOLUTIONS = ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative")


def decoded_onnx(directory: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The ONNX model with the weights that a converted directory's shards decode to.

    Both graphs hold the same convolutions in the same order (yolo11n-pose has no grouped ones).
    """
    shipped = read_model(directory)
    arrays = {weight.name: weight.decoded() for weight in shipped.weights}
    arrays |= run_initializer(shipped.initializer) if shipped.initializer else {}
    values = {}
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    for node, lowered in zip(nodes, (n for n in shipped.nodes if n.op in CONVOLUTIONS), strict=True):
        for name, weight in zip(node.input[1:], lowered.inputs[1:], strict=True):
            values[name] = arrays[weight]
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for tensor in result.graph.initializer:
        if tensor.name in values:
            array = values[tensor.name]
            if array.ndim == 4:
                array = array.transpose((2, 3, 0, 1) if tensor.dims[1] == 1 and tensor.dims[0] > 1 else (3, 2, 0, 1))
            array = np.ascontiguousarray(array, np.float32).reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return result


def persons_of(
    model: onnx.ModelProto, head: PoseHead, photos: ReadablePhotos, scratch: Path
) -> dict[int, tuple[Person, ...]]:
    """Every person on each photo, by image id."""
    onnx.save(model, scratch / "run.onnx")
    with open_runtime("onnx", scratch / "run.onnx") as runtime:
        return find_persons(runtime, head, photos)


def main(labels: Path, calibration: str) -> None:
    photos = readable(find_benchmark(labels))
    print("| what | raw MB | wire MB | AP loss, points (95 %) | mean OKS | of seen keypoints | seconds |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        yolo_edge.convert("yolo11n-pose", folder / "float", onnx="keep")
        model = onnx.load(folder / "float" / "model.onnx")
        head = read_head(model, "float32")
        reference = persons_of(model, head, photos, folder)
        precision = evaluate_keypoints(photos.benchmark.labels, reference)
        for index, (name, options) in enumerate(variants(calibration).items()):
            say(name)
            start = time.monotonic()
            result = yolo_edge.convert(folder / "float" / "model.onnx", folder / str(index), **options).manifest
            seconds = time.monotonic() - start
            found = persons_of(decoded_onnx(folder / str(index), model), head, photos, folder)
            loss = measure_loss(precision, evaluate_keypoints(photos.benchmark.labels, found))
            agreement = measure_agreement(reference, found)
            print(
                f"| {name} | {result.raw_bytes / 1e6:.2f} | {result.wire_bytes / 1e6:.3f} | "
                f"{loss.points:+.2f} ({loss.low:+.2f} to {loss.high:+.2f}) | {agreement.similarity.value:.4f} | "
                f"{agreement.seen_similarity.value:.4f} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="COCO keypoint json, photos in images/ beside it")
    parser.add_argument("--calibration", required=True, help="folder of unlabelled photos")
    arguments = parser.parse_args()
    with reporting_to(TerminalReporter()):
        main(arguments.labels, arguments.calibration)
