"""What the documentation says is run: every command, every Python block, every JavaScript block marked runnable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import yolo_edge
from tests.docs.cli_reference import PAGE, page_with, reference
from tests.docs.markdown import PAGES, ROOT, anchors, blocks, links
from tests.nets import shipped_photo
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.bundle.testcard import CARDS
from yolo_edge.errors import INTERRUPTED_EXIT_CODE, YoloEdgeError
from yolo_edge.pose.decode import detect
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import Letterbox, letterbox
from yolo_edge.runtime.packages import find_node, tfjs_packages

EXEMPT = (
    r"make [a-z]+",  # set up this very environment, or run these very tests
    r"pip install .*",
)
"""Lines of shell blocks that are not run here."""

HARNESS = Path(__file__).with_name("harness.mjs")
FORMAT = ROOT / "docs" / "format.md"
PAGES_WITH_CODE = [page for page in PAGES if any(block.info for block in blocks(page))]


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run(command: list[str | Path], directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
    return done


def javascript(page: Path) -> str:
    return "\n".join(block.text for block in blocks(page) if block.info == "js runnable")


def run_javascript(page: Path, epilogue: str, directory: Path) -> dict:
    """Run a page's JavaScript, with TF.js at hand and ``directory`` as the site; return what ``answer`` then holds."""
    script = directory / "docs.mjs"
    script.write_text(
        f"import {{serve, tensorflow}} from {json.dumps(HARNESS.as_uri())};\n"
        "import {readFile, writeFile} from 'node:fs/promises';\n"
        f"const site = await serve({json.dumps(str(directory))});\n"
        f"const tf = await tensorflow({json.dumps(str(tfjs_packages()))}, site);\n"
        f"{javascript(page)}\n{epilogue}\nawait writeFile('answer.json', JSON.stringify(answer));\nprocess.exit(0);\n"
    )
    run([find_node().path, script], directory)
    return json.loads((directory / "answer.json").read_text())


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_block_is_of_a_kind_that_is_run(page):
    for block in blocks(page):
        where = f"{relative(page)}:{block.line}"
        assert block.info in ("", "bash", "python", "js runnable"), f"{where}: a block of kind {block.info!r}"
        if not block.info:
            assert "yolo-edge " not in block.text, f"{where}: mark the commands as bash, so that they are tested"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{relative(page)} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{relative(page)} links to {link}, a heading that is not there"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=relative)
def test_commands_and_python_blocks_run_in_order(page, tmp_path):
    for block in blocks(page):
        if block.info == "bash":
            lines = [line for line in block.text.splitlines() if not any(re.fullmatch(e, line) for e in EXEMPT)]
            run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], tmp_path)
        elif block.info == "python":
            run([sys.executable, "-c", block.text], tmp_path)


@pytest.mark.slow
def test_readme_page_code_gives_the_output_it_names(converted, tmp_path):
    (tmp_path / "model").symlink_to(converted)
    shape = run_javascript(ROOT / "README.md", "const answer = output.shape;", tmp_path)
    assert str(shape) in javascript(ROOT / "README.md")


@pytest.mark.slow
def test_documented_letterbox_places_photos_as_python_does(tmp_path):
    random = np.random.default_rng(0)
    sizes = [(int(w), int(h), 640, 480) for w, h in random.integers(1, 5000, (500, 2))]
    sizes += [(w, 1280, 640, 640) for w in range(1, 40, 2)]  # w / 2 ends in .5: ties
    (tmp_path / "sizes.json").write_text(json.dumps(sizes))
    epilogue = "const answer = JSON.parse(await readFile('sizes.json', 'utf8')).map((size) => place(...size));"
    for (w, h, width, height), found in zip(sizes, run_javascript(FORMAT, epilogue, tmp_path), strict=True):
        fit = Letterbox.fit((h, w), (height, width))
        expected = {"w": w, "h": h, "width": fit.resized_size[1], "height": fit.resized_size[0]}
        assert found == {**expected, "left": fit.left, "top": fit.top}


