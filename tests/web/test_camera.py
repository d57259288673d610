"""Persons in front of a camera: Chromium's fake device plays a clip. A module of its own, as the browser is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nets import shipped_photo
from tests.web.conftest import BOTH_BACKENDS, Visit, chromium
from tests.web.releases import Releases
from tests.web.site import serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHANNEL = "models/yolo-lite/channels/stable.json"


def write_clip(path: Path, frames: int = 8) -> None:
    """The bus photo as a 320 x 240 clip in the YUV4MPEG2 format."""
    import cv2

    photo = cv2.imread(str(shipped_photo("bus.jpg")))
    small = cv2.resize(photo[300:1000, :810], (320, 240), interpolation=cv2.INTER_AREA)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F10:1 Ip A1:1 C420mpeg2\n")
        for _ in range(frames):
            file.write(b"FRAME\n" + cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420).tobytes())


CAMERA = """async ([url, count]) => {
  await lab.load(url, {smoothing: true});
  const video = document.createElement('video');
  video.muted = true;
  const early = await lab.pose.detect(video).catch(({code}) => code);
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: true});
  await video.play();
  const frames = [];
  for (let n = 0; n < count; n++) frames.push(await lab.pose.detect(video));
  return {early, size: [video.videoWidth, video.videoHeight], frames};
}"""


@BOTH_BACKENDS
def test_persons_are_found_by_the_camera(tmp_path, packages, web_directory, backend):
    write_clip(tmp_path / "clip.y4m")
    releases = Releases(tmp_path / "store")
    releases.publish("1.0.0", {"int8": web_directory})
    releases.promote("1.0.0")
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'clip.y4m'}",
    )
    with serve({"store": releases.root}, packages) as running, chromium(*flags) as browser:
        visit = Visit(browser.new_page(), running, backend)
        visit.reload()
        seen = visit.run(CAMERA, [f"{running.url}store/{CHANNEL}", 5 if backend == "wasm" else 2])
    assert seen["early"] == "source"
    width, height = seen["size"]
    assert width and height
    for persons in seen["frames"]:
        assert len(persons) >= 2 and persons[0]["score"] > 0.5
        box = persons[0]["box"]
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] > 0.4 * height
    ids = [{person["id"] for person in persons} for persons in seen["frames"]]
    if backend == "wasm":  # a frame of software WebGL takes the second after which a person is forgotten
        assert ids[0] & ids[-1], "a person who stands still keeps its number"
