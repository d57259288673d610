"""COCO keypoint average precision, and how sure its loss is.

pycocotools matches persons with labels (``pycocotools/cocoeval.py``: at most 20 persons a photo, object keypoint
similarity thresholds 0.50 to 0.95 in steps of 0.05); the curve is drawn here from its matches, by its own rules, so
that a bootstrap over photos need not match again for each resample.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import InputError, MissingComponentError, UsageError
from yolo_edge.photos.benchmark import PersonLabel
from yolo_edge.pose.decode import Person
from yolo_edge.pose.oks import COCO_SIGMAS
from yolo_edge.validation.bootstrap import Estimate, Resamples, interval

DEFAULT_ROUNDS = 1000

FIGURES = ("AP", "AP50", "AP75", "AR")
"""What labels tell: average precision over the thresholds, at 0.50 and at 0.75, and average recall."""

_AT_50, _AT_75 = 0, 5  # places among the thresholds
_PERSON = 1  # COCO's category id
_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class KeypointEvaluation:
    """Persons of a model matched with labels.

    Attributes:
        photos: key of each photo, rising.
        labelled: int64 ``[photos]``, how many labelled persons count on each.
        photo_of: int64 ``[persons]``, index of each found person's photo, by falling score over all photos.
        matched: bool ``[10, persons]``, whether each has a label as similar as each threshold.
        counted: bool ``[10, persons]``, False where the match is a label that does not count.
    """

    photos: tuple[int, ...]
    labelled: NDArray[np.int64]
    photo_of: NDArray[np.int64]
    matched: NDArray[np.bool_]
    counted: NDArray[np.bool_]

    def average_precision(self, weights: NDArray[np.integer[Any]] | None = None) -> float:
        """Return the mean of the interpolated precision over 101 recalls and 10 thresholds, 0-1."""
        return float(self.figures(weights)[0])

    def figures(self, weights: NDArray[np.integer[Any]] | None = None) -> NDArray[np.float64]:
        """Return AP, AP50, AP75 and AR, as pycocotools sums them up, 0-1; NaN where no labelled person counts.

        Args:
            weights: int ``[photos]``, how many times each photo is counted; once by default.
        """
        times = np.ones(len(self.photos), np.int64) if weights is None else weights
        total = int((self.labelled * times).sum())
        if total == 0:
            return np.full(len(FIGURES), np.nan)
        each = times[self.photo_of] * self.counted
        right, wrong = np.cumsum(each * self.matched, axis=1), np.cumsum(each * ~self.matched, axis=1)
        recall, precision = right / total, right / (right + wrong + np.spacing(1))
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.pad(envelope, ((0, 0), (0, 1)))  # recalls that are never reached have precision 0
        each_threshold = np.array(
            [row[np.searchsorted(reached, _RECALLS)].mean() for row, reached in zip(padded, recall, strict=True)]
        )
        reached = recall[:, -1] if recall.shape[1] else np.zeros(len(recall))
        return np.array([each_threshold.mean(), each_threshold[_AT_50], each_threshold[_AT_75], reached.mean()])


@dataclass(frozen=True)
class Accuracy:
    """One figure of two models on the same labels.

    Attributes:
        name: of :data:`FIGURES`.
        reference: of the float model, 0-1.
        variant: of the variant, 0-1.
        loss: reference less variant, in points (hundredths); negative where the variant is better.
    """

    name: str
    reference: float
    variant: float
    loss: Estimate


@dataclass(frozen=True)
class PrecisionLoss:
    """What a variant loses in average precision, in points (hundredths).

    Attributes:
        points: the float model's average precision less the variant's; negative where the variant is better.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    points: float
    low: float
    high: float