REACT = """
export const cleanups = [], errors = [];
export const useRef = (current) => ({current});
export const useState = (value) => [value, (next) => errors.push(next)];
export const useEffect = (effect) => cleanups.push(effect());
export const createElement = (tag, properties, ...children) => ({tag, properties, children});
"""
LOADER = """
export const seen = {loads: 0, calls: 0, disposed: 0, slow: 0};
const keypoints = [{x: 1, y: 2, score: 0.9}, {x: 3, y: 4, score: 0.9}, {x: 5, y: 6, score: 0.1}];
const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export async function loadPose(url, {tf, signal}) {
  seen.loads += 1;
  await later(seen.slow);
  const detect = async () => (seen.calls++, await later(5), [{keypoints}]);
  return {detect, skeleton: [[0, 1], [1, 2]], dispose: () => seen.disposed++};
}
"""
HOOK_EPILOGUE = """
import {writeFile} from 'node:fs/promises';
import {cleanups, errors} from 'react';
import {seen} from 'yolo-edge-web';
const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const tracks = [];
const newStream = async () => {
  const track = {live: true, stop() { this.live = false; }};
  tracks.push(track);
  return {getTracks: () => [track]};
};
Object.defineProperty(globalThis, 'navigator', {value: {mediaDevices: {getUserMedia: newStream}}});
globalThis.document = {createElement: () => ({play: async () => {}})};
globalThis.requestAnimationFrame = (next) => setTimeout(next, 1);
const leave = () => cleanups.splice(0).forEach((cleanup) => cleanup?.());
const answer = {};
let frames = 0;
useCameraPoses('channel.json', () => frames++);
await later(100);
leave();
answer.atUnmount = {frames, calls: seen.calls, live: tracks.some((track) => track.live)};
await later(100);
answer.later = {frames, calls: seen.calls, disposed: seen.disposed};
seen.slow = 50;
useCameraPoses('channel.json', () => frames++);
leave();
await later(100);
answer.leftWhileLoading = {frames, cameras: tracks.length, disposed: seen.disposed};
navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('there is no camera'));
useCameraPoses('channel.json', () => frames++);
await later(100);
answer.refused = {errors: errors.filter(Boolean).map(({message}) => message), disposed: seen.disposed};
leave();
navigator.mediaDevices.getUserMedia = newStream;
useCameraPoses('another.json', () => frames++);
answer.errorOfAnotherAddress = errors.at(-1);
await writeFile('answer.json', JSON.stringify(answer));
process.exit(0);
"""


def react_code(folder: Path) -> tuple[str, str]:
    """Hook and component of the page, and in the folder the packages that they import."""
    for name, source in (("react", REACT), ("yolo-edge-web", LOADER), ("@tensorflow/tfjs", "")):
        package = folder / "node_modules" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": name, "type": "module", "exports": "./index.js"}))
        (package / "index.js").write_text(source)
    hook, component = (block.text for block in blocks(ROOT / "docs" / "frontend.md") if "from 'react'" in block.text)
    return hook, component


def test_documented_hook_for_react_stops_with_the_component(tmp_path):
    hook, _ = react_code(tmp_path)
    (tmp_path / "hook.mjs").write_text(hook + HOOK_EPILOGUE)
    run([find_node().path, tmp_path / "hook.mjs"], tmp_path)
    answer = json.loads((tmp_path / "answer.json").read_text())
    left = answer["atUnmount"]
    assert left["calls"] > 3 and left["frames"] >= left["calls"] - 1 and not left["live"]
    assert answer["later"] == {"frames": left["frames"], "calls": left["calls"], "disposed": 1}
    assert answer["leftWhileLoading"] == {"frames": left["frames"], "cameras": 1, "disposed": 2}
    assert answer["refused"] == {"errors": ["there is no camera"], "disposed": 3}
    assert answer["errorOfAnotherAddress"] is None, "what went wrong elsewhere is not shown for good"


COMPONENT_EPILOGUE = """
import {writeFile} from 'node:fs/promises';
const track = {stop() {}};
const mediaDevices = {getUserMedia: async () => ({getTracks: () => [track]})};
Object.defineProperty(globalThis, 'navigator', {value: {mediaDevices}});
globalThis.document = {createElement: () => ({play: async () => {}, videoWidth: 64, videoHeight: 48})};
globalThis.requestAnimationFrame = (next) => setTimeout(next, 1);
const lines = [];
const context = {drawImage() {}, beginPath() {}, stroke() {}};
context.moveTo = (x, y) => lines.push([x, y]);
context.lineTo = (x, y) => lines.at(-1).push(x, y);
const {tag, properties} = Skeletons({url: 'channel.json'});
properties.ref.current = {getContext: () => context};
setTimeout(async () => {
  const {width, height} = properties.ref.current;
  await writeFile('answer.json', JSON.stringify({tag, width, height, line: lines[0]}));
  process.exit(0);
}, 200);
"""


