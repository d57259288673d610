"""Photos that every machine has."""

import hashlib

import numpy as np
import pytest

from tests.nets import shipped_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable
from yolo_edge.photos.sources.builtin import Change


def test_two_shipped_photos_and_fourteen_made_from_them():
    found = find_benchmark("builtin")
    assert (found.name, found.kind, len(found.photos)) == ("builtin", "builtin", 16)
    assert [photo.name for photo in found.photos[:4]] == ["bus.jpg", "zidane.jpg", "bus-1", "zidane-1"]
    assert found.photos[0].digest() == hashlib.sha256(shipped_photo("bus.jpg").read_bytes()).hexdigest()
    assert len({photo.digest() for photo in found.photos}) == 16


def test_made_photos_differ_and_are_the_same_each_time():
    first, second = ([image for _, image in readable(find_benchmark("builtin"))] for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert all(image.dtype == np.uint8 and min(image.shape[:2]) > 150 for image in first)
    assert len({image.tobytes() for image in first}) == 16


def test_changes_are_what_they_say():
    image = np.random.default_rng(0).integers(0, 120, (40, 60, 3), np.uint8)
    plain = {"crop": (0.0, 0.0, 1.0, 1.0), "is_mirrored": False, "scale": 1.0, "brightness": 1.0, "blur": 0.0}
    assert np.array_equal(Change(**plain).applied_to(image), image)
    assert np.array_equal(Change(**{**plain, "is_mirrored": True}).applied_to(image), image[:, ::-1])
    assert np.array_equal(Change(**{**plain, "crop": (0.5, 0.25, 0.5, 0.5)}).applied_to(image), image[10:30, 30:])
    assert np.array_equal(Change(**{**plain, "brightness": 2.0}).applied_to(image), image * 2)
    assert Change(**{**plain, "scale": 0.5}).applied_to(image).shape == (20, 30, 3)
    assert Change(**{**plain, "blur": 2.0}).applied_to(image).std() < image.std() / 2


def test_a_machine_without_the_photos_is_told(monkeypatch):
    monkeypatch.setattr("yolo_edge.photos.sources.builtin.find_spec", lambda name: None)
    with pytest.raises(InputError, match="ultralytics package ships none"):
        find_benchmark(None)
