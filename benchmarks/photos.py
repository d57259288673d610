"""Ten photos that every machine has: the two that ultralytics ships, and eight made from them with a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.nets import shipped_photo
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox

Photo = NDArray[np.uint8]

SEED = 0
MADE = 8


def ten_photos() -> list[Photo]:
    """Return ten photos, uint8 ``[h, w, 3]`` RGB, of ten sizes and brightnesses."""
    shipped = [read_image(shipped_photo(name)) for name in ("bus.jpg", "zidane.jpg")]
    random = np.random.default_rng(SEED)
    return shipped + [augmented(shipped[index % 2], random) for index in range(MADE)]


def augmented(photo: Photo, random: np.random.Generator) -> Photo:
    """Crop to 60-100 % of each side, mirror half of the time, scale by 0.5-1.5, brighten or darken by up to 40 %."""
    import cv2

    height, width = (int(side * random.uniform(0.6, 1.0)) for side in photo.shape[:2])
    top, left = (int(random.integers(0, room + 1)) for room in (photo.shape[0] - height, photo.shape[1] - width))
    crop: NDArray[Any] = photo[top : top + height, left : left + width]
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    scale = random.uniform(0.5, 1.5)
    resized = cv2.resize(np.ascontiguousarray(crop), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return np.clip(resized * random.uniform(0.6, 1.4), 0, 255).astype(np.uint8)


def calibration_batch(photos: Sequence[Photo]) -> NDArray[np.float32]:
    """Return the photos as one batch of 320 px, float32 ``[B, 320, 320, 3]``."""
    return np.concatenate([letterbox(photo, (320, 320))[0] for photo in photos])
