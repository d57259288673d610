"""How well a variant of a model agrees with the float model, without labels.

Each person whom the float model is sure of is matched with one of the variant (:mod:`yolo_edge.validation.matching`).
Displacements are those of keypoints that the float model sees, of found persons, in pixels of the model's input (so
that a large photo does not weigh more) and as a share of body size, the square root of 0.53 of the float model's box,
which is the length that object keypoint similarity measures in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import AREA_OF_BOX, object_keypoint_similarity, seen_keypoints
from yolo_edge.validation.bootstrap import Estimate, Resamples
from yolo_edge.validation.matching import Match, PersonsByPhoto, match_persons

_LOWEST, _MEDIAN, _HIGHEST = 0.05, 0.5, 0.95
_SMALLEST_BODY = 1.0  # pixels


@dataclass(frozen=True)
class Displacement:
    """How far keypoints moved.

    Attributes:
        name: of the keypoint; ``"all"`` for all of them together.
        median: input pixels.
        p95: 95th percentile, input pixels.
        body_median: share of body size, 0-1.
        body_p95: 95th percentile of that.
    """

    name: str
    median: Estimate
    p95: Estimate
    body_median: Estimate
    body_p95: Estimate


@dataclass(frozen=True)
class Agreement:
    """How alike the persons of two models are; None where there is nothing to measure.

    Attributes:
        persons: how many persons the reference is sure of.
        lost: how many of them the variant does not find.
        invented: how many persons the variant is sure of and the reference does not find.
        similarity: mean object keypoint similarity of the reference's persons with their matches, 0-1, over all
            keypoints; a lost one counts as similar as its best match.
        similarity_p5: its 5th percentile.
        seen_similarity: the mean over the keypoints that the reference sees.
        lost_share: lost persons, as a share of the reference's.
        invented_share: invented persons, as a share of the reference's.
        displacement: of all seen keypoints of found persons.
        keypoints: the same for each keypoint; those that are never seen are left out.
        score_drift: mean change of a found person's score, variant less reference.
        score_change: mean absolute change.
        by_photo: key of a photo → similarity of each of its persons, by falling score.
    """

    persons: int
    lost: int
    invented: int
    similarity: Estimate | None
    similarity_p5: Estimate | None
    seen_similarity: Estimate | None
    lost_share: Estimate | None
    invented_share: Estimate | None
    displacement: Displacement | None
    keypoints: tuple[Displacement, ...]
    score_drift: Estimate | None
    score_change: Estimate | None
    by_photo: Mapping[int, tuple[float, ...]]


def measure_agreement(
    reference: PersonsByPhoto,
    other: PersonsByPhoto,
    *,
    scales: Mapping[int, float] | None = None,
    names: Sequence[str] = (),
    resamples: Resamples | None = None,
) -> Agreement:
    """Compare what two models find on the same photos.

    Args:
        reference: persons of the float model.
        other: persons of the variant; a photo that is missing counts as empty.
        scales: key of a photo → input pixels a photo pixel; 1 where absent.
        names: of the keypoints; without them displacements are not told apart by keypoint.
        resamples: draws of the reference's photos, in their order; made here by default.
    """
    index_of = {photo: index for index, photo in enumerate(reference)}
    draws = resamples or Resamples(len(index_of))
    matches = match_persons(reference, other)
    photo_of = np.array([index_of[match.photo] for match in matches], np.int64)
    invented = match_persons({photo: other.get(photo, ()) for photo in reference}, reference)
    strangers = [index_of[match.photo] for match in invented if not match.is_found]
    similarities = np.array([match.similarity for match in matches])
    seen, seen_of = _seen_similarities(matches, index_of)
    found = [match for match in matches if match.is_found and match.other is not None]
    drift = np.array([match.other.score - match.reference.score for match in found if match.other is not None])
    found_of = np.array([index_of[match.photo] for match in found], np.int64)
    overall, keypoints = _displacements(found, index_of, scales or {}, names, draws)
    lost = np.array([not match.is_found for match in matches], np.float64)
    by_photo: dict[int, list[float]] = {photo: [] for photo in reference}
    for match in matches:
        by_photo[match.photo].append(match.similarity)
    return Agreement(
        persons=len(matches),
        lost=int(lost.sum()),
        invented=len(strangers),
        similarity=draws.mean(similarities, photo_of),
        similarity_p5=draws.quantile(similarities, photo_of, _LOWEST),
        seen_similarity=draws.mean(seen, seen_of),
        lost_share=draws.mean(lost, photo_of),
        invented_share=_share(strangers, photo_of, draws) if matches else None,
        displacement=overall,
        keypoints=keypoints,
        score_drift=draws.mean(drift, found_of),
        score_change=draws.mean(np.abs(drift), found_of),
        by_photo={photo: tuple(values) for photo, values in by_photo.items()},
    )


def _share(strangers: Sequence[int], photo_of: NDArray[np.int64], draws: Resamples) -> Estimate:
    """Persons of another kind as a share of the reference's, over the same draws of photos."""
    images = draws.weights.shape[1]
    wrong, right = np.bincount(np.array(strangers, np.int64), minlength=images), np.bincount(photo_of, minlength=images)

    def compute(weights: NDArray[np.int64] | None) -> float:
        times = np.ones(images, np.int64) if weights is None else weights
        total = int(right @ times)
        return float(wrong @ times) / total if total else float("nan")

    return draws.statistic(compute, len(photo_of))


