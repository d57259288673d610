"""The demo page: a photo, a comparison with the float model, a camera that is refused, a clip of squats."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import yolo_edge
from tests.commands import start_command
from tests.nets import shipped_photo
from yolo_edge.errors import UsageError
from yolo_edge.runtime.packages import find_node
from yolo_edge.verbs.demo import page_files

WAIT = 60_000


@pytest.fixture(scope="module")
def running(small_model, web_directory, tmp_path_factory) -> Iterator[yolo_edge.verbs.demo.Demo]:
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(small_model(192).parent, folder / "float32")
    shutil.copytree(web_directory, folder / "int8")
    with yolo_edge.demo(folder) as served:
        yield served


@pytest.fixture
def page(running, browser) -> Iterator[Any]:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(running.address)
    page.wait_for_selector("html[data-ready]", timeout=WAIT)
    yield page
    context.close()


def text(page: Any, name: str) -> str:
    return page.inner_text(f"#{name}")


@pytest.mark.browser
@pytest.mark.slow
def test_a_photo_is_looked_at_and_compared_with_the_float_model(page):
    assert text(page, "reference") == "float32"
    assert page.input_value("#variant") == "int8"
    page.select_option("#backend", "wasm")
    page.set_input_files("#file", str(shipped_photo("bus.jpg")))
    page.wait_for_function("() => document.getElementById('message').textContent === 'bus.jpg'", timeout=WAIT)
    assert int(text(page, "persons")) >= 2
    assert text(page, "bytes").endswith(" MB") and "wasm" in text(page, "chosen")
    page.check("#compare")
    page.wait_for_function("() => document.getElementById('difference').textContent.includes('px')", timeout=WAIT)
    mean = float(text(page, "difference").split()[1])
    assert 0 < mean < 15, "int8 without calibration at 192 px is within pixels of the float model"


@pytest.mark.browser
@pytest.mark.slow
def test_a_model_alone_is_compared_with_nothing(web_directory, browser):
    with yolo_edge.demo(web_directory) as served:
        page = browser.new_page()
        page.goto(served.address)
        page.wait_for_selector("html[data-ready]", timeout=WAIT)
        assert page.is_disabled("#compare")
        assert text(page, "reference") == "the float model"
        page.close()


FREE_CELLS = """() => {
  const list = document.querySelector('dl').getBoundingClientRect();
  const cells = [...document.querySelectorAll('dl div')].map((cell) => cell.getBoundingClientRect());
  const rows = new Map(cells.map(({top}) => [top, cells.filter((cell) => cell.top === top)]));
  return [...rows.values()].filter((row) => Math.max(...row.map(({right}) => right)) < list.right - 1).length;
}"""


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_asks_for_nothing_that_is_not_there_and_fills_its_rows(running, browser):
    page = browser.new_page()
    refused = []
    page.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(running.address)
    page.wait_for_selector("html[data-ready]", timeout=WAIT)
    icon = page.get_attribute("link[rel=icon]", "href")
    assert icon is not None and icon.startswith("data:"), "browsers ask for favicon.ico where no icon is named"
    assert refused == [] and page.evaluate(FREE_CELLS) == 0
    page.close()


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_that_may_not_use_the_camera_says_so(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "camera", "the keyboard reaches the controls"
    page.keyboard.press("Enter")
    page.wait_for_selector("#message.error", timeout=WAIT)
    assert "The camera cannot be used" in text(page, "message")
    assert "Pick a photo or a video instead" in text(page, "message")


SQUATS = """
import {SquatCounter, angleAt} from %s;
const leg = (angle) => {  // hip above the knee, ankle turned away by the angle
  const turn = (angle * Math.PI) / 180;
  return [['hip', 0, -1], ['knee', 0, 0], ['ankle', Math.sin(turn), -Math.cos(turn)]];
};
const person = (angle, size = 1, score = 0.9) => ({
  box: {x: 0, y: 0, width: size, height: size},
  keypoints: ['left', 'right'].flatMap((side) =>
    leg(angle).map(([joint, x, y]) => ({name: `${side}_${joint}`, x, y, score}))),
});
const count = (frames) => {
  const counter = new SquatCounter();
  for (const frame of frames) counter.see(frame);
  return counter.count;
};
const move = (from, to) => Array.from({length: 9}, (_, n) => [person(from + ((to - from) * n) / 8)]);
const squat = [...move(175, 80), ...move(80, 175)];
console.log(JSON.stringify({
  angle: Math.round(angleAt({x: 0, y: -1}, {x: 0, y: 0}, {x: 1, y: 0})),
  three: count([...squat, ...squat, ...squat]),
  half: count([...move(175, 130), ...move(130, 175)]),
  trembling: count([...move(175, 105), ...move(105, 115), ...move(115, 105), ...move(105, 175)]),
  wrongFrame: count([...move(175, 174), [person(60)], ...move(174, 175)]),
  unseen: count(squat.map(([one]) => [{...one, keypoints: one.keypoints.map((point) => ({...point, score: 0.1}))}])),
  nobody: count([[], []]),
  nearest: count(squat.map(([one], n) => [person(n %% 2 ? 80 : 175, 0.2), one])),
}));
"""


def test_ctrl_c_ends_the_page_as_it_was_told(web_directory, tmp_path):
    process = start_command("demo", web_directory, "--no-open", cwd=tmp_path)
    assert "Ctrl-C ends it" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "error" not in err, err


def test_squats_are_counted(tmp_path):
    (tmp_path / "squats.mjs").write_bytes(page_files("x")["squats.js"])
    script = tmp_path / "test.mjs"
    script.write_text(SQUATS % json.dumps((tmp_path / "squats.mjs").as_uri()))
    done = subprocess.run([find_node().path, script], capture_output=True, check=True)
    assert json.loads(done.stdout) == {
        "angle": 90,
        "three": 3,
        "half": 0,
        "trembling": 1,
        "wrongFrame": 0,
        "unseen": 0,
        "nobody": 0,
        "nearest": 1,
    }


def test_a_published_model_is_shown(running, tmp_path):
    with pytest.raises(UsageError, match="a directory, or a model of a store"), yolo_edge.demo(store=str(tmp_path)):
        pass
    with (
        pytest.raises(UsageError, match="a directory, or a model of a store"),
        yolo_edge.demo("x", store="y", name="z"),
    ):
        pass
