"""``bench`` writes what it measured, refuses at the door what cannot be measured, and names what is missing."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil

import pytest
from PIL import Image

import yolo_edge
from yolo_edge import cli
from yolo_edge.errors import ImageError, InputError, MissingComponentError, ModelError, OutputError, UsageError
from yolo_edge.runtime.packages import find_node, tfjs_packages
from yolo_edge.verbs.bench import parse_backends

FILES = ["bench.csv", "bench.json", "bench.png", "manifest.json"]


def test_a_table_and_files_of_two_models(tiny, tmp_path, capsys):
    twin = tmp_path / "twin"
    shutil.copytree(tiny, twin)
    output = tmp_path / "out"
    arguments = ["bench", str(tiny), str(twin), "--backends", "node", "--rounds", "4", "--profile", "-o", str(output)]
    assert cli.run(arguments) == 0
    shown = capsys.readouterr().out
    assert "p50 ms" in shown and "kernels of a frame: twin, node" in shown
    assert sorted(path.name for path in output.iterdir()) == FILES
    document = json.loads((output / "bench.json").read_text())
    assert (document["rounds"], document["threads"], document["photo"]) == (4, 1, "bus.jpg")
    ours, other = document["measurements"]
    assert (ours["name"], other["name"], other["reference"]) == ("tiny", "twin", "tiny")
    assert ours["ratio"] == 1 and 0.2 < other["ratio"] < 5, "the same model takes the same time"
    assert len(ours["frame_milliseconds"]) == 4 and ours["profile"]
    rows = list(csv.DictReader((output / "bench.csv").open()))
    assert [(row["name"], float(row["p50_ms"])) for row in rows] == [
        (entry["name"], entry["p50_ms"]) for entry in document["measurements"]
    ]
    assert Image.open(output / "bench.png").width > 500
    assert str(tmp_path) not in (output / "bench.json").read_text(), "a place of this machine"


def test_json_on_stdout(tiny, capsys):
    assert cli.run(["--quiet", "bench", str(tiny), "--backends", "node", "--rounds", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["directory"] is None and document["measurements"][0]["persons"] == 1


def test_backends_are_runtimes_of_directories():
    assert [kind.name for kind in parse_backends("node, browser")] == ["node", "browser:wasm"]
    assert [kind.name for kind in parse_backends(["node", "node"])] == ["node"]
    for wrong in ("onnx", "webgl", "node,nowhere"):
        with pytest.raises(UsageError, match=r"no backend.*node, browser:wasm, browser:webgl, browser:webgpu"):
            parse_backends(wrong)
    with pytest.raises(UsageError, match="names no backend"):
        parse_backends(" , ")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"rounds": 0}, UsageError, "--rounds 0"),
        ({"threads": 0}, UsageError, "--threads 0"),
        ({"backends": "browser:metal"}, UsageError, "browser:metal"),
        ({"photo": "nowhere.jpg"}, ImageError, r"nowhere\.jpg"),
    ],
)
def test_wrong_options_are_refused_at_the_door(tiny, options, kind, message):
    with pytest.raises(kind, match=message):
        yolo_edge.bench(tiny, **options)


def test_what_is_no_model_and_what_is_in_the_way_is_refused_at_the_door(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"no model\.json"):
        yolo_edge.bench(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        yolo_edge.bench(tiny, backends="node", output=tmp_path / "out")


def test_a_missing_browser_is_a_row_beside_others_and_an_error_alone(tiny, monkeypatch, tmp_path):
    tfjs_packages()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "node").symlink_to(find_node().path)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.delenv("YOLO_EDGE_BROWSER", raising=False)
    result = yolo_edge.bench(tiny, rounds=1)
    assert [row.figures is not None for row in result.measurements] == [True, False]
    assert "No Chromium or Chrome was found" in result.measurements[1].unavailable
    output = tmp_path / "out"
    with pytest.raises(MissingComponentError, match="No Chromium or Chrome was found"):
        yolo_edge.bench(tiny, backends="browser:wasm", rounds=1, output=output)
    assert not output.exists()


def test_a_wrong_browser_path_is_an_error(tiny, tmp_path):
    with pytest.raises(UsageError, match="--browser names"):
        yolo_edge.bench(tiny, backends="browser:wasm", rounds=1, browser=tmp_path / "nowhere")


def test_a_damaged_directory_is_named(tiny, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny, damaged)
    next(damaged.glob("*.bin")).unlink()
    with pytest.raises(InputError, match=r"\.bin is missing"):
        yolo_edge.bench([tiny, damaged], backends="node")


@pytest.mark.slow
@pytest.mark.browser
def test_a_flag_of_tensorflow_js_is_raced_beside_the_model_without_it(tiny):
    result = yolo_edge.bench(tiny, backends="browser:webgl", rounds=1, flags=["WEBGL_USE_SHAPES_UNIFORMS=true"])
    plain, flagged = result.measurements
    assert flagged.name == f"{plain.name} WEBGL_USE_SHAPES_UNIFORMS=true"
    assert plain.figures.reference == flagged.figures.reference == plain.name


def test_a_flag_that_a_backend_does_not_know_is_named_in_its_row(tiny):
    plain, flagged = yolo_edge.bench(tiny, backends="node", rounds=1, flags=["NO_SUCH_FLAG=1"]).measurements
    assert plain.figures is not None and flagged.figures is None
    assert "no flag NO_SUCH_FLAG" in flagged.unavailable


@pytest.mark.parametrize("flag", ["WEBGL_PACK", "WEBGL_PACK=maybe", "=true", "WEBGL_PACK=NaN", 'WEBGL_PACK="x"', ""])
def test_what_is_no_flag_is_refused(tiny, flag):
    with pytest.raises(UsageError, match="no flag of TensorFlow"):
        yolo_edge.bench(tiny, backends="node", flags=[flag])


def test_an_output_never_replaces_a_model(tiny, tmp_path):
    model = tmp_path / "models" / "tiny"
    shutil.copytree(tiny, model)
    for output in (model, model.parent):
        with pytest.raises(UsageError, match="which is read"):
            yolo_edge.bench(model, backends="node", output=output, force=True)
    assert (model / "model.json").is_file()


def test_what_the_browser_lacks_is_said_before_anything_is_measured(tiny, capsys):
    assert cli.run(["bench", str(tiny), "--backends", "node,browser:wasm", "--browser", "/nonexistent"]) == 2
    assert "Racing" not in capsys.readouterr().err
    with pytest.raises(UsageError, match="no backend that runs in it"):
        yolo_edge.bench(tiny, backends="node", browser="/nonexistent")


def test_inside_asyncio_a_browser_is_refused_at_the_door(tiny):
    async def inside():
        yolo_edge.bench(tiny, backends="node,browser:wasm", rounds=1)

    with pytest.raises(UsageError, match="asyncio"):
        asyncio.run(inside())


def test_brackets_in_names_are_shown_as_they_are(tiny, tmp_path, capsys):
    model = tmp_path / "x[" / "red]y"
    shutil.copytree(tiny, model)
    assert cli.run(["bench", str(model), str(tiny), "--backends", "node", "--rounds", "1"]) == 0
    assert "red]y" in capsys.readouterr().out
