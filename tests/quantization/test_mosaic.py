"""Calibration inputs: any photos in, inputs of the model's size out, the same ones for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_edge.quantization.mosaic import compose


def photos(*sizes: tuple[int, int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def stacked(images, persons, size, count=24, seed=0) -> np.ndarray:
    return np.concatenate(list(compose(images, persons, size, count, seed)))


@pytest.mark.parametrize("size", [(64, 64), (480, 640), (96, 32), (32, 32)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "sizes",
    [[(200, 300), (300, 200)], [(32, 32)], [(32, 1000), (1000, 32)], [(2, 288)]],
    ids=["ordinary", "tiny", "panoramas", "a line"],
)
def test_inputs_have_the_models_shape_and_range(size, sizes):
    for image in compose(photos(*sizes), [0], size, 24, 0):
        assert image.shape == (1, 3, *size) and image.dtype == np.float32
        assert image.flags.c_contiguous and 0 <= image.min() <= image.max() <= 1


def test_a_seed_decides():
    images = photos((120, 90), (64, 200))
    first = stacked(images, [1], (64, 96))
    assert np.array_equal(first, stacked(images, [1], (64, 96)))
    assert not np.array_equal(first, stacked(images, [1], (64, 96), seed=1))
    assert len({image.tobytes() for image in first}) == len(first), "each input is another one"


def test_more_inputs_begin_with_the_same_ones():
    images = photos((120, 90))
    assert np.array_equal(stacked(images, [], (64, 64), 30)[:10], stacked(images, [], (64, 64), 10))


def test_photos_are_left_as_they_are():
    images = photos((100, 100))
    before = images[0].copy()
    stacked(images, [0], (64, 64))
    assert np.array_equal(images[0], before)


def test_photos_of_persons_are_taken_more_often():
    """Grey photos on which only brightness tells which is which."""
    dark, light = np.full((80, 80, 3), 30, np.uint8), np.full((80, 80, 3), 225, np.uint8)
    brightness = {
        name: stacked([dark, light], persons, (64, 64), 200).mean()
        for name, persons in {"none": [], "dark": [0], "light": [1]}.items()
    }
    assert brightness["dark"] < brightness["none"] - 0.1 < brightness["light"] - 0.2


def longest_run(line: np.ndarray) -> int:
    return max((len(run) for run in "".join("x" if value else " " for value in line).split()), default=0)


def test_persons_come_in_several_sizes():
    """A photo with one white column: in mosaics it is narrower than in the whole photo, in crops wider."""
    photo = np.zeros((240, 240, 3), np.uint8)
    photo[:, 100:140] = 255
    rows = [image[0, 0, 30] > 0.35 for image in compose([photo], [0], (240, 240), 60, 0)]
    widths = [longest_run(row) for row in rows]
    assert min(width for width in widths if width) < 25 and max(widths) > 45
