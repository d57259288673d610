"""``convert`` makes a directory that is complete, small in its parts, and the same every time."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest

import yolo_edge
from tests.commands import run_command
from tests.nets import photo_batch
from yolo_edge import cli
from yolo_edge.bundle.manifest import read_manifest, verify_directory
from yolo_edge.checkpoint.catalogue import find
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import read_model

MIB = 1024 * 1024


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.mark.slow
def test_the_call_of_the_frontends_plan(weights, tmp_path):
    """As it stands but for the calibration: a catalogue name that is not on disk, a new parent, the default size."""
    call = "convert yolo11n-pose.pt --output models/yolo-lite-v1 --quantize int8"
    done = run_command(*call.split(), "--calibration", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["yolo-lite-v1"]
    directory = tmp_path / "models" / "yolo-lite-v1"
    assert sorted(contents(directory)) == ["golden.json", "group1-shard1of1.bin", "manifest.json", "model.json"]
    manifest = verify_directory(directory)
    assert (manifest.scheme, manifest.model.image_size) == ("int8", (640, 640))
    assert manifest.raw_bytes < 3.3e6, "a quarter of the 11.5 MB of float32"
    stored = Counter(weight.stored.dtype for weight in read_model(directory).weights if weight.stored)
    assert stored["uint8"] == 93 + 3, "the kernels, and the anchors, strides and matrix of the tail"
    assert set(stored) == {"uint8", "float16"} and stored["float16"] > 80, "biases are half floats"
    with open_runtime("node", directory) as runtime:
        output = runtime.run(photo_batch("bus.jpg", 640))
    assert output.shape == (1, 56, 8400) and output[0, 4].max() > 0.8, "it sees the persons on the photo"


def test_manifest_says_everything(converted, weights):
    manifest = read_manifest(converted)
    entry = find("yolo11n-pose")
    assert (manifest.schema_version, manifest.name, manifest.scheme) == (1, "yolo11n-pose", "float32")
    assert (manifest.source.file, manifest.source.sha256) == ("yolo11n-pose.pt", entry.sha256)
    assert manifest.source.bytes == entry.bytes == weights.stat().st_size
    assert (manifest.tool.version, manifest.tool.engine) == (metadata.version("yolo-edge"), "direct")
    assert manifest.tool.libraries["ultralytics"] == metadata.version("ultralytics")
    model = manifest.model
    assert (model.task, model.family, model.layout) == ("pose", "v11", "raw")
    assert model.licence == "AGPL-3.0 License (https://ultralytics.com/license)", "as the checkpoint has it"
    assert (model.image_size, model.classes, model.strides) == ((320, 320), ("person",), (8, 16, 32))
    assert (model.keypoint_count, model.keypoint_dimensions, len(model.keypoint_names)) == (17, 3, 17)
    assert len(model.skeleton) >= 16 and max(max(bone) for bone in model.skeleton) == 16
    assert model.output_shape == manifest.contract.output.shape == (1, 56, 2100)
    assert manifest.contract.input.shape == (1, 320, 320, 3)
    assert 2.8e6 < model.parameters < 2.9e6
    graph = read_model(converted)
    assert model.operations == sum(graph.operations().values())
    assert next(iter(graph.inputs)) == manifest.contract.input.name == "images"
    assert next(iter(graph.outputs)) == manifest.contract.output.name


def test_sizes_and_hashes_are_those_of_the_files(converted):
    manifest = read_manifest(converted)
    files = contents(converted)
    assert set(files) == {*manifest.files, "manifest.json"}
    for name, record in manifest.files.items():
        assert (record.bytes, record.sha256) == (len(files[name]), hashlib.sha256(files[name]).hexdigest())
    served = {name: record for name, record in manifest.files.items() if name not in ("model.onnx", "golden.json")}
    assert manifest.files["golden.json"].wire_bytes is None, "it is no part of what a model costs"
    assert all(0 < record.wire_bytes < record.bytes for record in served.values())
    assert manifest.raw_bytes == sum(record.bytes for record in served.values())
    assert manifest.wire_bytes == sum(record.wire_bytes for record in served.values())


def test_shards_are_at_most_4_mib(converted):
    sizes = [path.stat().st_size for path in sorted(converted.glob("*.bin"))]
    assert len(sizes) == 3 and sizes[:2] == [4 * MIB] * 2 and 0 < sizes[2] <= 4 * MIB


def test_from_onnx_gives_the_same_model(converted, converted_onnx, tmp_path):
    result = yolo_edge.convert(converted_onnx, tmp_path / "out")
    assert result.manifest.source.file == "model.onnx" and result.manifest.name == "model"
    assert "model.onnx" not in contents(tmp_path / "out"), "only --onnx keep leaves it"
    here, there = contents(tmp_path / "out"), contents(converted)
    assert "golden.json" in here
    assert {name: here[name] for name in here if name != "manifest.json"} == {
        name: there[name] for name in there if name not in ("manifest.json", "model.onnx")
    }
    assert result.manifest.head == read_manifest(converted).head


def test_result_tells_what_was_made(converted_onnx, tmp_path):
    result = yolo_edge.convert(str(converted_onnx), str(tmp_path / "out"), name="lite", quantize="float16")
    assert result.directory == tmp_path / "out"
    assert result.manifest == read_manifest(tmp_path / "out")
    assert (result.manifest.name, result.manifest.scheme) == ("lite", "float16")
    assert json.loads(json.dumps(result.to_json()))["operations"]["_FusedConv2D"] > 80


def test_kept_onnx_is_the_model_that_was_lowered(converted):
    model = onnx.load(converted / "model.onnx")
    onnx.checker.check_model(model)
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 320, 320]
    image = photo_batch("bus.jpg", 320)
    with open_runtime("onnx", converted / "model.onnx") as runtime:
        expected = runtime.run(image)
    with open_runtime("node", converted) as runtime:
        assert np.abs(runtime.run(image) - expected).max() < 0.05


@pytest.mark.slow
def test_height_and_width_may_differ(weights, tmp_path):
    manifest = yolo_edge.convert(weights, tmp_path / "out", imgsz="480x640").manifest
    assert manifest.model.image_size == (480, 640)
    assert manifest.contract.input.shape == (1, 480, 640, 3)
    assert manifest.contract.output.shape == (1, 56, 60 * 80 + 30 * 40 + 15 * 20)


@pytest.mark.slow
def test_end_to_end(untrained, tmp_path):
    checkpoint = untrained("yolo26n-pose.yaml")
    manifest = yolo_edge.convert(checkpoint, tmp_path / "out", imgsz=320, end2end=True).manifest
    assert (manifest.model.family, manifest.model.layout) == ("26", "end2end")
    assert manifest.contract.output.shape == (1, 300, 57) and not manifest.contract.output.needs_nms


@pytest.mark.slow
def test_two_conversions_are_the_same_bytes_and_nothing_is_written_beside(weights, tmp_path):
    """In processes of their own, where hash seeds, addresses, working and home directories differ."""
    (tmp_path / "mine").mkdir()
    mine = shutil.copy(weights, tmp_path / "mine" / "best.pt")
    for index in (1, 2):
        work, out = tmp_path / f"work{index}", tmp_path / f"out{index}"
        work.mkdir()
        options = ["-o", out, "--imgsz", "320", "--onnx", "keep", "--quantize", "float16"]
        done = run_command("convert", mine, *options, cwd=work, PYTHONHASHSEED=str(index), HOME=str(work))
        assert done.returncode == 0, done.stderr
        cache = work / ".cache" / "yolo-edge" / "brotli"
        left = [path for path in work.rglob("*") if path.is_file() and path.parent != cache]
        assert left == [], "neither the working directory nor the home directory is littered"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["best.pt"]
    assert hashlib.sha256(Path(mine).read_bytes()).hexdigest() == find("yolo11n-pose").sha256
    first, second = (contents(tmp_path / f"out{index}") for index in (1, 2))
    assert list(first) == list(second)
    for name in first:
        assert first[name] == second[name], f"{name} differs"
    assert read_manifest(tmp_path / "out1").name == "best"


def test_no_machine_path_or_date_in_what_is_shipped(converted, weights):
    for name in ("model.json", "manifest.json", "golden.json", "model.onnx"):
        content = (converted / name).read_bytes()
        for secret in (str(weights.parent), str(converted.parent), "/site-packages/", str(Path.home()) + "/"):
            assert secret.encode() not in content, f"{name} names {secret}"


def test_force_replaces_only_with_a_whole_new_one(converted_onnx, tmp_path):
    out = tmp_path / "out"
    yolo_edge.convert(converted_onnx, out, name="first")
    before = contents(out)
    with pytest.raises(ModelError):
        yolo_edge.convert(converted_onnx, out, imgsz=640, force=True)
    assert contents(out) == before
    yolo_edge.convert(converted_onnx, out, name="second", quantize="float16", force=True)
    assert read_manifest(out).name == "second" and len(list(out.glob("*.bin"))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_options_that_do_not_go_together(converted_onnx, weights, tmp_path):
    with pytest.raises(ModelError, match=r"exported at 320x320 px, and 640x640 was asked for"):
        yolo_edge.convert(converted_onnx, tmp_path / "out", imgsz=640)
    with pytest.raises(UsageError, match="has a raw output"):
        yolo_edge.convert(converted_onnx, tmp_path / "out", end2end=True)
    with pytest.raises(UsageError, match=r"no end-to-end head.*YOLO26"):
        yolo_edge.convert(weights, tmp_path / "out", end2end=True)
    assert list(tmp_path.iterdir()) == []


def test_auto_fits_the_camera_and_says_so(weights, tmp_path, capsys):
    assert cli.run(["convert", str(weights), "-o", str(tmp_path / "out"), "--imgsz", "auto", "--aspect", "9:32"]) == 0
    table, talk = capsys.readouterr()
    sentence = "640x192 for 9:32: 0.30 of the pixels of 640x640"
    assert sentence in table and f"Input size: {sentence}" in talk
    assert read_manifest(tmp_path / "out").model.image_size == (640, 192)


def test_auto_has_nothing_to_choose_for_an_onnx_file(converted_onnx, tmp_path):
    with pytest.raises(UsageError, match="has its input size already"):
        yolo_edge.quantize(converted_onnx, tmp_path / "out", imgsz="auto")
    with pytest.raises(UsageError, match="--aspect is for"):
        yolo_edge.convert(converted_onnx, tmp_path / "out", aspect="4:3")
    assert list(tmp_path.iterdir()) == []
