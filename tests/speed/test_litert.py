import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.nets import shipped_photo
from yolo_edge.pose.image import read_image
from yolo_edge.runtime.base import RUNTIMES
from yolo_edge.speed import peers
from yolo_edge.speed.contender import directory_contenders
from yolo_edge.speed.lane import Track, input_file
from yolo_edge.speed.race import prepare_lab, race

PAGE = RUNTIMES["browser:wasm"]
CHAINED = "model_float32.tflite"
"""What onnx2tf calls its float model."""

UTILITIES = "export const createWasmLib = async () => 'loaded';"
PACKAGE = """
import {createWasmLib} from '@litertjs/wasm-utils';

export async function loadLiteRt(wasm, {threads}) {
  if (!wasm.endsWith('/litert/core/wasm/')) throw new Error(`no code at ${wasm}`);
  if (threads) throw new Error('Threads are only supported with relaxed SIMD.');
  return createWasmLib();
}

export class Tensor {
  constructor(values, shape) { Object.assign(this, {values, shape}); }
  async data() { return this.values; }
  delete() {}
}

/** A model is JSON: the type and shape of its input, and the value that must stand at an index. */
export async function loadAndCompile(bytes, {accelerator, cpuOptions}) {
  const {dtype, shape, index, value} = JSON.parse(new TextDecoder().decode(bytes));
  if (accelerator !== 'wasm' || cpuOptions.numThreads !== 1) throw new Error('asked for something else');
  return {
    getInputDetails: () => [{dtype, shape: Int32Array.from(shape)}],
    async run([image]) {
      if (String(image.shape) !== String(shape)) throw new Error(`the shape is ${image.shape}`);
      if (image.values[index] !== value) throw new Error(`${image.values[index]} stands at ${index}`);
      return [new Tensor(new Float32Array(1), [1])];
    },
  };
}
"""
"""As much of LiteRT.js as is used."""


@pytest.fixture
def package(tmp_path):
    """A folder laid out as the packages of LiteRT.js are."""
    folder = tmp_path / "@litertjs"
    for name in ("core", "wasm-utils"):
        (folder / name / "dist").mkdir(parents=True)
    (folder / "core" / "package.json").write_text(json.dumps({"version": "2.0.1"}))
    (folder / "core" / "dist" / "index.js").write_text(PACKAGE)
    (folder / "wasm-utils" / "dist" / "index.js").write_text(UTILITIES)
    return folder


@pytest.fixture
def entered(tiny, tmp_path, monkeypatch, package):
    """A function that enters a directory with the given ``model.tflite``: ours, and what LiteRT.js runs."""
    monkeypatch.setattr(peers, "install_packages", lambda scripts, what: package.parent)
    monkeypatch.setattr(peers, "PEERS", ())

    def enter(content: bytes):
        folder = tmp_path / "tiny"
        shutil.copytree(tiny, folder)
        (folder / "model.tflite").write_bytes(content)
        (ours,) = directory_contenders([folder])
        return ours, peers.enter_peers([ours])

    return enter


def litert_of(field):
    (contender,) = [contender for contender in field.contenders if contender.runner == "litert"]
    return contender


def raced(kind, lab: Path, ours, field, *, values=None, threads=1):
    """Race ours and LiteRT.js, on given values of an input where there are some: the row of LiteRT.js."""
    lab.mkdir()
    photo = read_image(shipped_photo("bus.jpg"))
    everyone = (ours, litert_of(field))
    prepare_lab(lab, photo, everyone)
    if values is not None:
        (lab / input_file(ours)).write_bytes(values.astype("<f4").tobytes())
    track = Track(lab, photo.shape[:2], threads=threads, litert=field.litert)
    return race(kind, everyone, track, rounds=2)[1]


def test_a_directory_that_holds_one_enters_it(entered):
    ours, field = entered(b"0" * 9)
    contender = litert_of(field)
    assert (contender.name, contender.file) == ("LiteRT.js, tiny", "model.tflite")
    assert contender.is_peer and contender.licence == "Apache-2.0" and contender.folder == ours.folder
    assert not [note for note in field.notes if "LiteRT.js" in note]


def test_in_node_the_row_says_where_it_runs(entered, tmp_path):
    row = raced(RUNTIMES["node"], tmp_path / "lab", *entered(b""))
    assert row.figures is None and "LiteRT.js is raced on WebAssembly in a page alone" in row.unavailable
    assert "Race it on browser:wasm" in row.unavailable


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("shape", "index", "value"),
    [([1, 64, 64, 3], 5, 5), ([1, 3, 64, 64], 2, 6), ([1, 3, 64, 64], 64 * 64 + 1, 4)],
    ids=["last", "first", "first, green"],
)
def test_values_lie_as_the_model_takes_them(entered, tmp_path, shape, index, value):
    model = json.dumps({"dtype": "float32", "shape": shape, "index": index, "value": value})
    row = raced(PAGE, tmp_path / "lab", *entered(model.encode()), values=np.arange(64 * 64 * 3))
    assert row.unavailable is None
    assert len(row.figures.frame_milliseconds) == 2 and row.figures.kernels is None
    assert row.figures.versions == {"@litertjs/core": "2.0.1"} and row.figures.threads == 1


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("dtype", "shape"), [("int32", [1, 64, 64, 3]), ("float32", [1, 96, 96, 3])])
def test_a_model_of_another_input_has_a_row_that_says_so(entered, tmp_path, dtype, shape):
    model = json.dumps({"dtype": dtype, "shape": shape})
    row = raced(PAGE, tmp_path / "lab", *entered(model.encode()))
    sides = ",".join(map(str, shape))
    assert f"it takes {dtype} [{sides}], and the directory's model float32 [1,64,64,3]" in row.unavailable


@pytest.mark.slow
@pytest.mark.browser
def test_what_the_runtime_lacks_is_told(entered, tmp_path):
    row = raced(PAGE, tmp_path / "lab", *entered(b"{}"), threads=2)
    assert row.figures is None and "Threads are only supported with relaxed SIMD" in row.unavailable


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.tensorflow
def test_the_genuine_one_runs_what_onnx2tf_made(tiny, tmp_path):
    if find_spec("onnx2tf") is None:  # importing it would lift the recursion limit of the whole process
        pytest.skip("the extra tf is not installed")
    folder, chain = tmp_path / "tiny", tmp_path / "chain"
    shutil.copytree(tiny, folder)
    chain.mkdir()
    shutil.copy(tiny / "model.onnx", chain)
    command = [sys.executable, "-m", "yolo_edge.lowering.tensorflow_chain", str(chain)]
    subprocess.run(command, cwd=chain, check=True, capture_output=True)
    shutil.copy(chain / "saved_model" / CHAINED, folder / "model.tflite")
    (ours,) = directory_contenders([folder])
    row = raced(PAGE, tmp_path / "lab", ours, peers.enter_peers([ours]))
    assert row.unavailable is None and row.figures.reference == "tiny"
    assert row.figures.versions == {"@litertjs/core": "2.5.3"} and row.figures.wasm_bytes > 1e6
