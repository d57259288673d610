"""A set is read photo by photo; what cannot be read is named once and left out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.validation.persons import write_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable


def noise(height=40, width=60):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_photos_come_one_at_a_time_with_their_pixels(tmp_path):
    for name, value in (("a.png", 10), ("b.png", 20)):
        Image.new("RGB", (64, 48), (value, 0, 0)).save(tmp_path / name)
    photos = readable(find_benchmark(tmp_path))
    going = iter(photos)
    photo, image = next(going)
    assert photo.name == "a.png" and image.shape == (48, 64, 3) and image[0, 0, 0] == 10
    (tmp_path / "b.png").write_bytes(b"gone bad")
    assert list(going) == [], "the second photo was read before it was wanted"
    assert [entry.name for entry in photos.skipped] == ["b.png"]


def test_every_kind_of_unreadable_photo_is_named_once(tmp_path, said):
    write_photo(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.fromarray(noise()).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:900])
    photos = readable(find_benchmark(tmp_path))
    assert len(photos) == 5
    for _ in range(2):
        assert [photo.name for photo, _ in photos] == ["good.jpg"]
    reasons = {entry.name: entry.reason for entry in photos.skipped}
    assert set(reasons) == {"text.jpg", "empty.jpg", "dot.png", "cut.jpg"}
    assert "1x1 px" in reasons["dot.png"] and "is empty" in reasons["empty.jpg"]
    assert len(said) == 4 and all(any(name in line for line in said) for name in reasons)


def test_odd_photos_read_right(tmp_path):
    pixels = noise(48, 64)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    Image.new("CMYK", (64, 48), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    grey = (pixels[..., 0].astype(np.uint16)) * 257
    Image.fromarray(grey).save(tmp_path / "deep.png")
    images = {photo.name: image for photo, image in readable(find_benchmark(tmp_path))}
    assert np.array_equal(images["turned.png"], np.rot90(pixels, -1))
    assert images["cmyk.jpg"][9, 9, 0] > 200 > 60 > images["cmyk.jpg"][9, 9, 1]
    assert np.array_equal(images["deep.png"], np.repeat(pixels[..., :1], 3, axis=2))


def test_a_set_without_a_readable_photo_is_refused_with_the_reason(tmp_path):
    (tmp_path / "a.jpg").write_text("no jpeg")
    with pytest.raises(InputError, match=r"holds no photos that can be read.*a\.jpg") as error:
        list(readable(find_benchmark(tmp_path)))
    assert error.value.fix
