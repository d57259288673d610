"""What a validation found, in the form that reports and ``--json`` are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from yolo_edge.errors import GateError
from yolo_edge.photos.benchmark import Benchmark, Skipped
from yolo_edge.pose.head import PoseHead
from yolo_edge.validation.agreement import Agreement
from yolo_edge.validation.angles import AngleError
from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.validation.candidate import Candidate
from yolo_edge.validation.coco import Accuracy
from yolo_edge.validation.detection import Observation
from yolo_edge.validation.gate import Check, Verdict, advice, check_to_json, overall
from yolo_edge.validation.motion import Motion
from yolo_edge.validation.pck import KeypointAccuracy
from yolo_edge.validation.timing import TimeRatios, Times

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class RuntimeRun:
    """What a runtime made of a variant.

    Attributes:
        runtime: a name of :data:`yolo_edge.runtime.base.RUNTIMES`.
        status: ``skipped`` where it is not there and nobody asked for it.
        message: why it failed or was skipped.
        photos: how many photos it ran on for the figures.
        compared: how many photos' outputs were compared with the first runtime's.
        pixels: largest difference of a box or keypoint of a detection above 0.05, input pixels; None for the first.
        score: largest difference of a score or visibility; None for the first.
        vector_excess: worst difference from the golden vectors, in tolerances; None where the directory holds none.
        times: wall seconds.
        facts: what the runtime says of itself.
    """

    runtime: str
    status: Status
    message: str = ""
    photos: int = 0
    compared: int = 0
    pixels: float | None = None
    score: float | None = None
    vector_excess: float | None = None
    times: Times | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Variant:
    """One judged directory.

    Attributes:
        candidate: the directory.
        runs: one entry a runtime, the one that ran the whole set first.
        agreement: with the float model; None if nothing ran.
        angles: errors of joint angles, ``"all"`` first.
        motions: one entry a clip.
        accuracy: AP, AP50, AP75 and AR; empty without labels.
        keypoints: PCK, ``"all"`` first; empty without labels.
        ratios: times over the float model's; None if not measured.
        checks: bounds and what the figures say of them.
        observations: key of each photo → what was found.
    """

    candidate: Candidate
    runs: tuple[RuntimeRun, ...]
    agreement: Agreement | None
    angles: tuple[AngleError, ...]
    motions: tuple[Motion, ...]
    accuracy: tuple[Accuracy, ...]
    keypoints: tuple[KeypointAccuracy, ...]
    ratios: TimeRatios | None
    checks: tuple[Check, ...]
    observations: Mapping[int, Observation]

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks."""
        return overall(self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the variant as JSON-ready values; what was found on each photo is left out."""
        candidate = self.candidate
        return {
            "name": candidate.name,
            "scheme": candidate.scheme,
            "sha256": candidate.digest,
            "raw_bytes": candidate.raw_bytes,
            "wire_bytes": candidate.wire_bytes,
            "units": candidate.units,
            "verdict": self.verdict,
            "checks": [check_to_json(check) for check in self.checks],
            "runtimes": [plain(run) for run in self.runs],
            "agreement": plain(self.agreement),
            "angles": plain(self.angles),
            "motions": plain(self.motions),
            "accuracy": plain(self.accuracy),
            "keypoint_accuracy": plain(self.keypoints),
            "time_ratios": plain(self.ratios),
        }


@dataclass(frozen=True, eq=False)
class Validation:
    """What ``validate`` found.

    Attributes:
        reference: file name of the float model.
        reference_sha256: of that file.
        reference_runtime: what ran it.
        head: what the models' output means.
        benchmark: the photos.
        photos: how many of them could be read.
        skipped: photos and labels that were left out, and why.
        variants: the judged directories, in the order given.
        observations: key of each photo → what the float model found.
        environment: versions of what ran, and the machine in words.
        command: what repeats this.
        notes: what else is to be said, whole sentences.
        report: where the report was written; None if none was asked for.
    """

    reference: str
    reference_sha256: str
    reference_runtime: str
    head: PoseHead
    benchmark: Benchmark
    photos: int
    skipped: tuple[Skipped, ...]
    variants: tuple[Variant, ...]
    observations: Mapping[int, Observation]
    environment: Mapping[str, str]
    command: str
    notes: tuple[str, ...] = ()
    report: Path | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of the variants'."""
        return overall([check for variant in self.variants for check in variant.checks])

    def raise_if_failed(self) -> None:
        """Raise what broke a bound.

        Raises:
            GateError: a figure's whole interval breaks its bound.
        """
        failed = [
            (variant.candidate.name, check)
            for variant in self.variants
            for check in variant.checks
            if check.verdict == "fail"
        ]
        if failed:
            look = f"{self.report / 'report.html'} shows more." if self.report else "A report (-o DIR) shows more."
            raise GateError(
                f"The gate failed. {' '.join(f'{name}: {check.sentence()}' for name, check in failed)}",
                fix=f"{advice(check.metric for _, check in failed)} {look}",
            )

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready values: what stands in ``report.json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "reference": {
                "file": self.reference,
                "sha256": self.reference_sha256,
                "runtime": self.reference_runtime,
                "image_size": list(self.head.image_size),
            },
            "benchmark": {
                "name": self.benchmark.name,
                "kind": self.benchmark.kind,
                "photos": self.photos,
                "labelled_persons": sum(label.counts for label in self.benchmark.labels),
                "clips": len(self.benchmark.clips),
                "skipped": [plain(entry) for entry in self.skipped],
            },
            "variants": [variant.to_json() for variant in self.variants],
            "environment": dict(self.environment),
            "command": self.command,
            "notes": list(self.notes),
        }


def plain(value: Any) -> Any:
    """Turn results into JSON-ready values: dataclasses become objects, estimates keep six digits."""
    if isinstance(value, Estimate):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value) if entry.name != "by_photo"}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
