"""Skeleton pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolo_edge.pose.decode import Person
from yolo_edge.pose.head import PoseHead

if TYPE_CHECKING:
    from PIL import ImageDraw

VISIBLE = 0.5
"""Keypoints less visible than this are not drawn; Ultralytics draws by the same bound."""

_Colour = tuple[int, int, int]
_Point = tuple[float, float]

_COLOURS: dict[str, _Colour] = {"left": (46, 168, 255), "right": (255, 138, 31), "centre": (124, 226, 92)}
_OUTLINE = (16, 18, 24, 190)
_BOX = (255, 255, 255, 170)
_LABEL = (16, 18, 24, 200)
_LABEL_TEXT = (255, 255, 255, 255)
_SUPERSAMPLED_PIXELS = 64_000_000
"""Largest supersampled layer: 256 MB in memory."""


def draw_persons(image: NDArray[np.uint8], persons: Sequence[Person], head: PoseHead) -> NDArray[np.uint8]:
    """Draw boxes, bones and keypoints onto a copy of a photo.

    Left parts are blue, right ones orange, the middle green (sides of the person, told by the keypoints' names). Lines
    are scaled to the photo and to each person, and smoothed by drawing at up to four times the size. Keypoints with a
    visibility below :data:`VISIBLE`, and the bones that end there, are left out.

    Args:
        image: uint8 ``[H, W, 3]``, RGB.
        persons: what to draw, in pixels of the photo; the best one comes on top.
        head: names of keypoints and classes, and the bones.

    Returns:
        uint8 ``[H, W, 3]``, RGB.
    """
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    zoom = max(1, min(4, math.isqrt(_SUPERSAMPLED_PIXELS // (height * width))))
    picture = Image.fromarray(image).convert("RGBA")
    layer = Image.new("RGBA", (width * zoom, height * zoom))
    pencil = ImageDraw.Draw(layer)
    for person in reversed(persons):
        _draw_box(pencil, person, zoom, _line_width(image.shape, person))
    for person in reversed(persons):
        _draw_skeleton(pencil, person, head, zoom, _line_width(image.shape, person))
    for person in reversed(persons):
        _draw_label(pencil, person, head, zoom, (height, width))
    layer = layer.resize((width, height), Image.Resampling.BOX)
    drawn = Image.alpha_composite(picture, layer).convert("RGB")
    return np.ascontiguousarray(np.asarray(drawn, dtype=np.uint8))


def _line_width(shape: tuple[int, ...], person: Person) -> float:
    """Bone width in pixels of the photo: 0.5 % of its longer side, less for small persons."""
    tall = max(person.box[3] - person.box[1], person.box[2] - person.box[0])
    return float(max(1.2, min(max(shape[:2]) * 0.005, tall * 0.018)))


def _visible(person: Person) -> NDArray[np.bool_]:
    if person.keypoints.shape[1] < 3:
        return np.ones(len(person.keypoints), dtype=np.bool_)
    visible: NDArray[np.bool_] = person.keypoints[:, 2] >= VISIBLE
    return visible


def _side(*names: str) -> str:
    """The side that the named keypoints share; one in the middle goes with the other's side."""
    sides = {side for name in names for side in ("left", "right") if name.startswith(f"{side}_")}
    return sides.pop() if len(sides) == 1 else "centre"


def _draw_skeleton(pencil: ImageDraw.ImageDraw, person: Person, head: PoseHead, zoom: int, width: float) -> None:
    visible = _visible(person)
    points: list[_Point] = [(float(x) * zoom, float(y) * zoom) for x, y in person.keypoints[:, :2]]
    bones = [(a, b) for a, b in head.skeleton if visible[a] and visible[b]]
    joints = [i for i in range(len(points)) if visible[i]]
    line, rim = width * zoom, max(1.0, width * 0.35) * zoom
    # The dark rim of the whole figure comes first, so that it never cuts through a coloured bone.
    for a, b in bones:
        _stroke(pencil, points[a], points[b], line + 2 * rim, _OUTLINE)
    for i in joints:
        _dot(pencil, points[i], line * 0.95 + rim, _OUTLINE)
    for a, b in bones:
        colour = _COLOURS[_side(head.keypoint_names[a], head.keypoint_names[b])]
        _stroke(pencil, points[a], points[b], line, (*colour, 255))
    for i in joints:
        colour = _COLOURS[_side(head.keypoint_names[i])]
        _dot(pencil, points[i], line * 0.95, (255, 255, 255, 255))
        _dot(pencil, points[i], line * 0.60, (*colour, 255))


def _stroke(pencil: ImageDraw.ImageDraw, start: _Point, end: _Point, width: float, fill: tuple[int, ...]) -> None:
    pencil.line([start, end], fill=fill, width=max(1, round(width)))
    for point in (start, end):
        _dot(pencil, point, width / 2, fill)


def _dot(pencil: ImageDraw.ImageDraw, centre: _Point, radius: float, fill: tuple[int, ...]) -> None:
    x, y = centre
    pencil.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def _draw_box(pencil: ImageDraw.ImageDraw, person: Person, zoom: int, width: float) -> None:
    x1, y1, x2, y2 = (float(value) * zoom for value in person.box)
    line = max(1, round(max(1.0, width * 0.4) * zoom))
    if x2 - x1 > 2 * line and y2 - y1 > 2 * line:
        radius = min(3 * width * zoom, (x2 - x1) / 4, (y2 - y1) / 4)
        pencil.rounded_rectangle([x1, y1, x2, y2], radius=radius, outline=_BOX, width=line)


def _draw_label(
    pencil: ImageDraw.ImageDraw, person: Person, head: PoseHead, zoom: int, photo_size: tuple[int, int]
) -> None:
    from PIL import ImageFont

    height, width = photo_size
    size = max(9.0, min(max(photo_size) * 0.016, (person.box[3] - person.box[1]) * 0.12))
    font = ImageFont.load_default(size * zoom)
    text = f"{head.classes[person.class_index]} {person.score:.2f}"
    left, top, right, bottom = pencil.textbbox((0, 0), text, font=font)
    pad = size * zoom * 0.35
    label_width, label_height = right - left + 2 * pad, bottom - top + 2 * pad
    # Above the box where there is room, else inside it; never out of the picture.
    x = min(max(0.0, person.box[0] * zoom), max(0.0, width * zoom - label_width))
    y = person.box[1] * zoom - label_height
    y = y if y >= 0 else min(person.box[1] * zoom, max(0.0, height * zoom - label_height))
    pencil.rounded_rectangle([x, y, x + label_width, y + label_height], radius=pad, fill=_LABEL)
    pencil.text((x + pad - left, y + pad - top), text, font=font, fill=_LABEL_TEXT)
