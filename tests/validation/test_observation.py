"""Observations: each photo once, remembered by content, side by side, and kept when something breaks."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.runtime.tiny_pose import SIZE, known_output, write_pose_onnx
from yolo_edge.checkpoint.export import load_onnx
from yolo_edge.errors import ModelError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable
from yolo_edge.runtime.base import BaseRuntime
from yolo_edge.validation.detection import MOST_PERSONS, observe_photo
from yolo_edge.validation.observation import Observations, ObservationStore, observe

PHOTOS = 7


class Known(BaseRuntime):
    """Answers the known output, counts, and breaks when told to."""

    runs = 0
    opened = 0
    breaks_after: int | None = None
    lock = threading.Lock()

    def __init__(self):
        super().__init__("known", Path("known"))
        with Known.lock:
            Known.opened += 1

    def _input_shape(self):
        return (1, SIZE, SIZE, 3)

    def _compute(self, images):
        with Known.lock:
            Known.runs += 1
            if Known.breaks_after is not None and Known.runs > Known.breaks_after:
                raise ModelError("the engine broke")
        return known_output(), 0.01

    def close(self):
        """Nothing to end."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Known, "runs", 0)
    monkeypatch.setattr(Known, "opened", 0)


@pytest.fixture
def head(tmp_path):
    return load_onnx(write_pose_onnx(tmp_path / "pose.onnx")).head


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for index in range(PHOTOS):
        Image.new("RGB", (64 + index, 48), (index, 0, 0)).save(tmp_path / "photos" / f"{index}.png")
    return tmp_path / "photos"


def run(folder, head, **options):
    options.setdefault("store", ObservationStore(["known"], head))
    return observe(Known, head, readable(find_benchmark(folder)), title="Running", **options)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_photo_is_run_once_and_remembered(folder, head, workers):
    first = run(folder, head, workers=workers)
    assert (Known.runs, Known.opened) == (PHOTOS, workers) and first.remembered == 0
    assert list(first.by_photo) == list(range(PHOTOS)), "in the order of the set, whichever was ready first"
    again = run(folder, head, workers=workers)
    assert (Known.runs, Known.opened) == (PHOTOS, workers) and again.remembered == PHOTOS
    for key, observation in first.by_photo.items():
        other = again.by_photo[key]
        assert observation.scale == other.scale
        for one, two in zip(observation.persons, other.persons, strict=True):
            assert np.array_equal(one.keypoints, two.keypoints) and np.array_equal(one.box, two.box)
            assert (one.score, one.class_index) == (two.score, two.class_index)


def test_another_model_or_photo_is_run_anew(folder, head):
    run(folder, head)
    run(folder, head, store=ObservationStore(["another"], head))
    assert Known.runs == 2 * PHOTOS
    Image.new("RGB", (80, 48), (9, 9, 9)).save(folder / "3.png")
    assert run(folder, head).remembered == PHOTOS - 1


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_done_before_a_crash_is_kept(folder, head, monkeypatch, workers):
    monkeypatch.setattr(Known, "breaks_after", 4)
    found = Observations()
    with pytest.raises(ModelError, match="broke"):
        run(folder, head, into=found, workers=workers)
    assert 3 <= len(found.by_photo) <= 4
    monkeypatch.setattr(Known, "breaks_after", None)
    assert run(folder, head).remembered == len(found.by_photo), "it goes on where it stopped"


def test_a_damaged_memory_is_forgotten(folder, head, tmp_path):
    run(folder, head)
    for index, file in enumerate(sorted((tmp_path / "cache").rglob("*.npz"))[:3]):
        file.write_bytes((b"", b"no zip", file.read_bytes()[:100])[index])
    assert run(folder, head).remembered == PHOTOS - 3


def test_unreadable_photos_are_named_and_left_out(folder, head):
    (folder / "2.png").write_bytes(b"no photo")
    photos = readable(find_benchmark(folder))
    found = observe(Known, head, photos, title="Running", workers=2)
    assert 2 not in found.by_photo and len(found.by_photo) == PHOTOS - 1
    assert [entry.name for entry in photos.skipped] == ["2.png"]


def test_chosen_photos_alone(folder, head):
    assert list(run(folder, head, chosen=[5, 1]).by_photo) == [1, 5]


def test_many_unsure_persons_are_cut_and_sure_ones_are_not(head):
    class Crowd(Known):
        score = 0.9

        def _compute(self, images):
            output = known_output()
            output[0] = output[0][:, [11]]
            output[0, 0] = np.linspace(0, 60, output.shape[2])  # next to each other
            output[0, 2:4] = 0.5
            output[0, 4] = self.score
            return output, 0.0

    image = np.zeros((48, 64, 3), np.uint8)
    sure, unsure = Crowd(), Crowd()
    unsure.score = 0.1
    assert len(observe_photo(sure, head, image).persons) > MOST_PERSONS
    assert len(observe_photo(unsure, head, image).persons) == MOST_PERSONS
