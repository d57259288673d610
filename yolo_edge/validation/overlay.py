"""The persons that a variant gets most wrong, with both skeletons drawn over the photo."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolo_edge.photos.photo import Image
from yolo_edge.pose.decode import Person
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.nms import intersection_over_union
from yolo_edge.pose.oks import seen_keypoints
from yolo_edge.validation.matching import Match, match_persons
from yolo_edge.validation.result import Validation

if TYPE_CHECKING:
    from PIL import ImageDraw

WORST_PHOTOS = 12
"""So many are shown."""

ALIKE = 0.999
"""Persons from this similarity on look the same in any picture, and are not shown."""

REFERENCE_COLOUR, VARIANT_COLOUR = "#3da5ff", "#ff9e1b"
"""Blue and orange, which people with any colour blindness tell apart."""

_RIM = "#101218"
_SIDE = 440  # pixels of the longer side, twice what a phone shows of one of two columns
_ZOOM = 2  # drawn so much larger and then shrunk, for smooth lines
_MARGIN = 0.12  # around the boxes, as a share of them
_SMALLEST_CROP = 64  # pixels of the photo
_SLIMMEST = 0.75  # width to height, or height to width, where the photo has room
_QUALITY = 82
_TOUCHING = 0.05  # overlap of two boxes, below which the other one is somewhere else


@dataclass(frozen=True, eq=False)
class WorstMatch:
    """A person of the float model, and what a variant made of it.

    Attributes:
        variant: name of the variant.
        photo: key of the photo.
        match: the two persons.
    """

    variant: str
    photo: int
    match: Match

    @property
    def other(self) -> Person | None:
        """The variant's person, where it is in the same place at all."""
        other = self.match.other
        if other is None or intersection_over_union(self.match.reference.box, other.box[None])[0] < _TOUCHING:
            return None
        return other


def worst_matches(result: Validation, limit: int = WORST_PHOTOS) -> tuple[WorstMatch, ...]:
    """Find the worst person of each photo over all variants, and of these the worst: lost ones, then the least alike.

    Variants that did not run to the end are left out, and persons more alike than :data:`ALIKE`.
    """
    reference = {key: observation.persons for key, observation in result.observations.items()}
    worst: dict[int, tuple[tuple[bool, float, float], WorstMatch]] = {}
    for variant in result.variants:
        if variant.agreement is None:
            continue
        persons: Mapping[int, Sequence[Person]] = {
            key: observation.persons for key, observation in variant.observations.items()
        }
        for match in match_persons(reference, persons):
            rank = (match.is_found, match.similarity, -match.reference.score)
            if match.similarity < ALIKE and (match.photo not in worst or rank < worst[match.photo][0]):
                worst[match.photo] = rank, WorstMatch(variant.candidate.name, match.photo, match)
    ranked = sorted(worst.values(), key=lambda entry: (entry[0], entry[1].photo))
    return tuple(entry for _, entry in ranked[:limit])


def draw_match(image: Image, worst: WorstMatch, head: PoseHead) -> tuple[bytes, tuple[int, int]]:
    """Cut a person out of a photo and draw what both models see of it.

    The float model's joints are discs, the variant's are squares, so that black and white print tells them apart.

    Args:
        image: uint8 RGB ``[H, W, 3]``.
        worst: the person.
        head: says which keypoints to join.

    Returns:
        A JPEG without metadata, and its width and height.
    """
    from PIL import Image as Images
    from PIL import ImageDraw

    left, top, right, bottom = _crop(image.shape, worst)
    factor = _SIDE / max(right - left, bottom - top)
    size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
    picture = Images.fromarray(image[top:bottom, left:right]).resize(
        (size[0] * _ZOOM, size[1] * _ZOOM), Images.Resampling.BICUBIC
    )
    pencil = ImageDraw.Draw(picture)
    origin = np.array([left, top], np.float64)
    persons = ((worst.match.reference, REFERENCE_COLOUR, False), (worst.other, VARIANT_COLOUR, True))
    for person, colour, is_square in persons:
        if person is not None:
            places = (person.keypoints[:, :2] - origin) * factor * _ZOOM
            _draw_skeleton(pencil, places, seen_keypoints(person), head, colour, is_square)
    file = io.BytesIO()
    picture.resize(size, Images.Resampling.LANCZOS).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue(), size


def _crop(shape: tuple[int, ...], worst: WorstMatch) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what to show, pixels of the photo: both persons and a margin, not too slim."""
    height, width = shape[:2]
    boxes = np.array([person.box for person in (worst.match.reference, worst.other) if person is not None])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    sides = np.maximum((high - low) * (1 + 2 * _MARGIN), _SMALLEST_CROP)
    sides = np.maximum(sides, sides[::-1] * _SLIMMEST)
    centre = (low + high) / 2
    room = np.array([width, height], np.float64)
    sides = np.minimum(sides, room)
    start = np.clip(centre - sides / 2, 0, room - sides)
    end = start + sides
    left, top = (int(value) for value in np.floor(start))
    right, bottom = (int(value) for value in np.ceil(end))
    return left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)


def _draw_skeleton(
    pencil: ImageDraw.ImageDraw,
    places: NDArray[np.float64],
    seen: NDArray[np.bool_],
    head: PoseHead,
    colour: str,
    is_square: bool,
) -> None:
    """Draw bones and joints, with a dark rim behind them all so that they stand out of any photo.

    The one below, with round joints, is the wider: where both agree it still shows.
    """
    line, radius, rim = (2.4 if is_square else 4.2) * _ZOOM, (4.0 if is_square else 5.5) * _ZOOM, 1.0 * _ZOOM
    points = [(float(x), float(y)) for x, y in places]
    bones = [(a, b) for a, b in head.skeleton if seen[a] and seen[b]]
    joints = [point for point, is_seen in zip(points, seen, strict=True) if is_seen]
    draw_joint = pencil.rectangle if is_square else pencil.ellipse
    for extra, fill in ((rim, _RIM), (0.0, colour)):
        for a, b in bones:
            pencil.line([points[a], points[b]], fill=fill, width=round(line + 2 * extra))
        for x, y in joints:
            reach = radius + extra
            draw_joint([x - reach, y - reach, x + reach, y + reach], fill=fill)
