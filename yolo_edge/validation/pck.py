"""How many labelled keypoints a model puts in the right place: PCK, keypoint by keypoint.

A labelled person is given the detection most similar to it that is nobody else's; a keypoint is right where it lies
within :data:`NEAR` of the label's body size, the square root of its area (Yang and Ramanan, IEEE Trans. Pattern Anal.
35, 2013, with the length that object keypoint similarity measures in). Keypoints of a person who is not found are
wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolo_edge.photos.benchmark import PersonLabel
from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import keypoint_sigmas
from yolo_edge.validation.bootstrap import Estimate, Resamples
from yolo_edge.validation.matching import FOUND, PersonsByPhoto

NEAR = 0.1
"""Of body size: about a hand's width of a grown person."""


@dataclass(frozen=True)
class KeypointAccuracy:
    """How often a keypoint is right.

    Attributes:
        name: of the keypoint; ``"all"`` for all together.
        reference: share of labelled keypoints that the float model puts right, 0-1.
        variant: the same of the variant.
        loss: reference less variant, in points (hundredths).
    """

    name: str
    reference: float
    variant: float
    loss: Estimate


def measure_pck(
    labels: Sequence[PersonLabel],
    reference: PersonsByPhoto,
    other: PersonsByPhoto,
    index_of: Mapping[int, int],
    *,
    names: Sequence[str],
    resamples: Resamples,
) -> tuple[KeypointAccuracy, ...]:
    """Compare two models on the same labels.

    Args:
        labels: of ``K`` keypoints each, as the models find; those that do not count are left out.
        reference: persons of the float model.
        other: persons of the variant.
        index_of: key of a photo → its index in the draws.
        names: of the keypoints.
        resamples: draws of the photos.

    Returns:
        ``"all"``, then one entry a keypoint that was labelled at least once.
    """
    counted = [label for label in labels if label.counts and label.photo in index_of]
    if not counted:
        return ()
    known = np.array([np.array(label.keypoints[2::3]) > 0 for label in counted])
    right = [np.array(_right(counted, persons)) & known for persons in (reference, other)]
    images = np.broadcast_to(np.array([index_of[label.photo] for label in counted])[:, None], known.shape)

    def compared(name: str, which: NDArray[np.bool_]) -> KeypointAccuracy | None:
        lost = right[0][which].astype(np.float64) - right[1][which]
        loss = resamples.mean(100 * lost, images[which])
        shares = [float(each[which].mean()) if loss else 0.0 for each in right]
        return KeypointAccuracy(name, shares[0], shares[1], loss) if loss else None

    results = [compared("all", known)]
    for index, name in enumerate(names):
        which = np.zeros_like(known)
        which[:, index] = known[:, index]
        results.append(compared(name, which))
    return tuple(result for result in results if result)


def _right(labels: Sequence[PersonLabel], persons: PersonsByPhoto) -> list[NDArray[np.bool_]]:
    """Tell for each label which of its keypoints are right, bool ``[K]``."""
    by_photo: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        by_photo.setdefault(label.photo, []).append(index)
    results = [np.zeros(label.keypoint_count, np.bool_) for label in labels]
    for photo, indices in by_photo.items():
        candidates = [person for person in persons.get(photo, ()) if person.score >= FOUND]
        pairs = [
            (_similarity(labels[index], candidate), index, position)
            for index in indices
            for position, candidate in enumerate(candidates)
        ]
        taken: set[int] = set()
        done: set[int] = set()
        for similarity, index, position in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if similarity > 0 and index not in done and position not in taken:
                done.add(index)
                taken.add(position)
                results[index] = _distances(labels[index], candidates[position]) <= NEAR * _body_size(labels[index])
    return results


def _similarity(label: PersonLabel, person: Person) -> float:
    """Object keypoint similarity over the labelled keypoints (https://cocodataset.org/#keypoints-eval)."""
    known = np.array(label.keypoints[2::3]) > 0
    spread = 2 * np.square(_body_size(label) * 2 * keypoint_sigmas(label.keypoint_count))
    return float(np.exp(-np.square(_distances(label, person)) / spread)[known].mean())


def _distances(label: PersonLabel, person: Person) -> NDArray[np.float64]:
    places = np.array(label.keypoints).reshape(-1, 3)[:, :2]
    return np.asarray(np.linalg.norm(places - person.keypoints[:, :2], axis=1), np.float64)


def _body_size(label: PersonLabel) -> float:
    return max(float(np.sqrt(label.area)), 1.0)
