"""Input sizes are read as written; those that follow from an aspect hold the camera's picture with little border."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.checkpoint.image_size import (
    GRID,
    Aspect,
    SizeRequest,
    choose_size,
    parse_aspect,
    parse_image_size,
    parse_size_request,
)
from yolo_edge.errors import UsageError


@pytest.mark.parametrize(("text", "size"), [("640", (640, 640)), ("480x640", (480, 640)), ("96X32", (96, 32))])
def test_image_sizes_are_height_by_width(text, size):
    assert parse_image_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "640x", "1x2x3", "-32", "64.0"])
def test_what_is_no_size_is_a_usage_error(text):
    with pytest.raises(UsageError):
        parse_image_size(text)


@pytest.mark.parametrize(("text", "named"), [("641", "641"), ("640x100", "100"), ("0", "0")])
def test_size_off_the_grid_names_the_side_and_its_neighbours(text, named):
    with pytest.raises(UsageError, match=f"a side of {named} px"):
        parse_image_size(text)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("16:9", (384, 640)), ("1280x720", (384, 640)), ("9:16", (640, 384)), ("4:3", (480, 640)), ("1:1", (640, 640))],
)
def test_aspects_of_cameras_are_width_to_height(aspect, size):
    assert choose_size(parse_aspect(aspect), 640).image_size == size


@pytest.mark.parametrize("text", ["", "16", "16:0", "0x9", "wide", "16:9:1", "-16:9", "1.78:1"])
def test_what_is_no_aspect_is_a_usage_error(text):
    with pytest.raises(UsageError, match=r"no aspect.*16:9"):
        parse_aspect(text)


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 40).map(lambda steps: steps * GRID))
def test_a_fitted_size_holds_the_picture_and_no_smaller_one_does(width, height, longest):
    fitted = Aspect(width, height).fitted(longest)
    assert max(fitted) == longest and all(side % GRID == 0 for side in fitted)
    short = longest * min(width, height) / max(width, height)
    assert short <= min(fitted) < short + GRID
    assert Aspect(height, width).fitted(longest) == fitted[::-1]


def test_a_choice_says_what_it_costs():
    choice = choose_size(parse_aspect("16:9"), 640)
    assert choice.sentence() == "384x640 for 16:9: 0.60 of the pixels of 640x640"
    assert choice.to_json() == {"image_size": [384, 640], "aspect": "16:9", "square": 640, "pixel_share": 0.6}


def test_a_side_off_the_grid_is_rounded_up_as_training_does():
    assert choose_size(Aspect(1, 1), 500).image_size == (512, 512)


def test_requests_are_a_size_or_an_aspect():
    assert parse_size_request(None) == SizeRequest()
    assert parse_size_request(320) == SizeRequest((320, 320))
    assert parse_size_request("auto") == SizeRequest(aspect=Aspect(16, 9))
    assert parse_size_request("AUTO", "1200x900") == SizeRequest(aspect=Aspect(4, 3))
    for imgsz in (None, 640):
        with pytest.raises(UsageError, match="--imgsz auto"):
            parse_size_request(imgsz, "16:9")
