"""One variant judged: run on the benchmark, compared with the float model, held against its gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.bundle.golden import Golden, read_golden
from yolo_edge.bundle.manifest import verify_directory
from yolo_edge.console import say
from yolo_edge.errors import ModelError, YoloEdgeError
from yolo_edge.photos.reading import ReadablePhotos
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import RUNTIMES, Runtime, open_runtime
from yolo_edge.runtime.packages import tfjs_version
from yolo_edge.validation.agreement import Agreement, measure_agreement
from yolo_edge.validation.angles import AngleError, measure_angles
from yolo_edge.validation.bootstrap import Estimate, Resamples
from yolo_edge.validation.candidate import Candidate, adapted, units_of
from yolo_edge.validation.coco import Accuracy, KeypointEvaluation, evaluate_keypoints, measure_accuracy
from yolo_edge.validation.gate import check_limits, exact, limits_for
from yolo_edge.validation.matching import SURE, match_persons
from yolo_edge.validation.motion import Motion, measure_motion
from yolo_edge.validation.observation import Observations, ObservationStore, observe
from yolo_edge.validation.pck import KeypointAccuracy, measure_pck
from yolo_edge.validation.probe import Expected, probe
from yolo_edge.validation.result import RuntimeRun, Variant
from yolo_edge.validation.timing import TimeRatios, measure_ratios

PROBED_PHOTOS = 4
RUN_SECONDS = 120.0
"""Longest wait for one output: WebGPU computed on the CPU takes half a minute."""

_CONTRACT_FIELDS = ("layout", "classes", "keypoint_count", "keypoint_dimensions", "strides", "output_shape", "family")


@dataclass(frozen=True, eq=False)
class Trial:
    """What all variants are judged by.

    Attributes:
        head: the float model's.
        photos: the benchmark.
        reference: what the float model found on it.
        evaluation: that matched with the labels; None without labels.
        resamples: draws of the photos, in the reference's order.
        float_directory: the float model as a graph model, to take times against; None to take none.
        runtimes: what runs the variants, the one for the whole set first.
        asked: those of them that someone named.
        limits: a recipe's bounds.
        workers: how many Node processes work side by side.
        browser: path of the Chromium to use.
        seed: of the handful of photos for the other runtimes.
    """

    head: PoseHead
    photos: ReadablePhotos
    reference: Observations
    evaluation: KeypointEvaluation | None
    resamples: Resamples
    float_directory: Path | None
    runtimes: tuple[str, ...]
    asked: frozenset[str]
    limits: Mapping[str, float]
    workers: int
    browser: Path | None
    seed: int

    @property
    def index_of(self) -> dict[int, int]:
        """Key of a photo → its index in the draws."""
        return {key: index for index, key in enumerate(self.reference.by_photo)}

    @cached_property
    def handful(self) -> list[NDArray[np.float32]]:
        """Inputs of a few photos, those with a sure person first: what all runtimes must answer alike."""
        best = {
            key: max((person.score for person in found), default=0.0) for key, found in self.reference.persons.items()
        }
        order = np.random.default_rng(self.seed).permutation(len(best))
        ranked = sorted((list(best)[index] for index in order), key=lambda key: best[key] < SURE)
        chosen = set(ranked[:PROBED_PHOTOS])
        images = (self.photos.read(photo) for photo in self.photos.benchmark.photos if photo.key in chosen)
        return [letterbox(image, self.head.image_size)[0] for image in images if image is not None]


def judge(candidate: Candidate, trial: Trial) -> Variant:
    """Judge one directory; what goes wrong with it is part of the result."""
    say(f"Judging {candidate.name} ({candidate.scheme})")
    try:
        golden = _checked_files(candidate)
    except ModelError as error:
        return _unusable(candidate, trial, "integrity", str(error))
    try:
        candidate = _with_known_units(candidate, trial)
    except YoloEdgeError as error:
        return _unusable(candidate, trial, "failed_runtimes", str(error))
    head = candidate.manifest.head if candidate.manifest else trial.head
    observations, runs = _run_everywhere(candidate, head, golden, trial)
    measured = _Measured.of(observations, trial)
    ratios = _ratios(candidate, trial) if measured.agreement is not None else None
    figures, notes = _figures(candidate, head, runs, measured, ratios, trial)
    limits = limits_for(candidate.scheme, trial.limits)
    checks = check_limits(limits, figures, len(trial.reference.by_photo), asked=trial.limits, notes=notes)
    return Variant(
        candidate,
        runs,
        measured.agreement,
        measured.angles,
        measured.motions,
        measured.accuracy,
        measured.keypoints,
        ratios,
        checks,
        observations.by_photo,
    )


def _checked_files(candidate: Candidate) -> Golden | None:
    if candidate.manifest is None:
        return None
    return read_golden(candidate.directory, verify_directory(candidate.directory))


def _unusable(candidate: Candidate, trial: Trial, metric: str, message: str) -> Variant:
    limits = {metric: 0.0}
    checks = check_limits(limits, {metric: exact(1.0)}, len(trial.reference.by_photo), notes={metric: message})
    runs = tuple(RuntimeRun(name, "skipped", "The files are not those of the manifest.") for name in trial.runtimes)
    return Variant(candidate, runs, None, (), (), (), (), None, checks, {})


def _with_known_units(candidate: Candidate, trial: Trial) -> Candidate:
    """Find the units of a foreign model's coordinates on a photo with a person."""
    if candidate.manifest is not None or candidate.units is not None:
        return candidate
    with _bare_opener(trial.runtimes[0], candidate, trial)() as runtime:
        output = runtime.run(trial.handful[0])
    return replace(candidate, units=units_of(output, trial.head, candidate.directory))


