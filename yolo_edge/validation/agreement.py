"""How well a variant of a model agrees with the float model, without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import object_keypoint_similarity, seen_keypoints

SURE = 0.5
"""Least score of a person of the float model that a variant must find again."""

FOUND = 0.25
"""Least score of a person of a variant that counts as found: what predictions show by default."""

LOST = 0.5
"""A person whose best match is less similar is lost: COCO's loosest bound for a match."""

PersonsByPhoto = Mapping[int, Sequence[Person]]
"""Key of a photo → persons found on it."""


@dataclass(frozen=True)
class Agreement:
    """How alike the persons of two models are.

    Attributes:
        similarity: mean object keypoint similarity of the reference's sure persons with their best match, 0-1, over all
            keypoints; None if there are no such persons.
        seen_similarity: the same over the keypoints that the reference sees; None if it sees none.
        persons: how many persons the reference is sure of.
        lost: how many of them have no match as similar as 0.5.
        by_photo: key of a photo → similarity of each of its persons, by falling score.
    """

    similarity: float | None
    seen_similarity: float | None
    persons: int
    lost: int
    by_photo: Mapping[int, tuple[float, ...]]


def measure_agreement(reference: PersonsByPhoto, other: PersonsByPhoto) -> Agreement:
    """Compare what two models find on the same photos.

    Each person of score 0.5 and above of the reference is matched with the most similar one of score 0.25 and above,
    of the same class and on the same photo. Where there is none, the similarity is 0.

    Args:
        reference: persons of the float model.
        other: persons of the variant; a photo that is missing counts as empty.
    """
    by_photo: dict[int, tuple[float, ...]] = {}
    seen: list[float] = []
    for photo, persons in reference.items():
        candidates = [person for person in other.get(photo, ()) if person.score >= FOUND]
        pairs = [_match(person, candidates) for person in persons if person.score >= SURE]
        by_photo[photo] = tuple(similarity for similarity, _ in pairs)
        seen += [similarity for _, similarity in pairs if similarity is not None]
    values = [value for values in by_photo.values() for value in values]
    return Agreement(
        similarity=float(np.mean(values)) if values else None,
        seen_similarity=float(np.mean(seen)) if seen else None,
        persons=len(values),
        lost=sum(value < LOST for value in values),
        by_photo=by_photo,
    )


def _match(person: Person, candidates: Sequence[Person]) -> tuple[float, float | None]:
    """Similarity to the best match, over all keypoints and over those seen (None if the person shows none)."""
    counted = seen_keypoints(person)
    rivals = [other for other in candidates if other.class_index == person.class_index]
    if not rivals:
        return 0.0, 0.0 if counted.any() else None
    best = max(rivals, key=lambda other: object_keypoint_similarity(person, other))
    similarity = object_keypoint_similarity(person, best)
    return similarity, object_keypoint_similarity(person, best, counted=counted) if counted.any() else None
