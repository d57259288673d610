"""Test cards: the inputs of golden vectors, drawn from a recipe of integers that JavaScript repeats bit for bit.

A card shows mannequins, since a pose net has much to say about them: at 192 px and more yolo11n-pose gives them scores
of 0.6 to 0.9, and plain noise 0.002. Coloured parts tell the order of channels, grain reaches every part of the net.

The recipe, integers throughout (``//`` rounds down):

1. A grid of ``cells`` rows and columns holds the ``background`` colour.
2. Each stroke ``[x1, y1, x2, y2, radius, red, green, blue]`` colours the cells ``(x, y)`` whose distance to the segment
   from ``(x1, y1)`` to ``(x2, y2)`` is at most ``radius``. Later strokes cover earlier ones.
3. Row by row, each cell draws a random byte and adds ``byte * grain // 256 - grain // 2`` to its three values, which
   are then clipped to 0-255. Bytes are the top 8 bits of the states of xorshift32 with the shifts 13, 17, 5, the seed
   itself left out (Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003, section 3).
4. Pixel ``(x, y)`` of the input takes the cell in column ``x * cells // W`` and row ``y * cells // H``, divided by 255
   and rounded to float32.

``docs/format.md`` has it in JavaScript.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

CELLS = 160

_Byte = Annotated[int, Field(ge=0, le=255)]
_Place = Annotated[int, Field(ge=-10_000, le=10_000)]
_Radius = Annotated[int, Field(ge=0, le=10_000)]
Colour = tuple[_Byte, _Byte, _Byte]
Stroke = tuple[_Place, _Place, _Place, _Place, _Radius, _Byte, _Byte, _Byte]
"""x and y of both ends and the radius, in cells; red, green, blue."""

_SKIN: Colour = (224, 172, 140)
_DARK: Colour = (45, 32, 25)


class TestCard(BaseModel):
    """One drawn input; the fields are those of the recipe in the module docstring."""

    __test__ = False  # pytest takes the name for a test's

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: Annotated[int, Field(ge=1, le=1024)]
    seed: Annotated[int, Field(ge=1, le=2**32 - 1)]
    grain: _Byte
    background: Colour
    strokes: Annotated[tuple[Stroke, ...], Field(max_length=256)]

    def grid(self) -> npt.NDArray[np.uint8]:
        """Return the cells, ``[cells, cells, 3]`` uint8, RGB."""
        colours = np.empty((self.cells, self.cells, 3), np.int64)
        colours[:] = self.background
        for stroke in self.strokes:
            colours[_covered(self.cells, stroke)] = stroke[5:]
        draw = random_bytes(self.seed)
        grain = np.fromiter((next(draw) for _ in range(self.cells**2)), np.int64, self.cells**2)
        grain = grain * self.grain // 256 - self.grain // 2
        return np.clip(colours + grain.reshape(self.cells, self.cells, 1), 0, 255).astype(np.uint8)

    def images(self, image_size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return the card as a model's input.

        Args:
            image_size: height and width, pixels.

        Returns:
            float32 ``[1, H, W, 3]``, RGB, 0-1.
        """
        rows, columns = (np.arange(size) * self.cells // size for size in image_size)
        pixels = self.grid()[rows[:, None], columns[None, :]]
        return np.asarray(pixels[None].astype(np.float32) / np.float32(255), np.float32)


def random_bytes(seed: int) -> Iterator[int]:
    """Yield the top bytes of the states of xorshift32 (13, 17, 5) that follow ``seed``."""
    state = seed
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state >> 24


def _covered(cells: int, stroke: Stroke) -> npt.NDArray[np.bool_]:
    """Tell which cells lie within a stroke's radius of its segment: exactly, by squares of integers."""
    x1, y1, x2, y2, radius = stroke[:5]
    y, x = np.mgrid[0:cells, 0:cells]
    along_x, along_y = x2 - x1, y2 - y1
    length = along_x**2 + along_y**2
    along = (x - x1) * along_x + (y - y1) * along_y
    across = (x - x1) * along_y - (y - y1) * along_x
    near_first, near_last = ((x - a) ** 2 + (y - b) ** 2 <= radius**2 for a, b in ((x1, y1), (x2, y2)))
    beside = across**2 <= radius**2 * length
    return np.where(along <= 0, near_first, np.where(along >= length, near_last, beside))


def _mannequin(x: int, y: int, scale: int, shirt: Colour, trousers: Colour) -> tuple[Stroke, ...]:
    """Draw a person, seen from the front, of ``63 * scale / 10`` cells.

    Args:
        x: column of the middle.
        y: row of the top of the head.
        scale: tenths of a cell a unit of the drawing.
        shirt: its colour.
        trousers: theirs.
    """
    limbs: tuple[tuple[tuple[float, float], tuple[float, float], float, Colour], ...] = (
        ((-3, 35), (-4, 58), 3.2, trousers),
        ((3, 35), (4, 58), 3.2, trousers),
        ((-4, 60), (-6, 61), 2, _DARK),
        ((4, 60), (6, 61), 2, _DARK),
        ((-9, 15), (-12, 26), 2.2, shirt),
        ((9, 15), (12, 26), 2.2, shirt),
        ((-12, 27), (-12, 36), 1.8, _SKIN),
        ((12, 27), (12, 36), 1.8, _SKIN),
        ((-5, 17), (-4, 33), 5, shirt),
        ((5, 17), (4, 33), 5, shirt),
        ((-7, 15), (7, 15), 3, shirt),
        ((0, 8), (0, 12), 2, _SKIN),
        ((0, 4), (0, 6), 4, _SKIN),
        ((-2, 1.5), (2, 1.5), 2.5, _DARK),
        ((-1.5, 4.8), (-1.5, 4.8), 0.6, _DARK),
        ((1.5, 4.8), (1.5, 4.8), 0.6, _DARK),
    )

    def cells(units: float) -> int:
        return round(units * scale / 10)

    return tuple(
        (x + cells(x1), y + cells(y1), x + cells(x2), y + cells(y2), cells(radius), *colour)
        for (x1, y1), (x2, y2), radius, colour in limbs
    )


_GROUND: Stroke = (0, 200, CELLS, 200, 80, 105, 100, 95)

CARDS: tuple[TestCard, ...] = (
    TestCard(
        cells=CELLS,
        seed=4,
        grain=140,
        background=(150, 180, 200),
        strokes=(_GROUND, *_mannequin(80, 13, 21, (190, 40, 60), (40, 60, 150))),
    ),
    TestCard(
        cells=CELLS,
        seed=1,
        grain=100,
        background=(170, 160, 120),
        strokes=(
            _GROUND,
            *_mannequin(48, 30, 15, (40, 110, 70), (60, 55, 50)),
            *_mannequin(112, 52, 12, (220, 190, 60), (110, 60, 40)),
        ),
    ),
)
"""The cards of every ``golden.json``: one large mannequin; two smaller ones."""