def test_documented_component_draws_what_the_hook_finds(tmp_path):
    hook, component = react_code(tmp_path)
    (file,) = re.findall(r"from '\./(\w+\.js)'", component)
    assert hook.startswith(f"// {file}\n")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / file).write_text(hook)
    script = re.sub(r"<(\w+)>{(.*?)}</\1>", r"createElement('\1', null, \2)", component)
    script = re.sub(r"<(\w+) ref={(\w+)} />", r"createElement('\1', {ref: \2})", script)
    (tmp_path / "page.mjs").write_text(f"import {{createElement}} from 'react';\n{script}{COMPONENT_EPILOGUE}")
    run([find_node().path, tmp_path / "page.mjs"], tmp_path)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer == {"tag": "canvas", "width": 64, "height": 48, "line": [1, 2, 3, 4]}, "one bone, of sure keypoints"


DECODE_EPILOGUE = """
const answer = [];
const photo = JSON.parse(await readFile('photo.json', 'utf8'));
const pixels = tf.tensor(new Uint8Array(await readFile('photo.bin')), [photo.h, photo.w, 3], 'int32');
const loaded = await loadPose(tf, new URL('model', site).href);
const {contract} = loaded.manifest;
const [, H, W] = contract.input.shape;
const at = place(photo.w, photo.h, W, H);
const images = letterbox(tf, pixels, at, W, H);
const values = await loaded.model.predict(images).data();
for (const confidence of photo.confidences) answer.push(decode(values, contract.output, at, confidence));
answer.push(await findPersons(tf, loaded, pixels));
await writeFile('input.bin', new Uint8Array((await images.data()).buffer));
await writeFile('output.bin', new Uint8Array(Float32Array.from(values).buffer));
"""


@pytest.fixture(scope="module")
def model_of(converted, untrained, once):
    """A function from a layout to a converted directory of it."""

    def end_to_end(folder: Path) -> None:
        yolo_edge.convert(untrained("yolo26n-pose.yaml"), folder / "out", imgsz=320, end2end=True)

    def other_contract(folder: Path) -> None:
        source = untrained("yolov8n-pose.yaml", classes=3, keypoints=(21, 2))
        yolo_edge.convert(source, folder / "out", imgsz="256x320")

    def model(layout: str) -> Path:
        if layout == "raw":
            return converted
        if layout == "end2end":
            return once("docs-end2end", end_to_end) / "out"
        return once("docs-other-contract", other_contract) / "out"

    return model


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["raw", "end2end", "raw, 3 classes of 21x2 keypoints"])
@pytest.mark.parametrize("photo", ["bus.jpg", "zidane.jpg"])
def test_documented_decoder_finds_what_the_python_decoder_finds(model_of, tmp_path, layout, photo):
    model = tmp_path / "model"
    model.symlink_to(model_of(layout))
    head = read_manifest(model).head
    pixels = read_image(shipped_photo(photo))
    (tmp_path / "photo.bin").write_bytes(pixels.tobytes())
    confidences = [0.25, 0.3, 0.0]  # the last one keeps every anchor: suppression has something to do
    facts = {"h": pixels.shape[0], "w": pixels.shape[1], "confidences": confidences}
    (tmp_path / "photo.json").write_text(json.dumps(facts))

    *by_confidence, persons = run_javascript(FORMAT, DECODE_EPILOGUE, tmp_path)

    images, geometry = letterbox(pixels, head.image_size)
    fed = np.fromfile(tmp_path / "input.bin", "<f4").reshape(images.shape)
    assert np.abs(fed - images).max() <= 1.01 / 255, "the documented letterbox differs by more than one grey level"
    output = np.fromfile(tmp_path / "output.bin", "<f4").reshape(head.output_shape)
    for confidence, found in zip([*confidences, 0.25], [*by_confidence, persons], strict=True):
        assert_same_persons(found, detect(output, head, geometry, confidence))
    assert any(by_confidence), "nothing was found on any photo: the comparison shows nothing"


def assert_same_persons(found, expected):
    assert len(found) == len(expected)
    for here, there in zip(found, expected, strict=True):
        assert (here["score"], here["classIndex"]) == (there.score, there.class_index)
        np.testing.assert_allclose(here["box"], there.box, atol=1e-9)
        np.testing.assert_allclose(here["keypoints"], there.keypoints, atol=1e-9)


