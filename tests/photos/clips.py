"""Small videos whose frames can be told apart."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

FOURCC = {".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".webm": "VP80"}


def write_clip(path: Path, *, frames: int = 60, rate: float = 30.0, size: tuple[int, int] = (64, 48)) -> Path:
    """A video whose frame ``n`` is grey of value ``4 n``, for 60 frames at most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*FOURCC[path.suffix]), rate, size)
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 4 * index, np.uint8))
    writer.release()
    return path


def frame_shown(image: np.ndarray) -> int:
    """Which frame of :func:`write_clip` an image is. Codecs make it darker, by less than a frame."""
    return math.ceil(float(image.mean()) / 4)
