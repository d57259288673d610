"""Whatever a description of a set holds: it opens, or the error says what is wrong."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.validation.persons import label_of, make_person, write_coco, write_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.source import find_photo_files

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("x" * 300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(document, path=()):
    """Every place of a document that can be replaced."""
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


def opens_or_explains(path: Path) -> None:
    for find in (find_benchmark, find_photo_files):
        try:
            find(path)
        except InputError as error:
            assert error.what and error.fix


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        write_photo(Path(name) / "images" / "1.jpg")
        yield Path(name)


@pytest.fixture(scope="module")
def coco(folder):
    return json.loads(write_coco(folder / "good.json", {1: "1.jpg"}, [label_of(make_person(), 1)] * 2).read_text())


DATA = {"path": ".", "train": "images", "val": ["images"], "kpt_shape": [17, 3], "names": {0: "person", 1: "dog"}}
quickly = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quickly
@given(data=st.data(), value=VALUES)
def test_any_value_anywhere_in_a_coco_file(folder, coco, data, value):
    place = data.draw(st.sampled_from([path for path in places(coco) if len(path) < 5]))
    (folder / "odd.json").write_text(json.dumps(replaced(coco, place, value)))
    opens_or_explains(folder / "odd.json")


@quickly
@given(data=st.data(), value=VALUES)
def test_any_value_anywhere_in_a_data_yaml(folder, data, value):
    place = data.draw(st.sampled_from(list(places(DATA))))
    (folder / "odd.yaml").write_text(yaml.safe_dump(replaced(DATA, place, value)))
    opens_or_explains(folder / "odd.yaml")


@quickly
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".json", ".yaml", ".mp4"]))
def test_any_bytes(folder, content, suffix):
    (folder / f"odd{suffix}").write_bytes(content)
    opens_or_explains(folder / f"odd{suffix}")


@quickly
@given(
    persons=st.lists(
        st.tuples(
            st.tuples(*[st.floats(0.2, 0.8)] * 2, *[st.floats(0.01, 0.2)] * 2),
            st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from([0, 1, 2])), min_size=3, max_size=3),
        ),
        max_size=4,
    )
)
def test_labels_come_back_as_they_were_written(folder, persons):
    lines = [
        " ".join(map(repr, (0, *box, *(value for keypoint in keypoints for value in keypoint))))
        for box, keypoints in persons
    ]
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "1.txt").write_text("\n".join(lines))
    (folder / "set.yaml").write_text("val: images\nkpt_shape: [3, 3]\n")
    labels = find_benchmark(folder / "set.yaml").labels
    if not any(flag for _, keypoints in persons for *_, flag in keypoints):
        assert labels == ()
        return
    for label, (box, keypoints) in zip(labels, persons, strict=True):
        left, top, width, height = label.box
        np.testing.assert_allclose(((left + width / 2) / 64, (top + height / 2) / 48, width / 64, height / 48), box)
        for place, (x, y, flag) in zip(np.reshape(label.keypoints, (3, 3)), keypoints, strict=True):
            np.testing.assert_allclose(place, (64 * x, 48 * y, flag) if flag else (0, 0, 0))
