"""Whether every scheme counts the same squats: ``python -m benchmarks.squats CLIP``.

Converts yolo11n-pose by each scheme, runs every frame of a clip through TensorFlow.js in Node, and gives the keypoints
to the counter of the demo page (``yolo_edge/web/demo/squats.js``), in Node as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import yolo_edge
from benchmarks.speed import SCHEMES
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.pose.decode import detect
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import open_runtime
from yolo_edge.runtime.packages import find_node

_COUNT = """
import {readFileSync} from 'node:fs';
import {SquatCounter} from %s;
const counter = new SquatCounter();
for (const persons of JSON.parse(readFileSync(0, 'utf8'))) counter.see(persons);
console.log(counter.count);
"""


def frames_of(clip: Path, step: int) -> list[npt.NDArray[np.uint8]]:
    """Every ``step``-th frame, RGB."""
    video = cv2.VideoCapture(str(clip))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            return frames[::step]
        frames.append(np.ascontiguousarray(frame[..., ::-1]))


def persons_on(directory: Path, frames: list[npt.NDArray[np.uint8]]) -> list[list[dict[str, Any]]]:
    """What a model finds on each frame, as the loader tells it."""
    head = read_manifest(directory).head
    found = []
    with open_runtime("node", directory) as runtime:
        for frame in frames:
            images, geometry = letterbox(frame, head.image_size)
            persons = detect(runtime.run(images), head, geometry, 0.25)
            found.append(
                [
                    {
                        "box": {"width": float(one.box[2] - one.box[0]), "height": float(one.box[3] - one.box[1])},
                        "keypoints": [
                            {"name": name, "x": float(x), "y": float(y), "score": float(score)}
                            for name, (x, y, score) in zip(head.keypoint_names, one.keypoints, strict=True)
                        ],
                    }
                    for one in persons
                ]
            )
    return found


def count_of(found: list[list[dict[str, Any]]], directory: Path) -> int:
    """What the counter of the page says."""
    module = directory / "squats.mjs"
    module.write_bytes(files("yolo_edge").joinpath("web/demo/squats.js").read_bytes())
    script = directory / "count.mjs"
    script.write_text(_COUNT % json.dumps(module.as_uri()))
    done = subprocess.run([find_node().path, script], input=json.dumps(found).encode(), capture_output=True, check=True)
    return int(done.stdout)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--imgsz", default="320")
    parser.add_argument("--step", type=int, default=1, help="take every so manieth frame")
    options = parser.parse_args()
    frames = frames_of(options.clip, options.step)
    print(f"| scheme | squats on {options.clip.name}, {len(frames)} frames |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for index, (name, settings) in enumerate(SCHEMES.items()):
            directory = Path(scratch) / str(index)
            yolo_edge.convert("yolo11n-pose", directory, imgsz=options.imgsz, **settings)
            print(f"| {name} | {count_of(persons_on(directory, frames), Path(scratch))} |", flush=True)


if __name__ == "__main__":
    main()
