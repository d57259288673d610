"""Input sizes: what people write, and what fits a camera's picture.

A size is height x width, as in ``manifest.json``. An aspect is width to height, as cameras name it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import gcd
from typing import Any

from yolo_edge.errors import UsageError

GRID = 32
"""Input height and width must be multiples of this: the coarsest stride of three-level heads."""

LARGEST_SIDE = 4096
"""Far above what a browser runs; a larger number is a slip of the keyboard that would fill the memory."""

AUTO = "auto"
"""What people write for a size that follows from the aspect."""

DEFAULT_ASPECT = "16:9"
"""Of most webcams, phones and videos."""


def parse_image_size(text: str) -> tuple[int, int]:
    """Parse ``"640"`` or ``"480x640"`` (height x width) into height and width in pixels.

    Raises:
        UsageError: it is neither, or a side is not a positive multiple of 32.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"The image size {text!r} is not a size.", fix="Give one side (640) or height x width (480x640)."
        )
    height, width = int(parts[0]), int(parts[-1])
    for side in (height, width):
        if side % GRID or not GRID <= side <= LARGEST_SIDE:
            lower = min(max(side // GRID, 1) * GRID, LARGEST_SIDE)
            upper = min(lower + GRID, LARGEST_SIDE)
            raise UsageError(
                f"The image size {text} has a side of {side} px, which is not a multiple of {GRID} from {GRID} to "
                f"{LARGEST_SIDE}.",
                fix=f"Use {lower}." if lower == upper or side < GRID else f"Use {lower} or {upper}.",
            )
    return height, width


def size_text(size: tuple[int, int]) -> str:
    """Write a size as height x width: ``384x640``."""
    return f"{size[0]}x{size[1]}"


def pixel_share(size: tuple[int, int], square: int) -> float:
    """Return the pixels of an input as a share of those of a square one.

    Args:
        size: height and width, pixels.
        square: side, pixels.
    """
    return size[0] * size[1] / square**2


@dataclass(frozen=True)
class Aspect:
    """The shape of a camera's picture, in lowest terms.

    Attributes:
        width: as many parts wide.
        height: as many parts high.
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"

    def fitted(self, longest: int) -> tuple[int, int]:
        """Return the smallest input that holds a picture of this shape without shrinking its longest side.

        Args:
            longest: side in pixels, a multiple of 32.

        Returns:
            Height and width: one is ``longest``, the other is rounded up to a multiple of 32.
        """
        long, short = max(self.width, self.height), min(self.width, self.height)
        other = -(-longest * short // (long * GRID)) * GRID
        return (other, longest) if self.width >= self.height else (longest, other)


def parse_aspect(text: str) -> Aspect:
    """Parse ``"16:9"`` or pixels as cameras name them, ``"1280x720"``: width first.

    Raises:
        UsageError: it is neither.
    """
    found = re.fullmatch(r"(\d{1,5})[:x](\d{1,5})", text.strip().lower())
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not width or not height:
        raise UsageError(f"{text!r} is no aspect.", fix="Give width to height: 16:9, 4:3, 9:16 or 1280x720.")
    divisor = gcd(width, height)
    return Aspect(width // divisor, height // divisor)


@dataclass(frozen=True)
class SizeRequest:
    """An input size as it was asked for.

    Attributes:
        size: height and width in pixels; None for the source's own, or for one that follows from ``aspect``.
        aspect: what the size follows from; None where it does not.
    """

    size: tuple[int, int] | None = None
    aspect: Aspect | None = None


def parse_size_request(imgsz: str | int | None, aspect: str | None = None) -> SizeRequest:
    """Read ``--imgsz`` and ``--aspect``.

    Args:
        imgsz: a size, ``"auto"``, or None.
        aspect: what ``"auto"`` follows; 16:9 by default.

    Raises:
        UsageError: one is not what it should be, or there is an aspect and the size is not ``auto``.
    """
    if str(imgsz).strip().lower() == AUTO:
        return SizeRequest(aspect=parse_aspect(DEFAULT_ASPECT if aspect is None else aspect))
    if aspect is not None:
        raise UsageError("--aspect is for sizes that follow from it.", fix=f"Give --imgsz {AUTO} too, or leave it out.")
    return SizeRequest(None if imgsz is None else parse_image_size(str(imgsz)))


@dataclass(frozen=True)
class SizeChoice:
    """A size that follows from an aspect.

    Attributes:
        image_size: height and width, pixels.
        aspect: of the camera's picture.
        square: side of the square input that the model was trained at, pixels.
    """

    image_size: tuple[int, int]
    aspect: Aspect
    square: int

    @property
    def pixel_share(self) -> float:
        """Pixels, as a share of the square's. Convolutions, which are nearly all of a frame, cost as much less."""
        return pixel_share(self.image_size, self.square)

    def sentence(self) -> str:
        """Say what was chosen, why, and what it costs."""
        chosen, square = size_text(self.image_size), size_text((self.square, self.square))
        return f"{chosen} for {self.aspect}: {self.pixel_share:.2f} of the pixels of {square}"

    def to_json(self) -> dict[str, Any]:
        """Return the choice as JSON-ready values."""
        return {
            "image_size": list(self.image_size),
            "aspect": str(self.aspect),
            "square": self.square,
            "pixel_share": round(self.pixel_share, 4),
        }


def choose_size(aspect: Aspect, trained: int) -> SizeChoice:
    """Choose the input for a camera's picture.

    Args:
        aspect: of the picture.
        trained: side in pixels that the model was trained at; rounded up to a multiple of 32, as training does.
    """
    square = min(-(-trained // GRID) * GRID, LARGEST_SIDE)
    return SizeChoice(aspect.fitted(square), aspect, square)
