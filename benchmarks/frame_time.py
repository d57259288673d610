"""Whether quantized weights cost time in a frame: ``python -m benchmarks.frame_time``.

Converts yolo11n-pose at 640 px by each scheme and runs all of them in TF.js wasm in Node, turn by turn on the same
photo, so that what slows the machine slows them alike. Prints the median milliseconds and the ratio to float32.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import yolo_edge
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import open_runtime

ROUNDS = 25
SCHEMES = {
    "float32": {},
    "int8": {"quantize": "int8", "samples": 8},
    "int4": {"quantize": "int4", "samples": 8},
    "rd 1.4 MB": {"quantize": "rd", "max_bytes": "1.4MB", "samples": 8},
}


def main() -> None:
    spec = find_spec("ultralytics")
    assert spec and spec.origin
    image, _ = letterbox(read_image(Path(spec.origin).parent / "assets" / "bus.jpg"), (640, 640))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        runtimes = {}
        for index, (name, options) in enumerate(SCHEMES.items()):
            yolo_edge.convert("yolo11n-pose", Path(scratch) / str(index), **options)
            runtimes[name] = stack.enter_context(open_runtime("node", Path(scratch) / str(index)))
            runtimes[name].run(image)
        seconds: dict[str, list[float]] = {name: [] for name in runtimes}
        for _ in range(ROUNDS):
            for name, runtime in runtimes.items():
                runtime.run(image)
                seconds[name].append(runtime.timings.runs[-1])
    print("| scheme | ms a frame, wasm | ratio to float32 |\n|---|---|---|")
    for name, values in seconds.items():
        ratio = float(np.median(np.array(values) / np.array(seconds["float32"])))
        print(f"| {name} | {1000 * np.median(values):.0f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
