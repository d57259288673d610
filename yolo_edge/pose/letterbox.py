"""Letterboxing: a photo of any size becomes the model's input without a change of its proportions.

The rules, for a photo of ``w`` x ``h`` pixels and an input of ``W`` x ``H`` (all arithmetic in double precision):

* ``r = min(H / h, W / w)``; small photos are enlarged too.
* ``resized_w = max(round(w · r), 1)`` and ``resized_h = max(round(h · r), 1)``, where a tie (``….5``) goes to the even
  neighbour, as Python's ``round`` does (JavaScript's ``Math.round`` takes the upper one).
* ``left = floor((W − resized_w) / 2)`` and ``top = floor((H − resized_h) / 2)``; an odd pixel goes to the right or
  bottom. The padding is grey, 114 of 255.
* The photo is resized bilinearly with half-pixel centres and without antialiasing (OpenCV ``INTER_LINEAR``), in 8 bits.
* A point ``(x, y)`` of the input is ``((x − left) · w / resized_w, (y − top) · h / resized_h)`` in the photo.

Source: class ``LetterBox`` (``auto=False, center=True, scaleup=True``) in ``ultralytics/data/augment.py`` and
``scale_boxes`` in ``ultralytics/utils/ops.py`` of ultralytics 8.4, where the padding is written ``round(d / 2 − 0.1)``:
the same number for every whole ``d ≥ 0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ImageError

PADDING_GREY = 114
"""Value of the padding, 0-255 in each channel."""


@dataclass(frozen=True)
class Letterbox:
    """How a photo lies in the model's input; see the module docstring for the formulas.

    Attributes:
        source_size: height and width of the photo, pixels.
        input_size: height and width of the model's input, pixels.
        resized_size: height and width of the resized photo inside the input, pixels.
        top: padding above the photo, pixels of the input.
        left: padding left of the photo, pixels of the input.
    """

    source_size: tuple[int, int]
    input_size: tuple[int, int]
    resized_size: tuple[int, int]
    top: int
    left: int

    @classmethod
    def fit(cls, source_size: tuple[int, int], input_size: tuple[int, int]) -> Letterbox:
        """Place a photo of ``source_size`` (height, width) into an input of ``input_size`` (height, width)."""
        (source_height, source_width), (height, width) = source_size, input_size
        ratio = min(height / source_height, width / source_width)
        resized_height = max(round(source_height * ratio), 1)
        resized_width = max(round(source_width * ratio), 1)
        return cls(
            source_size=(source_height, source_width),
            input_size=(height, width),
            resized_size=(resized_height, resized_width),
            top=(height - resized_height) // 2,
            left=(width - resized_width) // 2,
        )

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per photo pixel along x and y (they differ by the rounding of the resized size only)."""
        return self.resized_size[1] / self.source_size[1], self.resized_size[0] / self.source_size[0]

    def to_source(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Take points from the input frame to the photo.

        Args:
            points: ``[..., 2]``, x and y in input pixels.

        Returns:
            float64 ``[..., 2]``, x and y in pixels of the photo, not clipped to it.
        """
        return (np.asarray(points, dtype=np.float64) - (self.left, self.top)) / self.scale

    def to_input(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Take points ``[..., 2]`` (x, y) from the photo to the input frame."""
        return np.asarray(points, dtype=np.float64) * self.scale + (self.left, self.top)

    def clip_to_source(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Move points ``[..., 2]`` (x, y) that lie outside the photo onto its border."""
        height, width = self.source_size
        return np.clip(np.asarray(points, dtype=np.float64), (0, 0), (width, height))


def letterbox(image: NDArray[np.uint8], input_size: tuple[int, int]) -> tuple[NDArray[np.float32], Letterbox]:
    """Turn a photo into a model's input.

    Args:
        image: uint8 ``[h, w, 3]``, RGB.
        input_size: height and width of the model's input, pixels.

    Returns:
        The input, float32 ``[1, H, W, 3]``, RGB, 0-1, and the geometry that takes points back to the photo.

    Raises:
        ImageError: ``image`` is not uint8 ``[h, w, 3]``, or has no pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(
            f"An image must be uint8 [height, width, 3], this one is {image.dtype} {list(image.shape)}.",
            fix="Read it with yolo_edge.pose.image.read_image.",
        )
    geometry = Letterbox.fit((image.shape[0], image.shape[1]), input_size)
    canvas = np.full((*input_size, 3), PADDING_GREY, dtype=np.uint8)
    (height, width), top, left = geometry.resized_size, geometry.top, geometry.left
    canvas[top : top + height, left : left + width] = _resize(image, geometry.resized_size)
    return canvas[None].astype(np.float32) / np.float32(255), geometry


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[:2] == size:
        return image
    import cv2

    resized: NDArray[np.uint8] = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return resized
