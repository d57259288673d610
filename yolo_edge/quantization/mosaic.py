"""Calibration inputs composed of photos: whole photos, crops, and mosaics of two or three tiles a side.

Few people bring more than a handful of photos, with one large person on each. Sensitivities taken from those alone are
wrong by a factor of ten for small, cropped or blurred persons (measured on COCO photos). Mosaics, which Ultralytics
trains its models on as well, show the same persons at other sizes, cut off, dimmed and out of focus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.pose.letterbox import letterbox

Image = NDArray[np.uint8]

_TILES = (0, 1, 2, 3)
_TILES_SHARE = (0.15, 0.35, 0.35, 0.15)
"""Tiles a side, and how often; 0 is the whole photo, letterboxed as in use."""

_PERSON_SHARE = 0.6
"""How often a tile is taken from the photos that hold a person."""

_SMALLEST_CROP = 0.45
_DIMMEST, _BRIGHTEST, _OFFSET = 0.5, 1.35, 25.0
_GREY_SHARE, _BLURRED_SHARE, _STRONGEST_BLUR = 0.15, 0.4, 0.25


def compose(
    photos: Sequence[Image], persons: Sequence[int], image_size: tuple[int, int], count: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Yield calibration inputs, float32 ``[1, 3, H, W]``, RGB 0-1.

    Args:
        photos: uint8 RGB ``[H, W, 3]``, of any sizes.
        persons: indices of those that hold a person; may be empty.
        image_size: height and width of the model's input.
        count: how many inputs.
        seed: of all choices.
    """
    random = np.random.default_rng(seed)
    for _ in range(count):
        tiles = int(random.choice(_TILES, p=_TILES_SHARE))
        if tiles == 0:
            image, _ = letterbox(_mirrored(_drawn(photos, persons, random), random), image_size)
        else:
            image = _mosaic(photos, persons, image_size, tiles, random)[None].astype(np.float32) / 255
        yield np.ascontiguousarray(image.transpose(0, 3, 1, 2))


def _drawn(photos: Sequence[Image], persons: Sequence[int], random: np.random.Generator) -> Image:
    if persons and random.random() < _PERSON_SHARE:
        return photos[persons[int(random.integers(len(persons)))]]
    return photos[int(random.integers(len(photos)))]


def _mosaic(
    photos: Sequence[Image],
    persons: Sequence[int],
    image_size: tuple[int, int],
    tiles: int,
    random: np.random.Generator,
) -> Image:
    canvas = np.zeros((*image_size, 3), np.uint8)
    rows, columns = (_cuts(side, tiles, random) for side in image_size)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            part = _varied(_drawn(photos, persons, random), random)
            canvas[top:bottom, left:right] = _blurred(_filling(part, bottom - top, right - left), random)
    return canvas


def _cuts(side: int, tiles: int, random: np.random.Generator) -> list[int]:
    inner = sorted(int(side * (index / tiles + random.uniform(-0.12, 0.12))) for index in range(1, tiles))
    return [0, *inner, side]


def _mirrored(image: Image, random: np.random.Generator) -> Image:
    return np.ascontiguousarray(image[:, ::-1]) if random.random() < 0.5 else image


def _varied(image: Image, random: np.random.Generator) -> Image:
    """A crop, perhaps mirrored or grey, of another brightness and contrast."""
    share = random.uniform(_SMALLEST_CROP, 1.0)
    height, width = (max(16, int(side * share)) for side in image.shape[:2])
    top = int(random.integers(max(1, image.shape[0] - height + 1)))
    left = int(random.integers(max(1, image.shape[1] - width + 1)))
    part = _mirrored(image[top : top + height, left : left + width], random).astype(np.float32)
    part = part * random.uniform(_DIMMEST, _BRIGHTEST) + random.uniform(-_OFFSET, _OFFSET)
    if random.random() < _GREY_SHARE:
        part = np.repeat(part.mean(axis=2, keepdims=True), 3, axis=2)
    return part.clip(0, 255).astype(np.uint8)


def _filling(image: Image, height: int, width: int) -> Image:
    """Scale a photo until it covers a tile, and cut the rest off evenly."""
    factor = max(width / image.shape[1], height / image.shape[0])
    scaled = _resized(image, max(height, round(image.shape[0] * factor)), max(width, round(image.shape[1] * factor)))
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def _blurred(image: Image, random: np.random.Generator) -> Image:
    """What a cheap camera or a far person looks like: scaled down and up again."""
    if random.random() >= _BLURRED_SHARE:
        return image
    factor = random.uniform(_STRONGEST_BLUR, 0.8)
    height, width = image.shape[:2]
    return _resized(_resized(image, max(8, int(height * factor)), max(8, int(width * factor))), height, width)


def _resized(image: Image, height: int, width: int) -> Image:
    import cv2

    shrinks = height * width < image.shape[0] * image.shape[1]
    result: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(result, np.uint8)
