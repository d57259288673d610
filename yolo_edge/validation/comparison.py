"""Variants side by side: rows of figures, a column a variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yolo_edge.validation import wording
from yolo_edge.validation.agreement import Displacement
from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.validation.coco import FIGURES, Accuracy
from yolo_edge.validation.motion import Motion
from yolo_edge.validation.result import Validation, Variant
from yolo_edge.validation.timing import TimeRatios


@dataclass(frozen=True)
class Cell:
    """A figure in words.

    Attributes:
        text: the figure.
        detail: its interval, or what it is made of; smaller, below.
    """

    text: str = wording.NOTHING
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """One figure of all variants.

    Attributes:
        title: what it is.
        cells: one a variant.
        detail: what else there is to say of it; smaller, below the title.
    """

    title: str
    cells: tuple[Cell, ...]
    detail: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no variant has this figure."""
        return all(cell == Cell() for cell in self.cells)


Describe = Callable[[Variant], Cell]


def summary_rows(result: Validation) -> tuple[Row, ...]:
    """Size, agreement, accuracy and time; rows that no variant has a figure for are left out."""
    described: list[tuple[str, str, Describe]] = [
        ("Weights", "", lambda variant: Cell(variant.candidate.scheme)),
        ("Size on the wire", "after Brotli", lambda variant: Cell(wording.size(variant.candidate.wire_bytes))),
        ("Size on disk", "", lambda variant: Cell(wording.size(variant.candidate.raw_bytes))),
        ("Similarity (OKS), mean", "1 is the float model", _agreed("similarity", wording.similarity)),
        ("Similarity, worst 5 %", "5th percentile", _agreed("similarity_p5", wording.similarity)),
        ("Persons lost", "", _counted("lost", "lost_share")),
        ("Persons invented", "", _counted("invented", "invented_share")),
        ("Keypoints moved by, median", "of body size; input px", _moved("median", "body_median")),
        ("95th percentile of that", "of body size; input px", _moved("p95", "body_p95")),
        *((f"{name} loss, points", "", _lost(index)) for index, name in enumerate(FIGURES)),
        ("Time of a frame", "beside float32", _ratio(lambda ratios: ratios.frame)),
        ("First prediction", "beside float32", _ratio(lambda ratios: ratios.first_predict)),
    ]
    rows = [Row(title, tuple(map(cell, result.variants)), detail) for title, detail, cell in described]
    return tuple(row for row in rows if not row.is_empty)


def estimated(estimate: Estimate | None, write: wording.Writer) -> Cell:
    """Write a figure and its interval."""
    return Cell(wording.figure(estimate.value, write), _spread(estimate, write)) if estimate else Cell()


def _spread(estimate: Estimate, write: wording.Writer, beside: str = "") -> str:
    """Write an interval in brackets, as the page says, and something else beside it."""
    interval = wording.interval(estimate, write)
    return " ".join(part for part in (f"({interval})" if interval else "", beside) if part)


def _agreed(name: str, write: wording.Writer) -> Describe:
    return lambda variant: estimated(getattr(variant.agreement, name), write) if variant.agreement else Cell()


def _counted(count: str, share: str) -> Describe:
    def describe(variant: Variant) -> Cell:
        agreement = variant.agreement
        estimate: Estimate | None = getattr(agreement, share, None)
        if agreement is None or estimate is None:
            return Cell()
        spread = wording.interval(estimate, wording.percent)
        amount, share_in_words = getattr(agreement, count), wording.percent(estimate.value)
        return Cell(
            f"{amount} of {agreement.persons}" if count == "lost" else f"{amount}",
            f"{share_in_words} ({spread})" if spread else share_in_words if amount else "",
        )

    return describe


def _moved(pixels: str, share: str) -> Describe:
    def describe(variant: Variant) -> Cell:
        displacement: Displacement | None = variant.agreement.displacement if variant.agreement else None
        if displacement is None:
            return Cell()
        of_body: Estimate = getattr(displacement, share)
        in_pixels: Estimate = getattr(displacement, pixels)
        detail = wording.figure(in_pixels.value, wording.pixels)
        return Cell(wording.figure(of_body.value, wording.percent), _spread(of_body, wording.percent, detail))

    return describe