def _run_everywhere(
    candidate: Candidate, head: PoseHead, golden: Golden | None, trial: Trial
) -> tuple[Observations, tuple[RuntimeRun, ...]]:
    """Run the first runtime on the whole set, and have a look at each."""
    observations = Observations()
    expected = Expected(trial.handful)
    runs = []
    for number, name in enumerate(trial.runtimes):
        opener = _opener(name, candidate, trial)
        failure: YoloEdgeError | None = None
        if number == 0:
            failure = _observed(name, candidate, head, trial, observations)
        if failure is not None:
            runs.append(RuntimeRun(name, "failed", str(failure), photos=len(observations.by_photo)))
            continue
        say(f"Looking at {candidate.name} on {name}")
        run = probe(name, opener, candidate, head, golden, expected, is_asked=name in trial.asked)
        runs.append(replace(run, photos=len(observations.by_photo) if number == 0 else run.compared))
    return observations, tuple(runs)


def _opener(name: str, candidate: Candidate, trial: Trial) -> Callable[[], Runtime]:
    opened = _bare_opener(name, candidate, trial)
    return lambda: adapted(candidate, opened(), trial.head)


def _bare_opener(name: str, candidate: Candidate, trial: Trial) -> Callable[[], Runtime]:
    options: dict[str, Any] = {"run_seconds": RUN_SECONDS}
    if "browser_path" in RUNTIMES[name].options and trial.browser is not None:
        options["browser_path"] = trial.browser
    return lambda: open_runtime(name, candidate.directory, **options)


def _observed(
    name: str, candidate: Candidate, head: PoseHead, trial: Trial, observations: Observations
) -> YoloEdgeError | None:
    """Run the whole set; return the error that ended it early."""
    store = ObservationStore([candidate.digest, str(candidate.units), name, tfjs_version()], head)
    workers = trial.workers if name == "node" else 1
    try:
        observe(
            _opener(name, candidate, trial),
            head,
            trial.photos,
            title=f"Running {candidate.name} on {name}",
            workers=workers,
            store=store,
            chosen=trial.reference.by_photo,
            into=observations,
        )
    except YoloEdgeError as error:
        return error
    return None


