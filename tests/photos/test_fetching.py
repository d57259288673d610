"""Fetching a described set from a server on the loopback, and opening what came."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.photos.web import Site, serving
from tests.validation.persons import label_of, make_person, write_coco
from yolo_edge import downloads
from yolo_edge.errors import InputError, NetworkError, OutputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.description import Description, parse_description
from yolo_edge.photos.fetching import fetch_set
from yolo_edge.photos.reading import readable
from yolo_edge.photos.record import RECORD_FILE, read_record

MEMBER = "annotations/labels.json"
UNLABELLED = 12


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)


@pytest.fixture
def site(tmp_path):
    """A site with twelve labelled photos, one without labels, and the labels in an archive."""
    names = {key: f"{key:03}.png" for key in range(UNLABELLED + 1)}
    labels = [label_of(make_person(score=0.9), key) for key in range(UNLABELLED)]
    text = write_coco(tmp_path / "made.json", names, labels).read_bytes()
    (tmp_path / "made.json").unlink()
    with serving() as running:
        running.files["/labels.zip"] = zipped({MEMBER: text})
        for key, name in names.items():
            content = io.BytesIO()
            Image.new("RGB", (64, 48), (key, 0, 0)).save(content, "png")
            running.files[f"/photos/{name}"] = content.getvalue()
        yield running


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def described(site: Site, **change) -> Description:
    document = {
        "schema_version": 1,
        "name": "demo",
        "description": "a demonstration",
        "kind": "coco",
        "licence": "CC0-1.0",
        "location": site.address,
        "open": "labels.json",
        "files": [{"url": "labels.zip", "member": MEMBER, "path": "labels.json", "sha256": "recorded"}],
        "photos": {"url": "photos/{file_name}", "sha256": "recorded"},
    }
    return parse_description({**document, **change}, "demo.yaml")


def content_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_a_set_is_fetched_once_and_opens(site, tmp_path):
    directory = tmp_path / "set"
    fetched = fetch_set(described(site), directory)
    assert (fetched.files, fetched.downloaded) == (UNLABELLED + 1, UNLABELLED + 1)
    assert "/photos/012.png" not in site.asked(), "it has no label"
    found = find_benchmark(directory)
    assert (found.name, found.kind, len(found.photos), len(found.labels)) == ("demo", "coco", UNLABELLED, UNLABELLED)
    assert [image[0, 0, 0] for _, image in readable(found)] == list(range(UNLABELLED))
    before = content_of(directory)
    assert set(before) == {RECORD_FILE, "labels.json", *(f"{key:03}.png" for key in range(UNLABELLED))}
    site.requests.clear()
    again = fetch_set(described(site), directory)
    assert (again.files, again.downloaded, again.bytes) == (fetched.files, 0, fetched.bytes)
    assert site.requests == [] and content_of(directory) == before


def test_photos_without_labels_may_count_as_empty(site, tmp_path):
    fetch_set(described(site, unlabelled="background"), tmp_path / "set")
    found = find_benchmark(tmp_path / "set")
    assert len(found.photos) == UNLABELLED + 1 and len(found.labels) == UNLABELLED


def test_a_limit_is_a_seeded_part_that_grows(site, tmp_path):
    directory = tmp_path / "set"
    fetch_set(described(site), directory, limit=4)
    four = find_benchmark(directory)
    assert len(four.photos) == 4 and four == find_benchmark(directory, limit=4)
    assert set(find_benchmark(directory, limit=2).photos) < set(four.photos)
    for options, command in (({"limit": 9}, "--limit 9"), ({"limit": 4, "seed": 5}, "--limit 4 --seed 5")):
        with pytest.raises(InputError, match=r"of \d photos of demo are not fetched") as error:
            find_benchmark(directory, **options)
        assert f"yolo-edge benchmark fetch demo {command} --output {directory}" in error.value.fix
    grown = fetch_set(described(site), directory, limit=9)
    assert grown.downloaded == 5 and set(four.photos) < set(find_benchmark(directory).photos)


def test_what_breaks_off_goes_on(site, tmp_path):
    site.cut = {"/labels.zip": [100], "/photos/003.png": [10]}
    fetch_set(described(site), tmp_path / "set")
    assert len(find_benchmark(tmp_path / "set").photos) == UNLABELLED
    ranges = [entry for entry in site.requests if entry[1]]
    assert sorted(ranges) == [("/labels.zip", "bytes=100-"), ("/photos/003.png", "bytes=10-")]


def test_a_killed_fetch_goes_on(site, tmp_path):
    """A kill leaves files that no record names yet."""
    directory = tmp_path / "set"
    fetch_set(described(site), directory, limit=6)
    (directory / RECORD_FILE).unlink()
    site.requests.clear()
    fetched = fetch_set(described(site), directory)
    assert fetched.downloaded == 6 and "/labels.zip" not in site.asked()
    assert len(find_benchmark(directory).photos) == UNLABELLED


def test_what_no_record_names_must_still_be_what_is_described(site, tmp_path):
    directory = tmp_path / "set"
    directory.mkdir()
    (directory / "labels.json").write_text("{}")
    file = described(site).files[0].model_dump() | {"sha256": hashlib.sha256(site.files["/labels.zip"]).hexdigest()}
    fetch_set(described(site, files=[file]), directory)
    assert len(find_benchmark(directory).photos) == UNLABELLED


def test_photos_that_do_not_come_are_told_and_the_rest_is_kept(site, tmp_path):
    lost = site.files.pop("/photos/003.png")
    with pytest.raises(NetworkError, match=r"1 of 12 photos could not be fetched: 003\.png: answered 404") as error:
        fetch_set(described(site), tmp_path / "set")
    assert "run the same command again" in error.value.fix
    assert len(find_benchmark(tmp_path / "set").photos) == UNLABELLED - 1
    site.files["/photos/003.png"] = lost
    assert fetch_set(described(site), tmp_path / "set").downloaded == 1


def test_labels_that_do_not_come(site, tmp_path):
    del site.files["/labels.zip"]
    with pytest.raises(NetworkError, match=r"labels\.zip could not be fetched: the server answered 404"):
        fetch_set(described(site), tmp_path / "set")
    assert content_of(tmp_path / "set") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"other.json": b"{}"}), "an archive without annotations/labels.json"),
        (b"<html>no archive</html>", "a damaged archive"),
        (zipped({MEMBER: b"x" * 5000}).replace(b"xxxx", b"yyyy", 1), "a damaged archive"),
    ],
    ids=["member missing", "no archive", "wrong checksum"],
)
def test_archives_that_are_wrong(site, tmp_path, content, reason):
    site.files["/labels.zip"] = content
    with pytest.raises(NetworkError, match=reason):
        fetch_set(described(site), tmp_path / "set")
    assert content_of(tmp_path / "set") == {}


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"bytes": 17}])
def test_a_described_hash_or_size_that_is_wrong(site, tmp_path, change):
    file = described(site).files[0].model_dump() | change
    with pytest.raises(NetworkError, match="gave another file than the one described"):
        fetch_set(described(site, files=[file]), tmp_path / "set")
    assert content_of(tmp_path / "set") == {}


def test_hashes_of_the_first_time_hold_ever_after(site, tmp_path):
    directory = tmp_path / "set"
    fetch_set(described(site), directory)
    (directory / "images" / "003.png").unlink()
    good, site.files["/photos/003.png"] = site.files["/photos/003.png"], site.files["/photos/004.png"]
    with pytest.raises(NetworkError, match=r"003\.png: gave another file than the first time"):
        fetch_set(described(site), directory)
    assert not (directory / "images" / "003.png").exists()
    site.files["/photos/003.png"] = good
    fetch_set(described(site), directory)
    (directory / "labels.json").unlink()
    site.files["/labels.zip"] = zipped({MEMBER: b"{}"})
    with pytest.raises(NetworkError, match="gave another file than the first time"):
        fetch_set(described(site), directory)


def test_a_changed_photo_is_skipped_when_read_and_fetched_again(site, tmp_path, said):
    directory = tmp_path / "set"
    fetch_set(described(site), directory)
    changed = directory / "images" / "003.png"
    changed.write_bytes((directory / "images" / "004.png").read_bytes())
    photos = readable(find_benchmark(directory))
    assert 3 not in [photo.key for photo, _ in photos]
    assert [entry.name for entry in photos.skipped] == ["003.png"] and "sha256 is wrong" in photos.skipped[0].reason
    said.clear()
    assert fetch_set(described(site), directory).downloaded == 1
    assert len(said) == 1 and "003.png has changed" in said[0], "what threads say is heard"
    assert len(list(readable(find_benchmark(directory)))) == UNLABELLED


def test_changed_labels_are_refused(site, tmp_path):
    directory = tmp_path / "set"
    fetch_set(described(site), directory)
    document = json.loads((directory / "labels.json").read_text())
    document["annotations"].pop()
    (directory / "labels.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"labels\.json has changed since it was fetched"):
        find_benchmark(directory)


def test_labels_cannot_name_places_outside(site, tmp_path):
    text = write_coco(tmp_path / "made.json", {1: "../../escaped.png"}, [label_of(make_person(), 1)]).read_bytes()
    site.files["/labels.zip"] = zipped({MEMBER: text})
    with pytest.raises(InputError, match="a photo outside the set"):
        fetch_set(described(site), tmp_path / "deep" / "set")
    assert not list(tmp_path.rglob("escaped*"))


def test_a_directory_of_another_set_or_with_a_damaged_record(site, tmp_path):
    directory = tmp_path / "set"
    fetch_set(described(site), directory, limit=1)
    with pytest.raises(OutputError, match="holds the set demo"):
        fetch_set(described(site, name="other"), directory)
    (directory / RECORD_FILE).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        fetch_set(described(site), directory)
    with pytest.raises(InputError, match="is damaged"):
        find_benchmark(directory)


def test_a_set_of_whole_files(site, tmp_path):
    """Two photos without labels, opened as the folder that they lie in."""
    files = [{"url": f"photos/00{key}.png", "path": f"photos/{key}.png", "sha256": "recorded"} for key in (1, 2)]
    description = described(site, kind="folder", open="photos", files=files, photos=None)
    assert fetch_set(description, tmp_path / "set").files == 2
    found = find_benchmark(tmp_path / "set")
    assert (found.name, found.kind, [photo.name for photo in found.photos]) == ("demo", "folder", ["1.png", "2.png"])
    assert sorted(read_record(tmp_path / "set").files) == ["photos/1.png", "photos/2.png"]


def test_a_description_of_ones_own_is_found_by_its_yaml(site, tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(described(site).model_dump(mode="json", exclude_none=True)))
    with pytest.raises(InputError, match="The set demo is not fetched") as error:
        find_benchmark(path, limit=3)
    assert error.value.fix == f"Run yolo-edge benchmark fetch {path} --limit 3."
    fetch_set(described(site), Path(os.environ["YOLO_EDGE_CACHE"]) / "benchmarks" / "demo", limit=3)
    assert len(find_benchmark(path, limit=3).photos) == 3


def test_a_full_disk_is_told(site, small_disk):
    site.files["/photos/003.png"] = bytes(2_000_000)
    with pytest.raises(OutputError, match=r"disk .* is full"):
        fetch_set(described(site), small_disk / "set")
