"""Ultralytics pose data: photos, and a text file of labels beside each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.validation.persons import write_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import PersonLabel, find_benchmark
from yolo_edge.photos.source import find_photo_files

LINE = "0 0.5 0.5 0.25 0.5 0.5 0.25 2 0.75 0.5 1"


def write_set(root: Path, yaml: str = "path: .\ntrain: images/train\nval: images/val\nkpt_shape: [2, 3]\n") -> Path:
    """Two photos of 64x48 px to judge on, the first of them labelled, and one to train on."""
    for name in ("images/train/t.png", "images/val/a.png", "images/val/b.png"):
        write_photo(root / name)
    write_labels(root, "val/a", LINE)
    path = root / "data.yaml"
    path.write_text(yaml)
    return path


def write_labels(root: Path, name: str, text: str) -> None:
    path = root / "labels" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_photos_to_judge_on_with_labels_in_pixels(tmp_path):
    found = find_benchmark(write_set(tmp_path))
    assert [photo.name for photo in found.photos] == ["images/val/a.png", "images/val/b.png"]
    box = (24.0, 12.0, 16.0, 24.0)
    assert found.labels == (PersonLabel(0, (32.0, 12.0, 2.0, 48.0, 24.0, 1.0), box, 16 * 24 * 0.53),)
    assert (found.kind, found.keypoint_count, found.skipped) == ("ultralytics", 2, ())
    assert [file.name for file in find_photo_files(tmp_path / "data.yaml")] == ["t.png"], "calibration is training"


def test_labels_agree_with_ultralytics_own_reader(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))  # it writes its settings when it is imported
    from ultralytics.data.utils import verify_image_label

    write_set(tmp_path)
    write_labels(tmp_path, "val/a", f"{LINE}\n0 0.4 0.4 0.2 0.2 0.3 0.3 0 0.45 0.35 2\n")
    labels = find_benchmark(tmp_path / "data.yaml").labels
    image, text = (str(tmp_path / name) for name in ("images/val/a.png", "labels/val/a.txt"))
    _, rows, (height, width), _, keypoints, *_ = verify_image_label((image, text, "", True, 1, 2, 3, False))
    for label, row, points in zip(labels, rows, keypoints, strict=True):
        x, y, w, h = row[1:] * (width, height, width, height)
        np.testing.assert_allclose(label.box, (x - w / 2, y - h / 2, w, h), rtol=1e-6)
        flagged = points[:, 2] > 0
        ours = np.reshape(label.keypoints, (2, 3))
        np.testing.assert_allclose(ours[flagged], (points * (width, height, 1))[flagged], rtol=1e-6)
        assert not ours[~flagged].any()


def test_keypoints_without_flags_are_seen_unless_below_zero(tmp_path):
    path = write_set(tmp_path, "val: images/val\nkpt_shape: [2, 2]\n")
    write_labels(tmp_path, "val/a", "0 0.5 0.5 0.25 0.5 0.5 0.25 -1 -1\n\n")
    assert find_benchmark(path).labels[0].keypoints == (32.0, 12.0, 2.0, 0.0, 0.0, 0.0)


def test_labels_are_of_the_upright_photo(tmp_path):
    path = write_set(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "images/val/a.png", exif=exif)
    found = find_benchmark(path)
    assert found.photos[0].read().shape == (64, 48, 3)
    assert found.labels[0].keypoints[:2] == (24.0, 16.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.25 0.5 0.5 0.25 2", "has 8 values, not 11"),
        (f"{LINE} 1", "has 12 values, not 11"),
        (LINE.replace("0.75", "much"), "no number"),
        (LINE.replace("0.25 0.5 0.5", "40 0.5 0.5"), "box that is not within 0-1"),
        (LINE.replace("0.75", "64"), "keypoint beyond the photo"),
        (LINE.replace("0.75", "nan"), "keypoint beyond the photo"),
    ],
)
def test_a_damaged_line_is_named_and_its_photo_skipped(tmp_path, said, line, reason):
    path = write_set(tmp_path)
    write_labels(tmp_path, "val/b", f"{LINE}\n{line}\n")
    found = find_benchmark(path)
    assert [photo.name for photo in found.photos] == ["images/val/a.png"] and len(found.labels) == 1
    assert [entry.name for entry in found.skipped] == ["images/val/b.png"]
    assert reason in found.skipped[0].reason and "Line 2 of" in found.skipped[0].reason and "b.txt" in said[0]


def test_a_photo_without_a_size_is_skipped(tmp_path):
    path = write_set(tmp_path)
    (tmp_path / "images/val/b.png").write_bytes(b"no png")
    assert [entry.name for entry in find_benchmark(path).skipped] == ["images/val/b.png"]


def test_lists_of_photos_and_a_yaml_inside_its_own_folder(tmp_path):
    path = write_set(tmp_path, "path: my-set\nval: val.txt\nkpt_shape: [2, 3]\n")
    (tmp_path / "val.txt").write_text("./images/val/b.png\nimages/val/a.png\n")
    found = find_benchmark(path)
    assert [photo.path.name for photo in found.photos] == ["b.png", "a.png"] and found.labels[0].photo == 1


def test_of_several_classes_the_persons_count(tmp_path):
    yaml = "val: images/val\nkpt_shape: [2, 3]\nnames: {0: dog, 1: %s}\n"
    path = write_set(tmp_path, yaml % "person")
    write_labels(tmp_path, "val/a", f"{LINE}\n1{LINE[1:]}\n")
    assert len(find_benchmark(path).labels) == 1
    path.write_text(yaml % "cat")
    with pytest.raises(InputError, match="none of which is called person"):
        find_benchmark(path)


def test_labels_without_a_person_say_so(tmp_path, said):
    path = write_set(tmp_path)
    write_labels(tmp_path, "val/a", "")
    assert find_benchmark(path).labels == () and "hold no person" in said[0]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("a: [", "is damaged"),
        ("x", "no description of a photo set"),
        ("val: images/val\n", "kpt_shape is None"),
        ("val: images/val\nkpt_shape: [17, 4]\n", r"kpt_shape is \[17, 4\]"),
        ("val: images/none\nkpt_shape: [17, 3]\n", "holds no photos that can be read"),
        ("val: images/val\nkpt_shape: [17, 3]\n", "has 11 values, not 56"),
    ],
)
def test_damaged_files_are_named(tmp_path, yaml, message):
    path = write_set(tmp_path, yaml)
    (tmp_path / "images/val/b.png").unlink()
    with pytest.raises(InputError, match=message) as error:
        find_benchmark(path)
    assert "data.yaml" in str(error.value) and error.value.fix
