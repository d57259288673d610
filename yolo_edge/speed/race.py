"""The race: all models of a backend, each in its own process or page, turn by turn on the same photo.

What slows the machine slows all alike, so the ratio of each turn is one observation, and its median is what counts.
Each turn has an order of its own, drawn with a fixed seed, so that nobody always follows the same one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.console import progress, say
from yolo_edge.errors import InputError, MissingComponentError, NetworkError, YoloEdgeError
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import RuntimeKind
from yolo_edge.runtime.browser import has_gpu
from yolo_edge.speed.contender import INPUT_FORMS, Contender
from yolo_edge.speed.lane import PHOTO_FILE, Host, Lane, Track, input_file, open_host
from yolo_edge.speed.measurement import Figures, Measurement, kernel_shares, median_ratio

SETTLING = 2
"""Turns that are not counted: the first ones after a load fill caches."""

PROFILED_FRAMES = 10

_GPU_BACKENDS = ("webgl", "webgpu")
_CONFINED = {
    "onnx": (("node", "browser:wasm"), "onnxruntime-web is raced on WebAssembly alone."),
    "litert": (
        ("browser:wasm",),
        "LiteRT.js is raced on WebAssembly in a page alone: it loads its code with script elements.",
    ),
}
"""Runner → the runtimes it is raced on, and why on no other; one that is not here is raced on all."""

_NAMED_IN_A_ROW = (InputError, MissingComponentError, NetworkError)
"""What takes a model or a backend out of the race. Other errors, as of usage, end it."""


def prepare_lab(lab: Path, photo: NDArray[np.uint8], contenders: Sequence[Contender]) -> None:
    """Write what the lanes read: each contender's input, letterboxed from the photo, and the photo itself.

    Args:
        lab: an existing directory.
        photo: uint8 RGB ``[H, W, 3]``.
        contenders: of the race.
    """
    opaque = np.full((*photo.shape[:2], 1), 255, np.uint8)
    (lab / PHOTO_FILE).write_bytes(np.concatenate([photo, opaque], axis=2).tobytes())
    for contender in contenders:
        form = INPUT_FORMS[contender.input_form]
        images, _ = letterbox(photo, contender.image_size)
        values = form.values_of(images)
        (lab / input_file(contender)).write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())


@dataclass
class _Runner:
    """A contender on its lane, and what it has shown so far."""

    contender: Contender
    lane: Lane | None = None
    problem: YoloEdgeError | None = None
    frames: list[float] = field(default_factory=list)
    finds: list[float] = field(default_factory=list)
    persons: int | None = None
    inspected: dict[str, Any] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)

    def attempt(self, work: Callable[[Lane], None]) -> None:
        """Do something with the lane, if there is one. A failure takes this contender out of the race, no other."""
        if self.lane is None:
            return
        try:
            work(self.lane)
        except _NAMED_IN_A_ROW as error:
            self.lane.close()
            self.lane, self.problem = None, error
            say(f"{self.contender.name} dropped out. {error.what}")

    def run(self, lane: Lane) -> None:
        self.frames.append(lane.ask("frame")["milliseconds"])

    def find(self, lane: Lane) -> None:
        if lane.facts["finds"]:
            answer = lane.ask("find")
            self.finds.append(answer["milliseconds"])
            self.persons = answer["persons"]

    def inspect(self, lane: Lane) -> None:
        self.inspected = lane.ask("inspect")

    def profile(self, lane: Lane) -> None:
        self.kernels = lane.ask("kernels", {"rounds": PROFILED_FRAMES})["kernels"]


def race(
    kind: RuntimeKind, contenders: Sequence[Contender], track: Track, *, rounds: int, profile: bool = False
) -> tuple[Measurement, ...]:
    """Race models on one backend.

    Args:
        kind: of :data:`yolo_edge.runtime.base.RUNTIMES`, one that runs directories.
        contenders: what is raced; each is compared with the first of its input size, or with the very first.
        track: what all share; its lab is prepared by :func:`prepare_lab`.
        rounds: turns that count, of each contender.
        profile: ask for the kernels by name too.

    Returns:
        A row for each contender, in their order; those that did not run say why.
    """
    runners = [_Runner(contender) for contender in contenders]
    try:
        with open_host(kind, track, contenders) as host:
            _open_lanes(kind, host, runners)
            for runner in runners:
                runner.attempt(runner.inspect)  # before whole frames, some of which resize photos in the same memory
            _take_turns(kind, runners, rounds)
            if profile:
                for runner in runners:
                    runner.attempt(runner.profile)
            return _measurements(kind, runners)
    except _NAMED_IN_A_ROW as error:
        return tuple(_measurement(kind, _Runner(contender, problem=error), None) for contender in contenders)


def _open_lanes(kind: RuntimeKind, host: Host, runners: Sequence[_Runner]) -> None:
    with progress(f"Loading on {kind.name}", len(runners), "models") as advance:
        for runner in runners:
            try:
                _check_backend(kind, runner.contender)
                runner.lane = host.open_lane(runner.contender)
            except _NAMED_IN_A_ROW as error:
                runner.problem = error
                say(f"{runner.contender.name} does not run on {kind.name}. {error.what}")
            advance(1)


def _check_backend(kind: RuntimeKind, contender: Contender) -> None:
    names, reason = _CONFINED.get(contender.runner, ((kind.name,), ""))
    if kind.name not in names:
        raise MissingComponentError(reason, fix="Race it on browser:wasm.")


def _take_turns(kind: RuntimeKind, runners: Sequence[_Runner], rounds: int) -> None:
    with progress(f"Racing on {kind.name}", rounds + SETTLING, "turns") as advance:
        for turn in range(rounds + SETTLING):
            order = random.Random(turn).sample(runners, len(runners))
            for runner in order:
                runner.attempt(runner.run)
            for runner in order:
                runner.attempt(runner.find)
            advance(1)


def _measurements(kind: RuntimeKind, runners: Sequence[_Runner]) -> tuple[Measurement, ...]:
    running = [runner for runner in runners if runner.lane is not None]
    first_of_size: dict[tuple[int, int], _Runner] = {}
    for runner in running:
        if not runner.contender.is_peer:
            first_of_size.setdefault(runner.contender.image_size, runner)
    return tuple(
        _measurement(kind, runner, first_of_size.get(runner.contender.image_size, running[0]) if running else None)
        for runner in runners
    )


def _measurement(kind: RuntimeKind, runner: _Runner, reference: _Runner | None) -> Measurement:
    contender = runner.contender
    figures = _figures(runner, runner.lane, reference) if runner.lane is not None and reference is not None else None
    return Measurement(
        name=contender.name,
        backend=kind.name,
        image_size=contender.image_size,
        wire_bytes=contender.wire_bytes,
        is_peer=contender.is_peer,
        licence=contender.licence,
        is_software=kind.backend in _GPU_BACKENDS and not has_gpu(),
        figures=figures,
        problem=runner.problem,
    )


def _figures(runner: _Runner, lane: Lane, reference: _Runner) -> Figures:
    frames, theirs = runner.frames[SETTLING:], reference.frames[SETTLING:]
    facts, inspected = lane.facts, runner.inspected
    return Figures(
        load_milliseconds=facts["loadMilliseconds"],
        first_milliseconds=facts["firstMilliseconds"],
        frame_milliseconds=tuple(frames),
        ratio=median_ratio(frames, theirs),
        reference=reference.contender.name,
        kernels=inspected["kernels"],
        draws=inspected["draws"],
        programs=facts["programs"],
        tensor_bytes=inspected["tensorBytes"],
        peak_tensor_bytes=inspected["peakTensorBytes"],
        wasm_bytes=inspected["wasmBytes"],
        script_bytes=inspected["scriptBytes"],
        find_milliseconds=tuple(runner.finds[SETTLING:]),
        persons=runner.persons,
        profile=kernel_shares(runner.kernels),
        threads=facts["threads"],
        adapter=facts["adapter"],
        versions=facts["versions"],
    )
