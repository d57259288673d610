"""Which persons of two models are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import object_keypoint_similarity

SURE = 0.5
"""Least score of a person whom a model is sure of: the other one must find it too."""

FOUND = 0.25
"""Least score of a person who counts as found: what predictions show by default. A person whom one model is sure of and
the other gives 0.3 is neither lost nor invented; one whose score moved from 0.26 to 0.24 is neither."""

SAME = 0.5
"""Least similarity of two detections of one person: COCO's loosest bound for a match."""

PersonsByPhoto = Mapping[int, Sequence[Person]]
"""Key of a photo → persons found on it."""


@dataclass(frozen=True, eq=False)
class Match:
    """A person of the reference, and whom the other model found in its place.

    Attributes:
        photo: key of the photo.
        reference: whom the reference is sure of.
        other: the most similar person of the other model that is nobody else's; None if nobody is left.
        similarity: object keypoint similarity of the two over all keypoints, 0-1; 0 without a partner.
    """

    photo: int
    reference: Person
    other: Person | None
    similarity: float

    @property
    def is_found(self) -> bool:
        """Whether the two are the same person."""
        return self.similarity >= SAME


def match_persons(reference: PersonsByPhoto, other: PersonsByPhoto) -> list[Match]:
    """Match each person whom the reference is sure of with one of the other model, one to one.

    Pairs are made by falling similarity, within a photo and a class; the other model's persons count from a score of
    :data:`FOUND` on.

    Returns:
        One entry a sure person of the reference, by photo and falling score.
    """
    matches: list[Match] = []
    for photo, persons in reference.items():
        sure = [person for person in persons if person.score >= SURE]
        candidates = [person for person in other.get(photo, ()) if person.score >= FOUND]
        partners = _pair(sure, candidates)
        for index, person in enumerate(sure):
            partner, similarity = partners.get(index, (None, 0.0))
            matches.append(Match(photo, person, partner, similarity))
    return matches


def _pair(persons: Sequence[Person], candidates: Sequence[Person]) -> dict[int, tuple[Person, float]]:
    """Return index of a person → its partner and their similarity."""
    pairs = [
        (object_keypoint_similarity(person, candidate), index, position)
        for index, person in enumerate(persons)
        for position, candidate in enumerate(candidates)
        if person.class_index == candidate.class_index
    ]
    partners: dict[int, tuple[Person, float]] = {}
    taken: set[int] = set()
    for similarity, index, position in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if index not in partners and position not in taken:
            partners[index] = (candidates[position], similarity)
            taken.add(position)
    return partners
