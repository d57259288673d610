"""``sizes`` measures the square and the sizes of an aspect, and refuses at the door what has no sizes to try."""

from __future__ import annotations

import json

import pytest

import yolo_edge
from tests.nets import shipped_photo
from tests.validation.persons import write_photo
from yolo_edge import cli
from yolo_edge.console import print_result
from yolo_edge.errors import UsageError
from yolo_edge.verbs.sizes import parse_sides
from yolo_edge.verbs.speed_tables import sizes_table


@pytest.mark.slow
def test_smaller_inputs_are_faster_and_find_less(weights, capsys):
    photos = shipped_photo("bus.jpg").parent
    result = yolo_edge.sizes(weights, sides=[160, 320], photos=photos, rounds=5)
    document = json.loads(json.dumps(result.to_json()))
    square, fitted, small = document["sizes"]
    assert [row["image_size"] for row in document["sizes"]] == [[320, 320], [192, 320], [96, 160]]
    assert (square["mean_oks"]["value"], square["frame_ratio"], square["lost"]) == (1.0, 1.0, 0)
    assert (fitted["pixel_share"], small["pixel_share"]) == (0.6, 0.15)
    assert small["frame_ratio"] < 0.6, "a seventh of the pixels"
    assert small["mean_oks"]["value"] < fitted["mean_oks"]["value"] < 1
    assert document["aspect"] == "16:9" and document["photos"]["count"] == 2
    print_result(sizes_table(result))
    out = capsys.readouterr().out
    assert "2 photos cut to that shape" in out and "96x160" in out


def test_the_command_takes_the_options_of_the_verb(weights, tmp_path, capsys):
    write_photo(tmp_path / "grey" / "a.png")
    command = ["sizes", str(weights), "--sides", "64,32", "--photos", str(tmp_path / "grey"), "--aspect", "4:3"]
    assert cli.run([*command, "--limit", "1", "--rounds", "1"]) == 3
    assert "sure of no person on grey, cut to 4:3" in capsys.readouterr().err


def test_sides_are_sorted_and_read_from_text():
    assert parse_sides("320, 640,512") == parse_sides([640, 512, 320]) == (640, 512, 320)
    for wrong in ("", " , ", "480x640"):
        with pytest.raises(UsageError, match="longest sides"):
            parse_sides(wrong)
    with pytest.raises(UsageError, match="a side of 100 px"):
        parse_sides("640,100")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"aspect": "wide"}, "no aspect"), ({"sides": "big"}, "not a size"), ({"rounds": 0}, "--rounds 0")],
)
def test_wrong_options_are_refused_at_the_door(options, message):
    with pytest.raises(UsageError, match=message):
        yolo_edge.sizes("yolo11n-pose", **options)


def test_an_onnx_file_has_no_sizes_to_try(converted_onnx):
    with pytest.raises(UsageError, match="has its input size already"):
        yolo_edge.sizes(converted_onnx)
