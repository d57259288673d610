"""``frontier`` measures each point, draws the picture, and refuses what cannot be measured before the work starts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import yolo_edge
from tests.nets import shipped_photo
from tests.validation.persons import label_of, write_coco, write_photo
from yolo_edge import cli
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.checkpoint.export import load_onnx
from yolo_edge.errors import InputError, MissingComponentError, ModelError, OutputError, UsageError
from yolo_edge.photos.benchmark import Benchmark, PersonLabel
from yolo_edge.photos.photo import FilePhoto
from yolo_edge.photos.reading import readable
from yolo_edge.quantization.scheme import SCHEME_NAMES
from yolo_edge.runtime.base import open_runtime
from yolo_edge.validation.detection import find_persons
from yolo_edge.verbs.frontier import frontier, parse_sizes
from yolo_edge.verbs.points import default_points, parse_points

FILES = ["frontier.csv", "frontier.json", "frontier.png", "frontier.svg", "manifest.json"]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def labelled(converted_onnx, tmp_path_factory) -> Path:
    """A COCO file whose labels are what the float model itself finds, so that its AP is nearly 1."""
    folder = tmp_path_factory.mktemp("labelled")
    photos = {11: "bus.jpg", 12: "zidane.jpg"}
    (folder / "images").mkdir()
    for name in photos.values():
        shutil.copy(shipped_photo(name), folder / "images" / name)
    with open_runtime("onnx", converted_onnx) as runtime:
        files = tuple(FilePhoto(key, name, folder / "images" / name) for key, name in photos.items())
        benchmark = Benchmark("labelled", "folder", files)
        found = find_persons(runtime, load_onnx(converted_onnx).head, readable(benchmark))
    labels = [label_of(person, key) for key, persons in found.items() for person in persons if person.score > 0.5]
    return write_coco(folder / "labels.json", photos, labels)


@pytest.fixture(scope="module")
def drawn(converted_onnx, labelled, tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn") / "new" / "frontier"
    return frontier(converted_onnx, directory, schemes="float32, float16", photos=labelled, frame_time=False)


def test_directory_holds_table_and_pictures(drawn):
    assert sorted(contents(drawn.directory)) == FILES
    rows = list(csv.DictReader((drawn.directory / "frontier.csv").open()))
    assert [row["point"] for row in rows] == ["float32", "float16"]
    document = json.loads((drawn.directory / "frontier.json").read_text())
    assert document == {name: value for name, value in drawn.to_json().items() if name != "directory"}
    assert Image.open(drawn.directory / "frontier.png").width == 1600


def test_float_weights_lose_nothing(drawn):
    same, half = drawn.points
    assert (same.agreement.similarity.value, same.agreement.lost, same.loss.points) == (1.0, 0, 0.0)
    assert same.agreement.persons >= 4
    assert 0.98 < half.agreement.similarity.value < 1
    assert drawn.average_precision > 0.9 and abs(half.loss.points) < 5


def test_sizes_are_those_that_convert_measures(drawn, converted_onnx, tmp_path):
    manifest = yolo_edge.convert(converted_onnx, tmp_path / "half", quantize="float16").manifest
    point = drawn.points[1]
    assert (point.raw_bytes, point.wire_bytes) == (manifest.raw_bytes, manifest.wire_bytes)


def test_the_same_again_is_the_same_bytes_and_force_replaces_it(drawn, converted_onnx, labelled, tmp_path):
    out = tmp_path / "out"
    frontier(converted_onnx, out, schemes=["float16"], photos=labelled, frame_time=False)
    with pytest.raises(OutputError, match="exists already"):
        frontier(converted_onnx, out, photos=labelled)
    points = ["float32", "float16"]
    again = frontier(converted_onnx, out, schemes=points, photos=labelled, frame_time=False, force=True)
    assert contents(again.directory) == contents(drawn.directory)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="did not make"):
        frontier(converted_onnx, out, photos=labelled, force=True)


def test_a_frontier_is_no_converted_model(drawn):
    with pytest.raises(ModelError):
        read_manifest(drawn.directory)


def test_without_photos_the_command_says_it_is_a_smoke_test(converted_onnx, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["frontier", str(converted_onnx), "-o", str(out), "--schemes", "float16", "--no-frame-time"]
    assert cli.run(command) == 0
    table, talk = capsys.readouterr()
    assert "smoke test" in talk and "--photos" in talk
    assert "float16" in table and "no labels" in table and "16 photos" in table


def test_labels_of_other_keypoints_are_left_aside(converted_onnx, labelled, tmp_path, capsys):
    feet = PersonLabel(11, (10.0, 20.0, 2.0, 30.0, 40.0, 1.0), (5.0, 5.0, 40.0, 40.0), 800.0)
    path = write_coco(labelled.parent / "feet.json", {11: "bus.jpg"}, [feet])
    command = ["frontier", str(converted_onnx), "-o", str(tmp_path / "out"), "--schemes", "float16"]
    assert cli.run([*command, "--photos", str(path), "--no-frame-time"]) == 0
    assert "Measuring agreement alone" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "frontier.json").read_text())["average_precision"] is None


def test_json_on_stdout_is_one_document(converted_onnx, tmp_path, capsys):
    command = ["-q", "frontier", str(converted_onnx), "-o", str(tmp_path / "out"), "--schemes", "float16", "--json"]
    command.append("--no-frame-time")
    assert cli.run([*command, "--photos", str(shipped_photo("bus.jpg").parent)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and json.loads(out)["points"][0]["ap_loss"] is None


@pytest.mark.slow
def test_several_sizes_are_compared_with_the_first_and_timed(weights, labelled, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["frontier", str(weights), "-o", str(out), "--schemes", "float32", "--imgsz", "256,128,256"]
    assert cli.run([*command, "--photos", str(labelled)]) == 0
    table = capsys.readouterr().out
    assert "128x128" in table and "ratio" in table
    document = json.loads((out / "frontier.json").read_text())
    assert (document["image_size"], document["image_sizes"]) == ([256, 256], [[256, 256], [128, 128]])
    assert document["frame_time"] == {"backend": "node", "rounds": 10}
    same, small = document["points"]
    assert (small["point"], small["height"]) == ("float32", 128)
    assert same["mean_oks"] == 1 and small["mean_oks"] < 0.99 and small["ap_loss"] > 0
    assert 0.6 < same["frame_ratio"] < 1.6 and small["frame_ratio"] < 0.8
    assert small["frame_ms"] < same["frame_ms"]


def test_without_node_there_are_no_times_and_all_else(converted_onnx, monkeypatch, tmp_path, capsys):
    def missing():
        raise MissingComponentError("Node is not installed.", fix="Install it.")

    monkeypatch.setattr("yolo_edge.verbs.frontier.find_node", missing)
    command = ["frontier", str(converted_onnx), "-o", str(tmp_path / "out"), "--schemes", "float16"]
    assert cli.run([*command, "--photos", str(shipped_photo("bus.jpg").parent)]) == 0
    assert "Taking no frame times. Node is not installed. Install it." in capsys.readouterr().err
    (row,) = csv.DictReader((tmp_path / "out" / "frontier.csv").open())
    assert (row["frame_ms"], row["frame_ratio"], row["height"]) == ("", "", "320")


def test_sizes_are_read_as_written():
    assert [request.size for request in parse_sizes("640, 320x192", None)] == [(640, 640), (320, 192)]
    assert [str(request.aspect) for request in parse_sizes("640,auto", "4:3")] == ["None", "4:3"]
    for imgsz, aspect, message in (
        (" , ", None, "names no size"),
        ("640,big", None, "'big' is not"),
        ("640,320", "4:3", "--aspect is for"),
        (None, "4:3", "--aspect is for"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_sizes(imgsz, aspect)


@pytest.mark.long
@pytest.mark.slow
def test_a_budget_that_cannot_be_met_is_skipped_by_name(weights, tmp_path, capsys):
    command = ["frontier", str(weights), "-o", str(tmp_path / "out"), "--imgsz", "192", "--samples", "8"]
    command.append("--no-frame-time")
    assert cli.run([*command, "--schemes", "float16,rd:300kB", "--photos", str(shipped_photo("bus.jpg").parent)]) == 0
    out, err = capsys.readouterr()
    assert "Skipping rd:300kB" in err and "skipped rd:300kB" in out and "the smallest is about" in out
    document = json.loads((tmp_path / "out" / "frontier.json").read_text())
    assert [row["point"] for row in document["points"]] == ["float16"]
    assert [row["point"] for row in document["skipped"]] == ["rd:300kB"]


@pytest.mark.parametrize(
    ("schemes", "message"),
    [
        ("float16,int3", "no quantization scheme 'int3'"),
        ("int8:1MB", "int8 takes no budget"),
        ("rd", "rd needs a budget"),
        ("rd:", "rd needs a budget"),
        ("rd:small", "'small' is not a size"),
        (" , ", "names no point"),
        ("float16,int8,float16", "names float16 twice"),
    ],
)
def test_points_that_make_no_sense_are_usage_errors(schemes, message, tmp_path, capsys):
    with pytest.raises(UsageError, match=message):
        parse_points(schemes)
    assert cli.run(["frontier", "yolo11n-pose", "-o", str(tmp_path / "out"), "--schemes", schemes]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "\n  fix: " in err and len(err.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


def test_points_are_read_as_written():
    points = parse_points("float16, rd:1.6MB,rd:900kB")
    assert [(point.scheme, point.max_bytes) for point in points] == [
        ("float16", None),
        ("rd", 1_600_000),
        ("rd", 900_000),
    ]
    assert parse_points(["float16"]) == parse_points("float16")


def test_default_points_follow_the_size_of_the_model():
    points = default_points(2_867_000)
    assert [point.name for point in points if point.max_bytes is None] == [
        name for name in ("float16", "int8", "int4") if name in SCHEME_NAMES
    ]
    assert [point.name for point in points if point.scheme == "rd"] == [
        "rd:1.648MB",
        "rd:1.433MB",
        "rd:1.218MB",
        "rd:1.075MB",
    ]
    assert parse_points([point.name for point in points]) == points, "a name stands for its own point"


def test_photos_that_cannot_be_used(converted_onnx, tmp_path):
    out = tmp_path / "new" / "out"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no photos"):
        frontier(converted_onnx, out, photos=tmp_path / "empty")
    with pytest.raises(InputError, match="There are no photos at"):
        frontier(converted_onnx, out, photos=tmp_path / "nowhere")
    write_photo(tmp_path / "grey" / "a.png")
    with pytest.raises(InputError, match="sure of no person on grey"):
        frontier(converted_onnx, out, schemes="float16", photos=tmp_path / "grey")
    with pytest.raises(InputError, match="grey has 1 usable photo,"):
        frontier(converted_onnx, out, calibration=tmp_path / "grey")
    assert not out.parent.exists()


def test_missing_matplotlib_is_named_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingComponentError, match=r"pip install 'yolo-edge\[validation\]'"):
        frontier("yolo11n-pose", tmp_path / "out")


def test_sizes_and_sources_are_checked_as_in_convert(converted_onnx, tmp_path):
    with pytest.raises(ModelError, match="exported at 320x320 px"):
        frontier(converted_onnx, tmp_path / "out", imgsz=192)
    with pytest.raises(InputError, match=r"nothing\.pt"):
        frontier("nothing.pt", tmp_path / "out")
    with pytest.raises(UsageError, match="has no name"):
        frontier(converted_onnx, "")
    assert list(tmp_path.iterdir()) == []


def test_int8_alone_does_without_photos(weights, tmp_path):
    options = {"imgsz": 192, "frame_time": False, "calibration": "none"}
    with pytest.raises(UsageError, match="Photos are needed for rd, and"):
        yolo_edge.frontier(weights, tmp_path / "out", schemes="int8,rd:1.4MB", **options)
    with pytest.raises(UsageError, match="Photos are needed for int4, rd, and"):
        yolo_edge.frontier(weights, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
    (point,) = yolo_edge.frontier(weights, tmp_path / "out", schemes="int8", **options).points
    assert point.scheme == "int8"