GOLDEN_EPILOGUE = """
const loaded = await loadPose(tf, new URL('model', site).href);
const golden = await (await fetch(new URL('model/golden.json', site))).json();
const answer = [];
const [, H, W] = loaded.manifest.contract.input.shape;
for (const [number, vector] of golden.vectors.entries()) {
  answer.push(await checkVector(tf, loaded, vector));
  await writeFile(`card${number}.bin`, new Uint8Array(drawCard(vector.card, H, W).buffer));
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["raw", "end2end"])
def test_documented_check_of_golden_vectors_finds_what_verify_finds(converted, untrained, tmp_path, layout):
    model = tmp_path / "model"
    if layout == "raw":
        model.symlink_to(converted)
    else:
        yolo_edge.convert(untrained("yolo26n-pose.yaml"), model, imgsz="128x192", end2end=True)
    worst = run_javascript(FORMAT, GOLDEN_EPILOGUE, tmp_path)
    size = read_manifest(model).model.image_size
    for number, card in enumerate(CARDS):
        assert (tmp_path / f"card{number}.bin").read_bytes() == card.images(size).tobytes(), "drawn differently"
    (check,) = yolo_edge.verify(model).runtimes
    found = {difference.quantity: difference.worst for difference in check.differences}
    assert found == {name: max(vector.get(name, 0) for vector in worst) for name in found}


@pytest.mark.slow
def test_a_longer_last_shard_is_read_as_zeros_as_documented(tmp_path):
    epilogue = """
    const whole = (lengths) => new tf.io.CompositeArrayBuffer(lengths.map((n) => new Uint8Array(n).fill(1).buffer));
    const last = (lengths) => new Uint8Array(whole(lengths).slice(11, 12))[0];
    const answer = {longer: last([4, 8]), shorter: last([8, 4])};
    """
    assert run_javascript(FORMAT, epilogue, tmp_path) == {"longer": 0, "shorter": 1}


def test_command_reference_is_that_of_the_program():
    assert PAGE.read_text(encoding="utf-8") == page_with(reference()), "run: python -m tests.docs.cli_reference"


def test_command_reference_names_the_program_variables():
    from yolo_edge.cache import CACHE_VARIABLE
    from yolo_edge.cli import _DEBUG_VARIABLE
    from yolo_edge.runtime.browser import BROWSER_VARIABLE

    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in (CACHE_VARIABLE, BROWSER_VARIABLE, _DEBUG_VARIABLE))


def test_readme_lists_every_exit_code():
    def codes(kind: type[YoloEdgeError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(child) for child in kind.__subclasses__()))

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)}
    assert listed == codes(YoloEdgeError) | {0, INTERRUPTED_EXIT_CODE}


def test_format_page_names_every_field_of_the_manifest(converted):
    """Leaf names of manifest.json, but for the values of maps (libraries, files)."""
    page = FORMAT.read_text(encoding="utf-8")
    document = json.loads((converted / "manifest.json").read_text())

    def names(part) -> set[str]:
        if not isinstance(part, dict):
            return set()
        return set(part).union(*(names(value) for value in part.values()))

    document["tool"]["libraries"] = None
    document["files"] = document["files"]["model.json"]
    missing = {name for name in names(document) if not re.search(rf"`[^`]*\b{name}\b[^`]*`", page)}
    assert not missing, f"docs/format.md does not name {sorted(missing)}"


def test_documented_canary_rule_draws_the_readers_that_python_draws(tmp_path):
    from yolo_edge.publication.channel import Canary

    record = {"path": "../1.0.0/manifest.json", "sha256": "0" * 64, "integrity": "x"}
    canary = Canary(version="1.0.0", release="0" * 64, record=record, percent=12.5, salt="0a1b")
    clients = [f"client {number} ü" for number in range(300)]
    (tmp_path / "clients.json").write_text(json.dumps(clients))
    epilogue = """
    const canary = {percent: 12.5, salt: '0a1b'};
    const clients = JSON.parse(await readFile('clients.json', 'utf8'));
    const answer = await Promise.all(clients.map((client) => takesCanary(canary, client)));
    """
    drawn = run_javascript(ROOT / "docs" / "publishing.md", epilogue, tmp_path)
    assert drawn == [canary.takes(client) for client in clients]
    assert any(drawn)


def test_publishing_page_names_every_field_of_the_documents():
    from yolo_edge.publication.channel import Canary, Channel, RecordReference
    from yolo_edge.publication.record import CommitRecord, GateRecord, PublishedFile, PublishedVariant

    page = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    envelope = {"schema_version", "kind", "signature", "name", "channel"}
    for form in (CommitRecord, PublishedFile, PublishedVariant, GateRecord, Channel, Canary, RecordReference):
        missing = {name for name in form.model_fields.keys() - envelope if f"`{name}`" not in page}
        assert not missing, f"docs/publishing.md does not name {sorted(missing)} of {form.__name__}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_files_and_modules_that_pages_name_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in set(
        re.findall(r"`((?:yolo_edge|tests|models|benchmarks|docs)/[\w./-]+?\.\w+|yolo_edge/[\w/]+/)`", text)
    ):
        assert (ROOT / name).exists(), f"{relative(page)} names {name}, which does not exist"


def test_no_page_names_a_place_of_this_machine():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(/home/|/root/|/work/|/tmp/)", text), f"{relative(page)} holds a path of a machine"