def _lost(index: int) -> Describe:
    def describe(variant: Variant) -> Cell:
        if not variant.accuracy:
            return Cell()
        accuracy: Accuracy = variant.accuracy[index]
        change = f"{100 * accuracy.reference:.1f} → {100 * accuracy.variant:.1f}"
        loss = accuracy.loss
        return Cell(wording.figure(loss.value, wording.points), _spread(loss, wording.points, change))

    return describe


def _ratio(choose: Callable[[TimeRatios], Estimate | None]) -> Describe:
    return lambda variant: estimated(choose(variant.ratios), wording.factor) if variant.ratios else Cell()


def angle_rows(variants: Sequence[Variant]) -> tuple[Row, ...]:
    """Errors of joint angles, degrees: the 95th percentile, and the median below it."""
    joints = dict.fromkeys(error.joint for variant in variants for error in variant.angles)
    rows = []
    for joint in joints:
        cells = []
        for variant in variants:
            error = next((error for error in variant.angles if error.joint == joint), None)
            if error is None:
                cells.append(Cell())
                continue
            median = f"median {wording.figure(error.median.value, wording.degrees)}"
            figure = wording.figure(error.p95.value, wording.degrees)
            cells.append(Cell(figure, _spread(error.p95, wording.degrees, median)))
        rows.append(Row(_title(joint, "All joints"), tuple(cells)))
    return tuple(rows)


def keypoint_rows(variants: Sequence[Variant]) -> tuple[Row, ...]:
    """Labelled keypoints that lie in the right place: the float model's share, then each variant's and its loss."""
    names = dict.fromkeys(part.name for variant in variants for part in variant.keypoints)
    rows = []
    for name in names:
        parts = [next((part for part in variant.keypoints if part.name == name), None) for variant in variants]
        reference = next(part.reference for part in parts if part is not None)
        cells = [Cell(wording.percent(reference))]
        for part in parts:
            if part is None:
                cells.append(Cell())
                continue
            spread = wording.interval(part.loss, wording.points)
            loss = f"loss {wording.figure(part.loss.value, wording.points)}"
            cells.append(Cell(wording.percent(part.variant), f"{loss} ({spread})" if spread else loss))
        rows.append(Row(_title(name, "All keypoints"), tuple(cells)))
    return tuple(rows)


def motion_rows(variants: Sequence[Variant]) -> tuple[Row, ...]:
    """What clips show, clip by clip: persons followed, repetitions counted, jitter of still joints."""
    clips = dict.fromkeys(motion.clip for variant in variants for motion in variant.motions)
    rows: list[Row] = []
    for clip in clips:
        motions = [next((motion for motion in variant.motions if motion.clip == clip), None) for variant in variants]
        joint = next(motion.joint for motion in motions if motion is not None)
        rows += [
            Row(clip, tuple(map(_followed, motions)), "frames with the person in both models"),
            Row("Repetitions", tuple(map(_repetitions, motions)), f"{joint} angle" if joint else "nothing swings"),
            Row("Jitter of still joints", tuple(map(_jitter, motions)), "of body size"),
        ]
    return tuple(row for row in rows if not row.is_empty)


def _followed(motion: Motion | None) -> Cell:
    return Cell(f"{motion.followed} of {motion.frames}") if motion else Cell()


def _repetitions(motion: Motion | None) -> Cell:
    if motion is None or motion.joint is None:
        return Cell()
    return Cell(f"{motion.repetitions}", f"float model {motion.reference_repetitions}")


def _jitter(motion: Motion | None) -> Cell:
    if motion is None or motion.jitter is None:
        return Cell()
    reference = wording.figure(motion.reference_jitter, wording.percent)
    return Cell(wording.figure(motion.jitter, wording.percent), f"float model {reference}")


def _title(name: str, all_together: str) -> str:
    return all_together if name == "all" else name.replace("_", " ").capitalize()