def require_pycocotools() -> tuple[Any, Any]:
    """Return the classes ``COCO`` and ``COCOeval``.

    Raises:
        MissingComponentError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise MissingComponentError(
            "Average precision needs pycocotools, which is not installed.",
            fix="pip install 'yolo-edge[validation]'",
        ) from error
    return COCO, COCOeval


def evaluate_keypoints(labels: Sequence[PersonLabel], persons: Mapping[int, Sequence[Person]]) -> KeypointEvaluation:
    """Match the persons that a model found with labelled ones.

    Args:
        labels: labelled persons; those on other photos are left out.
        persons: key of each photo to judge → persons on it down to low scores, 17 COCO keypoints each.

    Raises:
        MissingComponentError: pycocotools is not installed.
        InputError: no labelled person on these photos counts.
        UsageError: the persons have other keypoints than COCO's 17.
    """
    coco_class, evaluator_class = require_pycocotools()
    photos = sorted(persons)
    if not any(label.counts for label in labels if label.photo in persons):
        raise InputError("No labelled person is on these photos.", fix="Give the labels of these photos.")
    rows = [_found_row(key, person) for key in photos for person in persons[key]]
    with _hushed():
        truth = coco_class()
        truth.dataset = _dataset(photos, labels)
        truth.createIndex()
        evaluator = evaluator_class(truth, truth.loadRes(rows) if rows else coco_class(), "keypoints")
        evaluator.params.imgIds = photos
        evaluator.params.areaRng, evaluator.params.areaRngLbl = evaluator.params.areaRng[:1], ["all"]
        evaluator.evaluate()
    return _collected(tuple(photos), evaluator.evalImgs, len(evaluator.params.iouThrs))


def measure_loss(
    reference: KeypointEvaluation, other: KeypointEvaluation, *, rounds: int = DEFAULT_ROUNDS, seed: int = 0
) -> PrecisionLoss:
    """Compare the average precision of two models on the same photos.

    The interval is that of a paired bootstrap: photos are drawn with replacement, the same ones for both models (Efron
    and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13: the percentile interval).

    Args:
        reference: the float model's evaluation.
        other: the variant's.
        rounds: how many times photos are drawn.
        seed: of the draws.

    Raises:
        UsageError: the evaluations are of different photos.
    """
    if reference.photos != other.photos:
        raise UsageError("The two evaluations are of different photos.", fix="Evaluate both models on the same ones.")
    loss = Resamples(len(reference.photos), rounds=rounds, seed=seed).statistic(
        lambda draw: 100 * (reference.average_precision(draw) - other.average_precision(draw)),
        int(reference.labelled.sum()),
    )
    return PrecisionLoss(points=loss.value, low=loss.low, high=loss.high)


def measure_accuracy(
    reference: KeypointEvaluation, other: KeypointEvaluation, resamples: Resamples, photos: Sequence[int]
) -> tuple[Accuracy, ...]:
    """Compare all of :data:`FIGURES` of two models on the same photos.

    Args:
        reference: the float model's evaluation.
        other: the variant's.
        resamples: draws of ``photos``, the same as for other figures.
        photos: keys of the photos in the order of the draws.

    Raises:
        UsageError: the evaluations are of different photos.
    """
    if reference.photos != other.photos:
        raise UsageError("The two evaluations are of different photos.", fix="Evaluate both models on the same ones.")
    place = {key: index for index, key in enumerate(photos)}
    weights = resamples.weights[:, [place[key] for key in reference.photos]]
    drawn = np.array([100 * (reference.figures(draw) - other.figures(draw)) for draw in weights])
    ours, theirs = reference.figures(), other.figures()
    labelled = int(reference.labelled.sum())
    return tuple(
        Accuracy(
            name, float(ours[i]), float(theirs[i]), interval(float(100 * (ours[i] - theirs[i])), drawn[:, i], labelled)
        )
        for i, name in enumerate(FIGURES)
    )


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep pycocotools from printing what it is doing."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _dataset(photos: Sequence[int], labels: Sequence[PersonLabel]) -> dict[str, Any]:
    chosen = set(photos)
    rows = [
        {
            "id": index,  # from 1: pycocotools takes 0 for 'no match'
            "image_id": label.photo,
            "category_id": _PERSON,
            "keypoints": list(label.keypoints),
            "num_keypoints": label.labelled_keypoints,
            "bbox": list(label.box),
            "area": label.area,
            "iscrowd": int(label.is_crowd),
        }
        for index, label in enumerate((label for label in labels if label.photo in chosen), start=1)
    ]
    categories = [{"id": _PERSON, "name": "person"}]
    return {"info": {}, "images": [{"id": key} for key in photos], "categories": categories, "annotations": rows}


def _found_row(photo: int, person: Person) -> dict[str, Any]:
    if len(person.keypoints) != len(COCO_SIGMAS):
        raise UsageError(
            f"COCO's labels have {len(COCO_SIGMAS)} keypoints, this model's persons have {len(person.keypoints)}.",
            fix="Measure agreement alone.",
        )
    places = np.column_stack([person.keypoints[:, :2], np.ones(len(person.keypoints))])
    return {"image_id": photo, "category_id": _PERSON, "keypoints": places.ravel().tolist(), "score": person.score}


def _collected(photos: tuple[int, ...], results: Sequence[Any], thresholds: int) -> KeypointEvaluation:
    """Put the matches of all photos in one row, by falling score; None stands for a photo without persons or labels."""
    nothing: dict[str, Any] = {
        "dtScores": [],
        "dtMatches": np.zeros((thresholds, 0)),
        "dtIgnore": np.zeros((thresholds, 0)),
        "gtIgnore": [],
    }
    parts: list[dict[str, Any]] = [result or nothing for result in results]
    scores = np.concatenate([np.asarray(part["dtScores"], np.float64) for part in parts])
    order = np.argsort(-scores, kind="stable")
    photo_of = np.repeat(np.arange(len(parts)), [len(part["dtScores"]) for part in parts])
    return KeypointEvaluation(
        photos=photos,
        labelled=np.array([np.count_nonzero(np.asarray(part["gtIgnore"]) == 0) for part in parts], np.int64),
        photo_of=photo_of[order].astype(np.int64),
        matched=np.concatenate([part["dtMatches"] for part in parts], axis=1)[:, order] > 0,
        counted=~np.concatenate([part["dtIgnore"] for part in parts], axis=1)[:, order].astype(bool),
    )
