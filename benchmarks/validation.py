"""What a validation costs: ``python -m benchmarks.validation``, and what it says on labelled photos of one's own.

* *Time*: yolo11n-pose at 640 px on ``--photos`` (45 by default) photos with Node alone, nothing remembered.
* *Memory*: peak resident memory of ``yolo-edge validate`` on 50, 500 and ``--most`` (5,000) generated photos at 96 px:
  it must not grow with their number by more than the persons on them take.
* *Float model*: with ``--labels coco.json``, AP of the float model by ``validate`` and by pycocotools' own pipeline on
  torch's output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import yolo_edge
from benchmarks.cost import Cost, cost_of, fresh_cache
from benchmarks.photos import augmented
from tests.nets import shipped_photo
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable
from yolo_edge.pose.image import read_image
from yolo_edge.runtime.base import open_runtime
from yolo_edge.validation.detection import find_persons


def make_photos(directory: Path, count: int) -> None:
    """Write photos of a few hundred pixels, all different."""
    from PIL import Image

    shipped = [read_image(shipped_photo(name)) for name in ("bus.jpg", "zidane.jpg")]
    small = [photo[::4, ::4].copy() for photo in shipped]
    random = np.random.default_rng(0)
    directory.mkdir()
    for index in range(count):
        Image.fromarray(augmented(small[index % 2], random)).save(directory / f"{index:05}.jpg", quality=85)


def cost_of_validation(model: Path, photos: Path, *options: str) -> Cost:
    """The price of one ``yolo-edge validate`` with Node, observations not remembered."""
    command = [sys.executable, "-m", "yolo_edge", "-q", "validate", str(model), "--benchmark", str(photos)]
    with fresh_cache():
        return cost_of([*command, "--runtime", "node", "--json", *options])


def precision_by_pycocotools(labels: Path) -> float:
    """AP of torch's persons, read from files and summed up by pycocotools alone."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from yolo_edge.checkpoint.export import export_checkpoint
    from yolo_edge.checkpoint.source import resolve_source

    weights = resolve_source("yolo11n-pose")
    head = export_checkpoint(weights, (640, 640)).head
    photos = readable(find_benchmark(labels))
    with open_runtime("torch", weights) as runtime:
        found = find_persons(runtime, head, photos)
    rows = [
        {
            "image_id": key,
            "category_id": 1,
            "keypoints": np.column_stack([person.keypoints[:, :2], np.ones(17)]).ravel().tolist(),
            "score": person.score,
        }
        for key, persons in found.items()
        for person in persons
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        evaluation = COCOeval(truth, truth.loadRes(rows), "keypoints")
        evaluation.params.imgIds = sorted(found)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def main(count: int, most: int, labels: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print("| photos | input | wall s | CPU s | peak MB |\n|---|---|---|---|---|")
        for side, number in ((640, count), *((96, number) for number in (50, 500, most) if number)):
            model = folder / f"model-{side}"
            if not model.exists():
                yolo_edge.convert("yolo11n-pose", model, imgsz=side)
            photos = folder / f"photos-{number}-{side}"
            make_photos(photos, number)
            cost = cost_of_validation(model, photos)
            peak = f"{cost.peak_megabytes:.0f}" if cost.peak_megabytes else "unknown"
            print(f"| {number} | {side} | {cost.wall_seconds:.0f} | {cost.cpu_seconds:.0f} | {peak} |", flush=True)
        if labels is None:
            return
        result = yolo_edge.validate(folder / "model-640", benchmark=labels, runtime="node", timing=False)
        ours = result.variants[0].accuracy[0]
        loss = ours.loss
        print(json.dumps({"validate": ours.reference, "pycocotools on torch": precision_by_pycocotools(labels)}))
        print(f"float32 artifact: AP loss {loss.value:+.4f} ({loss.low:+.4f} to {loss.high:+.4f}) points")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=45, help="photos at 640 px")
    parser.add_argument("--most", type=int, default=5000, help="photos of the largest set; 0 leaves memory out")
    parser.add_argument("--labels", type=Path, help="COCO keypoint json, photos in images/ beside it")
    arguments = parser.parse_args()
    main(arguments.photos, arguments.most, arguments.labels)
