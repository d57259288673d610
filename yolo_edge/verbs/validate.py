"""``validate``: do the shipped bytes find the keypoints that the float model finds, where users run them?"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from yolo_edge.bundle.manifest import Manifest
from yolo_edge.checkpoint.catalogue import fetch, load_catalogue
from yolo_edge.checkpoint.export import ExportedModel
from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import say
from yolo_edge.errors import InputError, UsageError
from yolo_edge.figures import require_matplotlib
from yolo_edge.files import keep_apart, settled, staged_directory
from yolo_edge.lowering.engine import find_engine
from yolo_edge.photos.benchmark import Benchmark, find_benchmark
from yolo_edge.photos.reading import ReadablePhotos, readable
from yolo_edge.recipe import read_recipe
from yolo_edge.runtime.base import RUNTIMES, directory_runtimes, open_runtime
from yolo_edge.runtime.packages import tfjs_version
from yolo_edge.tfjs.manifest import MODEL_FILE, write_model
from yolo_edge.validation.bootstrap import Resamples
from yolo_edge.validation.candidate import Candidate, find_candidate
from yolo_edge.validation.coco import KeypointEvaluation, evaluate_keypoints, require_pycocotools
from yolo_edge.validation.gate import limits_for
from yolo_edge.validation.judge import Trial, judge
from yolo_edge.validation.matching import SURE
from yolo_edge.validation.observation import Observations, ObservationStore, observe
from yolo_edge.validation.report import require_jinja2, write_report
from yolo_edge.validation.result import Validation, Variant
from yolo_edge.verbs.command_line import REFERENCE_RUNTIMES, validation_command
from yolo_edge.verbs.pipeline import export_model
from yolo_edge.verbs.seed import check_seed

_LIBRARIES = ("onnxruntime", "torch", "numpy", "ultralytics", "playwright", "pycocotools")


def validate(
    models: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    benchmark: str | Path | None = None,
    reference: str | Path | None = None,
    reference_runtime: str = "onnx",
    runtime: str | Sequence[str] | None = None,
    recipe: str | Path | None = None,
    output: str | Path | None = None,
    limit: int | None = None,
    frames_per_second: float | None = None,
    layout: str = "auto",
    timing: bool = True,
    browser: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    trust: bool = False,
    force: bool = False,
    command: str | None = None,
) -> Validation:
    """Judge converted directories on photos: against the float model, and against labels where there are any.

    Args:
        models: directories that ``convert`` made, folders of such, or TF.js YOLO pose models of other making; or what
            to call each in the report → its directory.
        benchmark: photos, as :func:`yolo_edge.photos.benchmark.find_benchmark` takes them; ``"builtin"`` by default.
        reference: the float model: a catalogue name, ``.pt`` or ``.onnx``; by default the catalogue's weights that the
            directories were made from.
        reference_runtime: ``onnx``, or ``torch`` for a ``.pt``: the same to rounding.
        runtime: what runs the directories: the first one runs the whole set, each other a handful of photos. By default
            ``node``, and the browser backends that are there.
        recipe: yaml with a ``gate`` section; every scheme has bounds of its own without.
        output: directory for ``report.html`` and ``report.json``.
        limit: the most photos to take.
        frames_per_second: how many frames of a second of video to take.
        layout: units of a foreign model's coordinates: ``pixels``, ``normalised``; ``auto`` finds out.
        timing: take times against a float32 graph model.
        browser: Chromium to use.
        workers: Node processes side by side; as many as there are cores by default.
        seed: of the photos that are chosen, and of the intervals.
        trust: load a reference checkpoint of one's own without the pickle check.
        force: replace an existing report that yolo-edge made.
        command: what the report names to repeat this; by default the command line with these options.

    Returns:
        The verdict and all figures. A verdict of ``fail`` does not raise: see the command line.

    Raises:
        UsageError: an option is wrong, or the directories do not belong together.
        InputError: a directory, the reference, the photos or the recipe cannot be used.
        OutputError: the output exists already (without ``force``), is foreign, or cannot be written.
        MissingComponentError: pycocotools is not installed and there are labels, or there is an output and matplotlib
            or jinja2 is not.
    """
    runtimes, asked = _runtimes(runtime, browser)
    check_seed(seed)
    limits = read_recipe(Path(recipe)).gate if recipe else {}
    limits_for("int8", limits)
    if reference_runtime not in REFERENCE_RUNTIMES:
        raise UsageError(
            f"There is no reference runtime {reference_runtime!r}.", fix=f"Choose {' or '.join(REFERENCE_RUNTIMES)}."
        )
    given = models if isinstance(models, Mapping) else [models] if isinstance(models, str | Path) else tuple(models)
    candidates = _candidates(given, layout)
    with _report_directory(output, candidates, force) as directory:
        photos = readable(find_benchmark(benchmark, limit=limit, seed=seed, frames_per_second=frames_per_second))
        if photos.benchmark.labels:
            require_pycocotools()
        path = _reference_path(candidates, reference)
        exported = export_model(path, candidates[0].image_size, trust=trust)
        with tempfile.TemporaryDirectory(prefix="yolo-edge-") as scratch:
            observations = _observe_reference(exported, path, reference_runtime, photos, Path(scratch), trust)
            trial = Trial(
                head=exported.head,
                photos=photos,
                reference=observations,
                evaluation=_evaluation(exported, photos.benchmark, observations),
                resamples=Resamples(len(observations.by_photo), seed=seed),
                float_directory=_float_model(exported, Path(scratch)) if timing else None,
                runtimes=runtimes,
                asked=asked,
                limits=limits,
                workers=workers or os.cpu_count() or 1,
                browser=Path(browser) if browser else None,
                seed=seed,
            )
            variants = tuple(judge(candidate, trial) for candidate in candidates)
        repeated = command or validation_command(
            tuple(given.values()) if isinstance(given, Mapping) else given,
            runtimes,
            benchmark=benchmark,
            reference=reference,
            reference_runtime=reference_runtime,
            recipe=recipe,
            limit=limit,
            frames_per_second=frames_per_second,
            layout=layout,
            seed=seed,
            timing=timing,
            trust=trust,
        )
        result = _summed_up(exported, reference_runtime, candidates, trial, variants, repeated, output)
        if directory is not None:
            write_report(result, photos, directory)
    if output is not None:
        say(f"Wrote {settled(Path(output))} (report.html, report.json)")
    return result


def _summed_up(
    exported: ExportedModel,
    reference_runtime: str,
    candidates: Sequence[Candidate],
    trial: Trial,
    variants: tuple[Variant, ...],
    command: str,
    output: str | Path | None,
) -> Validation:
    benchmark = trial.photos.benchmark
    return Validation(
        reference=exported.source.file,
        reference_sha256=exported.source.sha256,
        reference_runtime=reference_runtime,
        head=exported.head,
        benchmark=benchmark,
        photos=len(trial.reference.by_photo),
        skipped=(*benchmark.skipped, *trial.photos.skipped),
        variants=variants,
        observations=trial.reference.by_photo,
        environment=_environment(),
        command=command,
        notes=_notes(candidates, exported, benchmark, trial),
        report=Path(output) if output is not None else None,
    )


@contextmanager
def _report_directory(output: str | Path | None, candidates: Sequence[Candidate], force: bool) -> Iterator[Path | None]:
    """Yield where to write the report, refusing before any work what could not be written after it."""
    if output is None:
        yield None
        return
    keep_apart(Path(output), [candidate.directory for candidate in candidates])
    require_matplotlib()
    require_jinja2()
    with staged_directory(Path(output), force=force) as directory:
        yield directory


def _runtimes(asked: str | Sequence[str] | None, browser: str | Path | None) -> tuple[tuple[str, ...], frozenset[str]]:
    """Resolve what runs the directories, and which of them were named."""
    from yolo_edge.runtime.browser import find_browser

    if not asked:
        has_browser = find_browser(Path(browser) if browser else None) is not None
        backends = [name for name in RUNTIMES if name.startswith("browser:") and not name.endswith(":cpu")]
        return ("node", *(backends if has_browser else ())), frozenset()
    names = directory_runtimes([asked] if isinstance(asked, str) else asked)
    return names, frozenset(names)


def _candidates(models: Sequence[str | Path] | Mapping[str, str | Path], layout: str) -> list[Candidate]:
    """Find the directories: each one given, or those inside it."""
    if isinstance(models, Mapping):
        named = {name: Path(model) for name, model in models.items()}
        candidates = [replace(find_candidate(path, layout=layout), name=name) for name, path in named.items()]
    else:
        candidates = [find_candidate(directory, layout=layout) for directory in _directories(models)]
    if not candidates:
        raise UsageError("No directory is given to validate.", fix="Give one that `yolo-edge convert` made.")
    if len({candidate.name for candidate in candidates}) < len(candidates):
        raise UsageError("Two of the directories have the same name.", fix="Rename one: reports call them by it.")
    sizes = sorted({f"{height}x{width}" for height, width in (candidate.image_size for candidate in candidates)})
    if len(sizes) > 1:
        raise UsageError(
            f"The directories take inputs of different sizes ({', '.join(sizes)}).", fix="Validate each size apart."
        )
    return candidates


def _directories(models: Sequence[str | Path]) -> list[Path]:
    directories: list[Path] = []
    for model in map(Path, models):
        inside = sorted(path.parent for path in model.glob(f"*/{MODEL_FILE}")) if model.is_dir() else []
        directories += [model] if (model / MODEL_FILE).is_file() or not inside else inside
    return directories


def _reference_path(candidates: Sequence[Candidate], reference: str | Path | None) -> Path:
    if reference is not None:
        return resolve_source(str(reference))
    hashes = {candidate.manifest.source.sha256 for candidate in candidates if candidate.manifest}
    if len(hashes) != 1:
        raise UsageError(
            "The directories were made from different weights, or do not say from which.",
            fix="Name the float model: --reference weights.pt",
        )
    entry = next((entry for entry in load_catalogue() if entry.sha256 in hashes), None)
    if entry is not None:
        return fetch(entry)
    manifest = next(candidate.manifest for candidate in candidates if candidate.manifest)
    raise InputError(
        f"{candidates[0].directory} was made from {_named(manifest)}, which is not in the catalogue.",
        fix="Name the float model: --reference weights.pt",
    )


def _named(manifest: Manifest) -> str:
    return f"{manifest.source.file} (sha256 {manifest.source.sha256[:16]}…)"


def _observe_reference(
    exported: ExportedModel, path: Path, runtime: str, photos: ReadablePhotos, scratch: Path, trust: bool
) -> Observations:
    from hashlib import sha256

    onnx_path = scratch / "reference.onnx"
    onnx_path.write_bytes(exported.serialized())
    options = {"trust": trust} if runtime == "torch" else {}
    source = path if runtime == "torch" else onnx_path
    if runtime == "torch" and path.suffix.lower() != ".pt":
        raise UsageError(f"torch runs a .pt, {path} is none.", fix="Leave --reference-runtime out.")
    library = {"onnx": "onnxruntime", "torch": "torch"}[runtime]
    digest = sha256(onnx_path.read_bytes()).hexdigest()
    store = ObservationStore([digest, runtime, metadata.version(library)], exported.head)
    observations = observe(
        lambda: open_runtime(runtime, source, **options),
        exported.head,
        photos,
        title=f"Running the float model on {photos.benchmark.name}",
        store=store,
    )
    if not observations.by_photo:
        reason = f" {photos.skipped[0].reason}" if photos.skipped else ""
        raise InputError(f"{photos.benchmark.name} holds no photos that can be read.{reason}", fix="Give other photos.")
    if not any(person.score >= SURE for found in observations.persons.values() for person in found):
        raise InputError(
            f"The float model is sure of no person on {photos.benchmark.name}, so nothing can be compared.",
            fix="Give photos with persons on them, and trained weights.",
        )
    return observations


def _evaluation(exported: ExportedModel, benchmark: Benchmark, observations: Observations) -> KeypointEvaluation | None:
    """Match the float model's persons with the labels, where both are persons of COCO's keypoints."""
    if not benchmark.labels:
        return None
    head = exported.head
    if {benchmark.keypoint_count, head.keypoint_count} != {17} or len(head.classes) != 1:
        say("Measuring agreement alone: for average precision, labels and model must have 17 COCO keypoints")
        return None
    return evaluate_keypoints(benchmark.labels, observations.persons)


def _float_model(exported: ExportedModel, scratch: Path) -> Path:
    """Lower the float model, to take times against."""
    directory = scratch / "float32"
    directory.mkdir()
    write_model(find_engine("direct").lower(exported.model, {}), directory)
    return directory


def _environment() -> dict[str, str]:
    """Versions and machine; no name of machine or user."""
    versions = {"yolo-edge": metadata.version("yolo-edge"), "tfjs": tfjs_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    versions["python"] = platform.python_version()
    versions["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return versions


def _notes(
    candidates: Sequence[Candidate], exported: ExportedModel, benchmark: Benchmark, trial: Trial
) -> tuple[str, ...]:
    notes = []
    if benchmark.kind == "builtin":
        notes.append("The builtin photos are a smoke test: two photos and copies of them. Bring photos of your users.")
    if not benchmark.labels:
        notes.append("The photos have no labels, so average precision was not measured.")
    others = [
        candidate.name
        for candidate in candidates
        if candidate.manifest and candidate.manifest.source.sha256 != exported.source.sha256
    ]
    if others:
        notes.append(f"{', '.join(others)}: made from another file than {exported.source.file}.")
    if len(trial.reference.by_photo) < len(benchmark.photos):
        notes.append(f"{len(benchmark.photos) - len(trial.reference.by_photo)} photos could not be read.")
    return tuple(notes)