def _seen_similarities(
    matches: Sequence[Match], index_of: Mapping[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, images = [], []
    for match in matches:
        counted = seen_keypoints(match.reference)
        if counted.any():
            value = object_keypoint_similarity(match.reference, match.other, counted=counted) if match.other else 0.0
            values.append(value)
            images.append(index_of[match.photo])
    return np.array(values, np.float64), np.array(images, np.int64)


def body_size(person: Person) -> float:
    """Return the square root of the area a person fills, in pixels of the photo."""
    left, top, right, bottom = person.box
    return max(float(np.sqrt((right - left) * (bottom - top) * AREA_OF_BOX)), _SMALLEST_BODY)


def _displacements(
    found: Sequence[Match],
    index_of: Mapping[int, int],
    scales: Mapping[int, float],
    names: Sequence[str],
    draws: Resamples,
) -> tuple[Displacement | None, tuple[Displacement, ...]]:
    if not found:
        return None, ()
    pairs = [(match, match.other) for match in found if match.other is not None]
    moved = np.array([_distances(match.reference, other) for match, other in pairs])
    seen = np.array([seen_keypoints(match.reference) for match, _ in pairs])
    scale = np.array([scales.get(match.photo, 1.0) for match, _ in pairs])
    body = np.array([body_size(match.reference) for match, _ in pairs])
    images = np.broadcast_to(np.array([index_of[match.photo] for match, _ in pairs])[:, None], moved.shape)
    pixels, shares = moved * scale[:, None], moved / body[:, None]

    def summed_up(name: str, which: NDArray[Any]) -> Displacement | None:
        where = images[which]
        figures = [
            draws.quantile(values[which], where, share) for values in (pixels, shares) for share in (_MEDIAN, _HIGHEST)
        ]
        return Displacement(name, *[figure for figure in figures if figure]) if all(figures) else None

    each = []
    for index, name in enumerate(names):
        which = np.zeros_like(seen)
        which[:, index] = seen[:, index]
        each.append(summed_up(name, which))
    return summed_up("all", seen), tuple(part for part in each if part)


def _distances(reference: Person, other: Person) -> NDArray[np.float64]:
    """Distance of each keypoint, float64 ``[K]``, in pixels of the photo."""
    return np.asarray(np.linalg.norm(reference.keypoints[:, :2] - other.keypoints[:, :2], axis=1), np.float64)
