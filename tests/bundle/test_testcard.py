"""Test cards are drawn from integers, the same everywhere."""

from __future__ import annotations

import hashlib
from itertools import islice

import numpy as np
import pytest

from yolo_edge.bundle.testcard import CARDS, TestCard, random_bytes

PLAIN = {"cells": 8, "seed": 1, "grain": 0, "background": (10, 20, 30), "strokes": ()}


def test_generator_is_xorshift32():
    """The first states after seed 1 are 270369, 67634689, 2647435461, 307599695: those of the published algorithm."""
    states = [270369, 67634689, 2647435461, 307599695]
    assert list(islice(random_bytes(1), 4)) == [state >> 24 for state in states]


def test_strokes_are_discs_and_capsules():
    stroke = (2, 2, 5, 2, 1, 200, 100, 50)
    grid = TestCard(**PLAIN | {"strokes": (stroke,)}).grid()
    rows = ["".join("#" if cell[0] == 200 else "." for cell in row) for row in grid]
    assert rows == ["........", "..####..", ".######.", "..####..", "........", "........", "........", "........"]
    assert set(map(tuple, grid.reshape(-1, 3).tolist())) == {(10, 20, 30), (200, 100, 50)}


def test_grain_moves_the_three_values_alike_and_stays_in_range():
    grid = TestCard(**PLAIN | {"grain": 60}).grid().astype(int)
    moved = grid - (10, 20, 30)
    assert moved[..., 2].min() >= -30 and moved.max() < 30 and len(np.unique(moved[..., 2])) > 20
    kept = grid[..., 0] > 0
    assert np.array_equal(moved[kept][:, 0], moved[kept][:, 2])


def test_images_take_the_nearest_cell():
    card = CARDS[0]
    images, grid = card.images((64, 480)), card.grid()
    assert (images.shape, images.dtype) == ((1, 64, 480, 3), np.float32)
    assert np.array_equal(images[0, 63, 479], grid[157, 159].astype(np.float32) / np.float32(255))
    assert np.array_equal(images[0, 2, 7] * np.float32(255), grid[5, 2])


@pytest.mark.parametrize("number", range(len(CARDS)))
def test_cards_stay_what_they_are(number):
    """Whoever changes a card changes the vectors of every model made since."""
    digests = ("b6a0be6c750f4887", "950485f24ef90121")
    assert hashlib.sha256(CARDS[number].grid().tobytes()).hexdigest()[:16] == digests[number]
