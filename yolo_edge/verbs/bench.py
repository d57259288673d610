"""``bench``: how fast converted models are, side by side, on each backend."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.bundle.manifest import SCHEMA_VERSION
from yolo_edge.console import say
from yolo_edge.errors import UsageError
from yolo_edge.figures import require_matplotlib
from yolo_edge.files import keep_apart, staged_directory, write_listing
from yolo_edge.photos.sources.builtin import shipped_photos
from yolo_edge.pose.image import read_image
from yolo_edge.runtime.base import DIRECTORY_RUNTIMES, RUNTIMES, RuntimeKind, directory_runtimes
from yolo_edge.runtime.browser import find_browser, refuse_event_loop
from yolo_edge.speed.chart import draw_race
from yolo_edge.speed.contender import directory_contenders, parse_flags, with_flags
from yolo_edge.speed.lane import Track
from yolo_edge.speed.measurement import Measurement, measurements_csv, require_some
from yolo_edge.speed.peers import enter_peers
from yolo_edge.speed.race import prepare_lab, race

CSV_FILE, JSON_FILE, PICTURE = "bench.csv", "bench.json", "bench.png"
FILES = (CSV_FILE, JSON_FILE, PICTURE)

DEFAULT_BACKENDS = ("node", "browser:wasm")
DEFAULT_ROUNDS = 20


@dataclass(frozen=True)
class BenchResult:
    """What ``bench`` measured.

    Attributes:
        directory: where table and picture lie; None where they were not asked for.
        photo: file name of the photo.
        rounds: turns that count, of each model on each backend.
        threads: of WebAssembly that were offered in pages; each row says how many were used.
        cores: of this machine.
        measurements: a row for each model and backend, in the order they were asked for, peers last.
        notes: what was not measured, and why.
    """

    directory: Path | None
    photo: str
    rounds: int
    threads: int
    cores: int
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return what stands in ``bench.json``: everything but the place."""
        return {
            "schema_version": SCHEMA_VERSION,
            "photo": self.photo,
            "rounds": self.rounds,
            "threads": self.threads,
            "cores": self.cores,
            "measurements": [measurement.to_json() for measurement in self.measurements],
            "notes": list(self.notes),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {"directory": None if self.directory is None else str(self.directory), **self.document()}


def bench(
    models: str | Path | Sequence[str | Path],
    *,
    backends: str | Sequence[str] | None = None,
    peers: bool = False,
    rounds: int = DEFAULT_ROUNDS,
    threads: int = 1,
    photo: str | Path | None = None,
    profile: bool = False,
    flags: Sequence[str] = (),
    output: str | Path | None = None,
    browser: str | Path | None = None,
    force: bool = False,
) -> BenchResult:
    """Measure how fast converted models are.

    All models of a backend are loaded, each into a process or page of its own, and then predict turn by turn, so that
    what slows the machine slows all alike. Each is compared with the first model of its input size.

    Args:
        models: converted directories.
        backends: runtimes that run directories, ``"node,browser:wasm"`` or a sequence of names; these two by default.
        peers: race other makers' models beside them: MoveNet and BlazePose, onnxruntime-web where a directory holds
            ``model.onnx``, and LiteRT.js where it holds ``model.tflite``. They are fetched from npm the first time.
        rounds: turns that count, of each model.
        threads: of WebAssembly in pages, for runtimes that take them. TensorFlow.js 4.22.0 stays at one.
        photo: what is looked at; a photo of the ultralytics package by default.
        profile: tell what each kind of kernel takes.
        flags: of TensorFlow.js, ``"WEBGL_USE_SHAPES_UNIFORMS=true"``: each directory is raced once more with them.
        output: a directory to make: ``bench.json``, ``bench.csv`` and ``bench.png``.
        browser: Chromium or Chrome; by default one is looked for.
        force: replace an existing output directory that yolo-edge made.

    Raises:
        UsageError: an option is wrong, a backend unknown, or a model given twice.
        InputError: a directory is missing or damaged, the photo or the output cannot be used.
        MissingComponentError: nothing ran, as a component is missing; or npm is, with ``peers``, or matplotlib, with
            ``output``. Where something ran, what is missing is named in the rows that did not.
        NetworkError: npm packages are not in the cache and cannot be fetched.
    """
    kinds = parse_backends(backends)
    for name, value in (("--rounds", rounds), ("--threads", threads)):
        require_some(name, value)
    listed = [models] if isinstance(models, str | Path) else list(models)
    program = _checked_browser(kinds, browser)
    directories = [Path(model) for model in listed]
    if output is not None:
        keep_apart(Path(output), directories)
    contenders = with_flags(directory_contenders(directories), parse_flags(flags))
    path = Path(photo) if photo is not None else shipped_photos()[0].path
    pixels = read_image(path)
    with ExitStack() as stack:
        directory = None
        if output is not None:
            require_matplotlib()
            directory = stack.enter_context(staged_directory(Path(output), force=force))
        field = enter_peers(contenders) if peers else None
        everyone = (*contenders, *(field.contenders if field else ()))
        lab = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yolo-edge-")))
        prepare_lab(lab, pixels, everyone)
        track = Track(
            lab=lab,
            photo_size=(pixels.shape[0], pixels.shape[1]),
            threads=threads,
            onnxruntime=field.onnxruntime if field else None,
            litert=field.litert if field else None,
            browser_path=program,
        )
        rows = [row for kind in kinds for row in race(kind, everyone, track, rounds=rounds, profile=profile)]
        _raise_if_nothing_ran(rows)
        result = BenchResult(
            directory=None if output is None else Path(output),
            photo=path.name,
            rounds=rounds,
            threads=threads,
            cores=os.cpu_count() or 1,
            measurements=tuple(rows),
            notes=field.notes if field else (),
        )
        if directory is not None:
            _write(result, directory)
    if output is not None:
        say(f"Wrote {output} ({', '.join(FILES)})")
    return result


def parse_backends(backends: str | Sequence[str] | None) -> tuple[RuntimeKind, ...]:
    """Read names of runtimes that run directories, ``"node,browser:wasm"``.

    Raises:
        UsageError: there are none, or one is unknown.
    """
    given = DEFAULT_BACKENDS if backends is None else backends.split(",") if isinstance(backends, str) else backends
    stripped = [name.strip() for name in given if name.strip()]
    names = directory_runtimes(stripped, unknown="There is no backend '{name}' to measure on.")
    if not names:
        raise UsageError("--backends names no backend.", fix=f"Choose of: {', '.join(DIRECTORY_RUNTIMES)}.")
    return tuple(RUNTIMES[name] for name in names)


def _checked_browser(kinds: Sequence[RuntimeKind], browser: str | Path | None) -> Path | None:
    """Find the browser before anything is measured; None where Playwright has its own, or none is needed.

    Raises:
        UsageError: it is no program, no backend runs in it, or this is called inside asyncio.
    """
    if all(kind.module != "browser" for kind in kinds):
        if browser is not None:
            raise UsageError("--browser is given, but no backend that runs in it.", fix="Add --backends browser:wasm.")
        return None
    refuse_event_loop()
    return find_browser(Path(browser) if browser is not None else None)


def _raise_if_nothing_ran(rows: Sequence[Measurement]) -> None:
    """Raise what the first row says, if no row has figures."""
    if all(row.figures is None for row in rows) and rows[0].problem is not None:
        raise rows[0].problem


def _write(result: BenchResult, directory: Path) -> None:
    (directory / CSV_FILE).write_text(measurements_csv(result.measurements), encoding="utf-8")
    (directory / JSON_FILE).write_text(json.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
    draw_race(result.measurements, [directory / PICTURE])
    write_listing(directory, "bench", FILES, schema_version=SCHEMA_VERSION)
