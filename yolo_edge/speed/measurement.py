"""What was measured of one model on one backend."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_edge.errors import UsageError, YoloEdgeError


def require_some(option: str, count: int) -> None:
    """Refuse a count below 1.

    Raises:
        UsageError: it is.
    """
    if count < 1:
        raise UsageError(f"{option} {count} is too few.", fix="Give 1 or more.")


def median_ratio(frames: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median of the turns' ratios of two models of one race.

    Args:
        frames: what each turn took of one.
        reference: what the same turns took of the other.
    """
    return float(np.median(np.array(frames) / np.array(reference)))


@dataclass(frozen=True)
class KernelShare:
    """What one kind of kernel takes of a frame.

    Attributes:
        name: of the kernel.
        calls: a frame.
        milliseconds: a frame; None where kernels only queue work for a GPU.
        share: of the milliseconds of all kernels, 0-1; None as they are.
        draws: draw calls or dispatches a frame.
        multiply_adds: multiplications with addition a frame, of convolutions and matrix products.
    """

    name: str
    calls: float
    milliseconds: float | None
    share: float | None
    draws: float
    multiply_adds: float

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready values."""
        milliseconds = None if self.milliseconds is None else round(self.milliseconds, 4)
        share = None if self.share is None else round(self.share, 4)
        return {**vars(self), "milliseconds": milliseconds, "share": share}


def kernel_shares(kernels: Sequence[dict[str, Any]]) -> tuple[KernelShare, ...]:
    """Sort kernels as ``js/kernels.mjs`` lists them, the most expensive first, and give each its share."""
    total = sum(kernel["milliseconds"] or 0.0 for kernel in kernels)
    shares = [
        KernelShare(
            name=kernel["name"],
            calls=kernel["calls"],
            milliseconds=kernel["milliseconds"],
            share=kernel["milliseconds"] / total if total and kernel["milliseconds"] is not None else None,
            draws=kernel["draws"],
            multiply_adds=kernel["multiplyAdds"],
        )
        for kernel in kernels
    ]
    return tuple(sorted(shares, key=lambda kernel: (-(kernel.milliseconds or 0.0), -kernel.draws, kernel.name)))


@dataclass(frozen=True)
class Figures:
    """What a model took.

    Attributes:
        load_milliseconds: start of the backend and loading of the files, which come from this machine. Observed once;
            the first model of a backend pays for what all need.
        first_milliseconds: the first prediction: shaders compiled, weights decoded. Observed once as well.
        frame_milliseconds: each turn's prediction, from values in JavaScript memory to the output there.
        ratio: median of the turns' ratios to ``reference``.
        reference: the name of what it is compared with.
        kernels: a frame; None where the runtime does not tell.
        draws: draw calls or dispatches a frame; None without a GPU backend.
        programs: shader programs or pipelines made until the first answer; None without a GPU backend.
        tensor_bytes: of tensors between frames, weights among them; None where the runtime does not tell.
        peak_tensor_bytes: the most within a frame.
        wasm_bytes: of WebAssembly memory, which never shrinks: a peak; None without.
        script_bytes: of the heap of JavaScript objects; None where the browser does not tell.
        find_milliseconds: each turn's whole frame, from a photo's pixels to persons; empty where that is not measured.
        persons: found on the photo; None as before.
        profile: kernels by name; empty where that was not asked for.
        threads: of WebAssembly that were really used; None on other backends.
        adapter: what computes behind the backend, as the browser says; None in Node, for onnxruntime-web and LiteRT.js.
        versions: of the libraries, by name.
    """

    load_milliseconds: float
    first_milliseconds: float
    frame_milliseconds: tuple[float, ...]
    ratio: float
    reference: str
    kernels: int | None
    draws: int | None
    programs: int | None
    tensor_bytes: int | None
    peak_tensor_bytes: int | None
    wasm_bytes: int | None
    script_bytes: int | None
    find_milliseconds: tuple[float, ...]
    persons: int | None
    profile: tuple[KernelShare, ...]
    threads: int | None
    adapter: str | None
    versions: dict[str, str]

    @property
    def median(self) -> float:
        """Median of the frames, milliseconds."""
        return float(np.median(self.frame_milliseconds))

    @property
    def percentile95(self) -> float:
        """95th percentile of the frames, milliseconds."""
        return float(np.quantile(self.frame_milliseconds, 0.95))

    @property
    def frames_per_second(self) -> float | None:
        """Whole frames a second, photo to persons; None where that is not measured."""
        return 1000 / float(np.median(self.find_milliseconds)) if self.find_milliseconds else None


@dataclass(frozen=True)
class Measurement:
    """A row of the table.

    Attributes:
        name: of the contender.
        backend: the runtime it ran in.
        image_size: input height and width, pixels.
        wire_bytes: of its files, after Brotli.
        is_peer: another maker's model or runtime.
        licence: of a peer.
        is_software: a GPU backend that the CPU computed: right numbers, at no real speed.
        figures: what it took; None where it did not run.
        problem: why it did not run.
    """

    name: str
    backend: str
    image_size: tuple[int, int]
    wire_bytes: int
    is_peer: bool
    licence: str
    is_software: bool
    figures: Figures | None
    problem: YoloEdgeError | None = None

    @property
    def unavailable(self) -> str | None:
        """Why it did not run, as a sentence."""
        return None if self.problem is None else str(self.problem)

    def to_row(self) -> dict[str, Any]:
        """Return the row as plain values: milliseconds rounded to microseconds, bytes whole."""
        height, width = self.image_size
        row: dict[str, Any] = {
            "name": self.name,
            "backend": self.backend,
            "height": height,
            "width": width,
            "wire_bytes": self.wire_bytes,
            "is_peer": self.is_peer,
            "licence": self.licence,
            "is_software": self.is_software,
            "unavailable": self.unavailable,
        }
        figures = self.figures
        if figures is None:
            return row | dict.fromkeys(_FIGURE_COLUMNS)
        rate = figures.frames_per_second
        values = (
            *map(_rounded, (figures.load_milliseconds, figures.first_milliseconds)),
            *map(_rounded, (figures.median, figures.percentile95, figures.first_milliseconds / figures.median)),
            _rounded(figures.ratio),
            figures.reference,
            *(figures.kernels, figures.draws, figures.programs),
            *(figures.tensor_bytes, figures.peak_tensor_bytes, figures.wasm_bytes, figures.script_bytes),
            None if rate is None else round(rate, 2),
            figures.persons,
        )
        return row | dict(zip(_FIGURE_COLUMNS, values, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        figures = self.figures
        if figures is None:
            return self.to_row()
        return {
            **self.to_row(),
            "threads": figures.threads,
            "adapter": figures.adapter,
            "versions": figures.versions,
            "frame_milliseconds": list(map(_rounded, figures.frame_milliseconds)),
            "find_milliseconds": list(map(_rounded, figures.find_milliseconds)),
            "profile": [kernel.to_json() for kernel in figures.profile],
        }


_FIGURE_COLUMNS = (
    *("load_ms", "first_ms", "p50_ms", "p95_ms", "first_to_p50", "ratio", "reference"),
    *("kernels", "draws", "programs", "tensor_bytes", "peak_tensor_bytes", "wasm_bytes", "script_bytes"),
    *("frames_per_second", "persons"),
)


def _rounded(value: float) -> float:
    return round(value, 3)


def measurements_csv(measurements: Sequence[Measurement]) -> str:
    """Return the rows as CSV with a header."""
    text = io.StringIO()
    rows = [measurement.to_row() for measurement in measurements]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
