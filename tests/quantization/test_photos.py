"""Photos to calibrate on: every way to name them, and every way they can be unusable."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.nets import shipped_photo
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.errors import InputError
from yolo_edge.quantization.photos import find_photos

CHOSEN_BY_SEED_3 = ["0.png", "1.png", "2.png", "4.png", "5.png", "6.png", "7.png", "9.png"]  # of ten


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten photos of different sizes."""
    directory = tmp_path / "images"
    directory.mkdir()
    random = np.random.default_rng(0)
    for index in range(10):
        pixels = random.integers(0, 255, (40 + index, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"{index}.png")
    return directory


def names(photos) -> list[str]:
    return [photo.path.name for photo in photos.photos]


def test_folder_coco_and_data_yaml_name_the_same_photos(folder):
    files = sorted(file.name for file in folder.iterdir())
    coco = folder.parent / "set.json"
    coco.write_text(json.dumps({"images": [{"id": i, "file_name": name} for i, name in enumerate(files)]}))
    data = folder.parent / "data.yaml"
    data.write_text("path: .\ntrain: images\nkpt_shape: [17, 3]\n")
    sets = [find_photos(source) for source in (folder, coco, data)]
    assert all(names(photos) == files for photos in sets)
    assert len({photos.digest for photos in sets}) == 1, "the same photos are the same calibration"


def test_samples_and_seed_choose(folder):
    first, again, other = (find_photos(folder, samples=8, seed=seed) for seed in (0, 0, 5))
    assert len(first.photos) == 8 and names(first) == names(again)
    assert names(first) != names(other) and first.digest != other.digest


def test_the_choice_and_its_digest_are_what_they_always_were(folder):
    """Plans record the digest: another choice for the same seed would refuse every plan that was written before."""
    photos = find_photos(folder, samples=8, seed=3)
    assert names(photos) == CHOSEN_BY_SEED_3
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in CHOSEN_BY_SEED_3]
    assert photos.digest == hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def test_content_decides_the_digest_not_the_name(folder):
    before = find_photos(folder).digest
    Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(folder / "3.png")
    assert find_photos(folder).digest != before


def test_unusable_photos_are_named_and_skipped(folder):
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.jpg").touch()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "tiny.png")
    corrupt = shipped_photo("bus.jpg").read_bytes()[:2000]
    (folder / "cut.jpg").write_bytes(corrupt)
    photos = find_photos(folder)
    assert set(photos.skipped) == {"text.jpg", "empty.jpg", "tiny.png", "cut.jpg"}
    assert len(photos.photos) == 10


def test_fewer_than_eight_usable_photos_are_refused(folder):
    for index in range(3):
        (folder / f"{index}.png").unlink()
    with pytest.raises(InputError, match=r"7 usable photos, calibration needs 8"):
        find_photos(folder)


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: None], ids=["empty folder", "missing"])
def test_no_photos_is_an_input_error(tmp_path, make):
    make(tmp_path / "photos")
    with pytest.raises(InputError, match="photos"):
        find_photos(tmp_path / "photos")


@pytest.mark.parametrize(
    ("name", "content"), [("set.json", "{"), ("set.json", "[]"), ("data.yaml", "a: ["), ("data.yaml", "x")]
)
def test_damaged_descriptions_are_input_errors(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=name):
        find_photos(tmp_path / name)


def test_one_corrupt_photo_among_thirty_is_named_and_skipped(tmp_path):
    for index in range(30):
        Image.fromarray(np.full((40, 60, 3), index * 8, np.uint8)).save(tmp_path / f"{index:02}.jpg")
    (tmp_path / "17.jpg").write_bytes((tmp_path / "17.jpg").read_bytes()[:200])
    said = io.StringIO()
    with redirect_stderr(said), reporting_to(TerminalReporter()):
        photos = find_photos(tmp_path)
    assert photos.skipped == ("17.jpg",) and len(photos.photos) == 29
    assert said.getvalue().count("Skipping") == 1 and "17.jpg" in said.getvalue()


def test_shipped_photos_are_the_same_ones_each_time():
    first, second = find_photos(None, samples=8), find_photos(None, samples=200, seed=1)
    assert names(first) == ["bus.jpg", "zidane.jpg"] and first.name == "shipped photos"
    assert first.digest == second.digest, "there is no choice to make"
