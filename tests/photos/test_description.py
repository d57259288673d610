"""Descriptions of benchmark sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolo_edge.errors import InputError
from yolo_edge.photos.description import find_description, known_descriptions, parse_description

SET = {
    "schema_version": 1,
    "name": "demo",
    "description": "a demonstration",
    "kind": "coco",
    "licence": "CC0-1.0",
    "location": "http://127.0.0.1:9",
    "open": "labels.json",
    "files": [{"url": "a.json", "path": "labels.json", "sha256": "recorded"}],
    "photos": {"url": "photos/{file_name}", "sha256": "recorded"},
}


def test_every_file_of_configs_is_known_by_its_own_name():
    folder = Path(__file__).parents[2] / "configs" / "benchmarks"
    assert [entry.name for entry in known_descriptions()] == sorted(file.stem for file in folder.glob("*.yaml"))
    assert find_description("builtin").kind == "builtin" and find_description("nothing") is None


def test_coco_is_fetched_photo_by_photo_from_its_public_place():
    coco = find_description("coco-val2017")
    (labels,) = coco.files
    assert f"{coco.location}/{labels.url}" == "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"
    assert coco.photos.address("000000000139.jpg") == "val2017/000000000139.jpg"
    assert labels.sha256 == coco.photos.sha256 == "recorded", "nobody here knows the genuine hash"


def test_an_installed_package_brings_the_descriptions_along():
    import tomllib

    root = Path(__file__).parents[2]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["yolo_edge"]
    shipped = {file.name for pattern in patterns for file in (root / "yolo_edge").glob(pattern)}
    assert {f"{entry.name}.yaml" for entry in known_descriptions()} <= shipped


def test_a_limit_is_a_part_of_the_part_that_a_name_stands_for():
    whole = parse_description(SET, "x.yaml")
    part = parse_description({**SET, "subset": {"limit": 20, "seed": 4}}, "x.yaml")
    assert whole.narrowed(None, 1) == (None, 1) and whole.narrowed(5, 1) == (5, 1)
    assert part.narrowed(None, 1) == (20, 4) and part.narrowed(5, 1) == (5, 4) and part.narrowed(50, 1) == (20, 4)


FILE = SET["files"][0]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"name": "../up"}, "name"),
        ({"kind": "pascal"}, "kind"),
        ({"licence": ""}, "licence"),
        ({"location": "file:///etc"}, "location"),
        ({"colour": "red"}, "colour"),
        ({"files": [{**FILE, "path": "../labels.json"}]}, "files.0.path"),
        ({"files": [{**FILE, "path": "/labels.json"}]}, "files.0.path"),
        ({"files": [{**FILE, "path": "a/../../b"}]}, "files.0.path"),
        ({"files": [{**FILE, "url": "../a.json"}]}, "files.0.url"),
        ({"files": [{**FILE, "sha256": "abc"}]}, "files.0.sha256"),
        ({"files": [{"url": "a.json", "path": "labels.json"}]}, "files.0.sha256"),
        ({"files": [FILE, FILE]}, "the file: .*same path"),
        ({"files": []}, "the file: .*needs files"),
        ({"location": None}, "the file: .*location"),
        ({"open": "other.json"}, "the file: .*open must name"),
        ({"kind": "folder"}, "the file: .*coco sets alone"),
        ({"kind": "builtin"}, "the file: .*nothing to fetch"),
        ({"photos": {"url": "photos/", "sha256": "recorded"}}, "photos.url"),
        ({"photos": {"url": "photos/{file_name}", "sha256": "0" * 64}}, "photos.sha256"),
        ({"subset": {"limit": 0}}, "subset.limit"),
        ({"subset": {"limit": 1, "seed": -1}}, "subset.seed"),
    ],
)
def test_wrong_descriptions_are_named(change, where):
    with pytest.raises(InputError, match=rf"^demo\.yaml is wrong at {where}"):
        parse_description({**SET, **change}, "demo.yaml")
