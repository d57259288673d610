"""A cropped set shows the middle of each photo, in the shape that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from yolo_edge.photos.benchmark import Benchmark, PersonLabel
from yolo_edge.photos.crop import CroppedPhoto, cropped


@dataclass(frozen=True)
class Drawn:
    """A photo whose first two channels are the row and the column."""

    rows: int
    columns: int
    key: int = 7
    name: str = "drawn"

    def read(self):
        image = np.zeros((self.rows, self.columns, 3), np.uint8)
        image[..., 0], image[..., 1] = np.arange(self.rows)[:, None], np.arange(self.columns)
        return image

    def digest(self):
        return "00"


@pytest.mark.parametrize(
    ("photo", "aspect", "shape", "corner"),
    [
        (Drawn(90, 90), (16, 9), (51, 90), (19, 0)),
        (Drawn(90, 90), (9, 16), (90, 51), (0, 19)),
        (Drawn(90, 160), (16, 9), (90, 160), (0, 0)),
        (Drawn(10, 200), (16, 9), (10, 18), (0, 91)),
        (Drawn(10, 10), (1000, 1), (1, 10), (4, 0)),
    ],
)
def test_the_middle_is_taken(photo, aspect, shape, corner):
    crop = CroppedPhoto(photo, *aspect)
    image = crop.read()
    assert image.shape == (*shape, 3) and tuple(image[0, 0, :2]) == corner
    assert (crop.key, crop.name) == (7, "drawn")


def test_another_shape_is_another_photo():
    digests = {CroppedPhoto(Drawn(9, 9), *aspect).digest() for aspect in ((16, 9), (9, 16))}
    assert len(digests | {Drawn(9, 9).digest()}) == 3


def test_labels_are_left_out():
    label = PersonLabel(7, (1.0, 1.0, 2.0), (0.0, 0.0, 5.0, 5.0), 25.0)
    found = cropped(Benchmark("set", "folder", (Drawn(9, 9),), (label,)), 4, 3)
    assert (found.name, found.labels, [photo.key for photo in found.photos]) == ("set", (), [7])
