"""What each scheme costs in keypoints: ``python -m benchmarks.quantization --labels coco.json --calibration FOLDER``.

Quantizes yolo11n-pose at 640 px with several seeds of the calibration, and measures on the labelled photos, on the same
moved by a few pixels, and on five views of each (:mod:`benchmarks.views`), by ``yolo-edge frontier``: the decoded
weights are run by onnxruntime (that TF.js decodes the same weights is tested elsewhere). Then int8 rounded to nearest,
and int8 and rd calibrated on the shipped photos; and how AP of the float32 model changes as all photos are moved. *AP
loss*: points against the float32 model. *OKS*: the mean object keypoint similarity to the float32 model's persons of
score 0.5 and above; a lost one counts 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import onnx

import yolo_edge
from benchmarks.views import MOVED, VIEWS, write_views
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable
from yolo_edge.pose.head import read_head
from yolo_edge.validation.coco import evaluate_keypoints
from yolo_edge.validation.detection import find_persons_by_onnx
from yolo_edge.validation.frontier import FrontierPoint

SCHEMES = "int8,int4,rd:1.6MB,rd:1.4MB,rd:1.2MB"
OTHERS = (("int8", "none"), ("int8,rd:1.4MB", "builtin"))
"""Schemes → what else to calibrate on."""


def measured(labels: Path, calibration: str, schemes: str, seed: int, imgsz: str) -> Sequence[FrontierPoint]:
    with TemporaryDirectory() as scratch:
        return yolo_edge.frontier(
            "yolo11n-pose",
            Path(scratch) / "out",
            schemes=schemes,
            photos=labels,
            calibration=calibration,
            seed=seed,
            imgsz=imgsz,
            frame_time=False,
        ).points


def losses_of(points: Sequence[FrontierPoint]) -> list[float]:
    return [point.loss.points for point in points if point.loss]


def print_seeds(labels: Path, calibration: str, seeds: Sequence[int], imgsz: str) -> None:
    """Print a row a scheme: the loss of each seed, and means."""
    print("| point | bytes on the wire | AP loss, each seed | mean | mean OKS |\n|---|---|---|---|---|")
    runs = [measured(labels, calibration, SCHEMES, seed, imgsz) for seed in seeds]
    for same in zip(*runs, strict=True):
        losses, similarities = losses_of(same), [point.agreement.similarity.value for point in same]
        sizes = ", ".join(f"{point.wire_bytes:,}" for point in same)
        shown = ", ".join(f"{loss:+.2f}" for loss in losses)
        print(f"| {same[0].name} | {sizes} | {shown} | {mean(losses):+.2f} | {mean(similarities):.4f} |", flush=True)


def print_float_precision(labels: Path, imgsz: str) -> None:
    """Print AP of the float32 model with all photos moved by the same number of pixels, a column each."""
    photos = find_benchmark(labels)
    with TemporaryDirectory() as scratch:
        yolo_edge.convert("yolo11n-pose", Path(scratch) / "float", onnx="keep", imgsz=imgsz)
        model = (Path(scratch) / "float" / "model.onnx").read_bytes()
    head = read_head(onnx.load_from_string(model), "float32")
    persons = find_persons_by_onnx(model, head, readable(photos), title="Running float32")
    print("\n### AP of float32, photos moved\n")
    print(f"| pixels | {' | '.join(f'{view.moved:+d}' for view in MOVED)} |\n|---|{'---|' * len(MOVED)}")
    keys = sorted(persons)
    values = [
        evaluate_keypoints(photos.labels, {key: persons[key] for key in keys[place :: len(MOVED)]}).average_precision()
        for place in range(len(MOVED))
    ]
    print(f"| AP | {' | '.join(f'{100 * value:.2f}' for value in values)} |", flush=True)


def main(labels: Path, calibration: str, seeds: Sequence[int], imgsz: str) -> None:
    with TemporaryDirectory() as scratch:
        moved = write_views(labels, Path(scratch) / "moved", MOVED)
        views = write_views(labels, Path(scratch) / "views", VIEWS)
        for title, place in (("Photos", labels), ("Photos moved by a few pixels", moved), ("Views", views)):
            print(f"\n### {title}, {imgsz} px\n")
            print_seeds(place, calibration, seeds, imgsz)
        print_float_precision(moved, imgsz)
    print(
        "\n### Photos, calibrated on others\n\n| point | calibration | AP loss (95 %) | mean OKS |\n|---|---|---|---|"
    )
    for schemes, other in OTHERS:
        for point in measured(labels, other, schemes, seeds[0], imgsz):
            loss = point.loss
            shown = f"{loss.points:+.2f} ({loss.low:+.2f} to {loss.high:+.2f})" if loss else "-"
            print(f"| {point.name} | {other} | {shown} | {point.agreement.similarity.value:.4f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="COCO keypoint json, photos in images/ beside it")
    parser.add_argument("--calibration", required=True, help="folder of unlabelled photos")
    parser.add_argument("--seeds", default="0,1,2", help="of the calibration")
    parser.add_argument("--imgsz", default="640", help="input size")
    given = parser.parse_args()
    with reporting_to(TerminalReporter()):
        main(given.labels, given.calibration, [int(seed) for seed in given.seeds.split(",")], given.imgsz)
