"""Folders of photos."""

import pytest

from tests.photos.clips import write_clip
from tests.validation.persons import write_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.source import find_photo_files


def test_a_folder_is_searched_with_its_subfolders(tmp_path):
    files = [write_photo(tmp_path / name) for name in ("a.jpg", "b.png", "deep/c.JPG")]
    (tmp_path / "notes.txt").write_text("no photo")
    write_clip(tmp_path / "clip.avi", frames=3)
    found = find_benchmark(tmp_path)
    assert [photo.path for photo in found.photos] == files == find_photo_files(tmp_path)
    assert [photo.name for photo in found.photos] == ["a.jpg", "b.png", "deep/c.JPG"]
    assert (found.name, found.kind, found.keys, found.labels) == (tmp_path.name, "folder", (0, 1, 2), ())


def test_here_has_the_name_of_the_folder(tmp_path, monkeypatch):
    write_photo(tmp_path / "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert find_benchmark(".").name == tmp_path.name


def test_an_empty_folder_is_refused(tmp_path):
    for find in (find_benchmark, find_photo_files):
        with pytest.raises(InputError, match="holds no photos"):
            find(tmp_path)
