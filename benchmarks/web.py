"""The browser side in figures: ``python -m benchmarks.web [--minutes 30]``.

Size of the modules, time of the decoder, first and second visit over a link of 10 Mbit/s, and a soak: a moving picture
is looked at without pause, while the number of tensors must not change and the heap must not grow by more than 5 %.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import brotli

import yolo_edge
from tests.web import site as behaviour
from tests.web.conftest import Visit, chromium
from tests.web.releases import Releases
from tests.web.scripts import WEB, run_script
from tests.web.site import serve
from yolo_edge.runtime.packages import tfjs_packages

LINK = 10e6 / 8
CHANNEL = "models/yolo-lite/channels/stable.json"

SOAK = """async ([seconds, pause]) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 640, height: 480});
  const context = canvas.getContext('2d');
  const picture = await lab.picture('/media/bus.jpg');
  const tensors = new Set();
  let frames = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; frames++) {
    context.drawImage(picture, -(frames % 100), -300);
    await lab.pose.detect(canvas);
    tensors.add(tf.memory().numTensors);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return {frames, tensors: [...tensors]};
}"""


def heap_bytes(visit: Visit) -> int:
    """Bytes of the page's JavaScript heap after a full collection."""
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("HeapProfiler.enable")
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    used = int(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return used


def soak(visit: Visit, seconds: float, pause: float = 0.0) -> dict[str, Any]:
    """Run a loaded model for some time, with a pause of some milliseconds after each frame.

    The first tenth is not counted.
    """
    visit.run(SOAK, [seconds / 10, pause])
    before = heap_bytes(visit)
    answer = visit.run(SOAK, [seconds, pause])
    return {**answer, "growth": heap_bytes(visit) / before - 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    minutes = parser.parse_args().minutes
    sizes = [len(brotli.compress(path.read_bytes(), quality=11)) for path in WEB.glob("*.js")]
    print(f"modules: {sum(sizes)} bytes after Brotli")
    print(
        "decoder, 8,400 anchors: {milliseconds:.3f} ms, {bytes:.0f} bytes of heap".format(
            **run_script("decoder_cost.mjs")
        )
    )
    from importlib.util import find_spec

    spec = find_spec("ultralytics")
    assert spec and spec.origin
    with tempfile.TemporaryDirectory() as scratch:
        yolo_edge.convert("yolo11n-pose", Path(scratch) / "int8", imgsz=320, quantize="int8", calibration="none")
        releases = Releases(Path(scratch) / "store")
        releases.publish("1.0.0", {"int8": Path(scratch) / "int8"})
        releases.promote("1.0.0")
        folders = {"store": releases.root, "media": Path(spec.origin).parent / "assets"}
        with serve(folders, tfjs_packages()) as running, chromium() as browser:
            running.rules[".bin"] = running.rules["model.json"] = behaviour.slow(LINK)
            context = browser.new_context()
            for name in ("first", "second"):
                visit = Visit(context.new_page(), running)
                visit.reload()
                running.requests.clear()
                loaded = visit.load(CHANNEL, backend="auto")
                print(f"{name} visit: ready in {loaded['milliseconds']:.0f} ms, {running.sent()} bytes fetched")
            print("chosen: {backend}, {milliseconds:.0f} ms a frame".format(**loaded["capabilities"]))
            result = soak(visit, minutes * 60)
            print(f"soak: {result['frames']} frames, tensors {result['tensors']}, heap {100 * result['growth']:+.1f} %")


if __name__ == "__main__":
    main()