@dataclass(frozen=True, eq=False)
class _Measured:
    """Everything that is measured on what a variant found."""

    agreement: Agreement | None = None
    angles: tuple[AngleError, ...] = ()
    motions: tuple[Motion, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    keypoints: tuple[KeypointAccuracy, ...] = ()

    @classmethod
    def of(cls, observations: Observations, trial: Trial) -> _Measured:
        """Measure, or nothing where the set was not run to its end."""
        if set(observations.by_photo) != set(trial.reference.by_photo):
            return cls()
        reference, persons = trial.reference.persons, observations.persons
        names, draws = trial.head.keypoint_names, trial.resamples
        matches = match_persons(reference, persons)
        benchmark = trial.photos.benchmark
        accuracy: tuple[Accuracy, ...] = ()
        keypoints: tuple[KeypointAccuracy, ...] = ()
        if trial.evaluation is not None:
            evaluation = evaluate_keypoints(benchmark.labels, persons)
            accuracy = measure_accuracy(trial.evaluation, evaluation, draws, list(reference))
            keypoints = measure_pck(benchmark.labels, reference, persons, trial.index_of, names=names, resamples=draws)
        return cls(
            measure_agreement(reference, persons, scales=trial.reference.scales, names=names, resamples=draws),
            measure_angles(matches, trial.index_of, names=names, resamples=draws),
            tuple(
                measure_motion(clip.name, [key for key in clip.photos if key in reference], reference, persons, names)
                for clip in benchmark.clips
            ),
            accuracy,
            keypoints,
        )


def _ratios(candidate: Candidate, trial: Trial) -> TimeRatios | None:
    """Times over the float model's, where the first runtime is one that can be timed."""
    if trial.float_directory is None or candidate.manifest is None:
        return None
    try:
        return measure_ratios(trial.runtimes[0], candidate.directory, trial.float_directory, trial.handful[0])
    except YoloEdgeError as error:
        say(f"No times: {error.what}")
        return None


def _figures(
    candidate: Candidate,
    head: PoseHead,
    runs: Sequence[RuntimeRun],
    measured: _Measured,
    ratios: TimeRatios | None,
    trial: Trial,
) -> tuple[dict[str, Estimate | None], dict[str, str]]:
    """Every figure that can be bounded, and what to say beside some."""
    failed = [run for run in runs if run.status == "failed"]
    differing = [name for name in _CONTRACT_FIELDS if getattr(head, name) != getattr(trial.head, name)]
    pixels = [run.pixels for run in runs if run.pixels is not None]
    excess = [run.vector_excess for run in runs if run.vector_excess is not None]
    figures: dict[str, Estimate | None] = {
        "wire_bytes": exact(candidate.wire_bytes),
        "integrity": exact(0.0) if candidate.manifest else None,
        "contract": exact(float(len(differing))) if candidate.manifest else None,
        "failed_runtimes": exact(float(len(failed))),
        "runtime_pixels": exact(max(pixels)) if pixels else None,
        "vector_excess": exact(max(excess)) if excess else None,
        "steady_ratio": ratios.frame if ratios else None,
        "first_predict_ratio": ratios.first_predict if ratios else None,
        "ap_loss": measured.accuracy[0].loss if measured.accuracy else None,
        "angle_p95": measured.angles[0].p95 if measured.angles else None,
    }
    if measured.motions:
        errors = sum(abs(motion.repetitions - motion.reference_repetitions) for motion in measured.motions)
        figures["repetition_errors"] = exact(float(errors))
    if measured.agreement is not None:
        figures |= _agreement_figures(measured.agreement)
    notes = {
        "failed_runtimes": " ".join(f"{run.runtime}: {run.message}" for run in failed),
        "contract": f"Differs: {', '.join(differing)}." if differing else "",
    }
    return figures, notes


def _agreement_figures(agreement: Agreement) -> dict[str, Estimate | None]:
    worst = max(agreement.keypoints, key=lambda part: part.body_p95.value, default=None)
    return {
        "mean_oks": agreement.similarity,
        "oks_p5": agreement.similarity_p5,
        "lost_share": agreement.lost_share,
        "invented_share": agreement.invented_share,
        "displacement_p95": agreement.displacement.body_p95 if agreement.displacement else None,
        "keypoint_p95": worst.body_p95 if worst else None,
        "score_change": agreement.score_change,
    }
