"""Calibrated artifacts of the genuine weights, small and made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from yolo_edge.cache import CACHE_VARIABLE

BUDGET = 1_500_000
OPTIONS: dict[str, dict[str, Any]] = {"int8": {}, "int4": {}, "rd": {"max_bytes": BUDGET}}
SAMPLES = 12


@dataclass(frozen=True)
class Artifact:
    """A converted directory of a calibrated scheme.

    Attributes:
        directory: what ``convert`` made.
        decoded: ONNX model with the weights that its codes stand for.
        size: side of the input, pixels.
    """

    directory: Path
    decoded: Path
    size: int


@pytest.fixture(scope="session")
def small_model(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A function that exports the genuine weights at a size: the ONNX model."""
    import yolo_edge

    made: dict[int, Path] = {}

    def make(size: int = 192) -> Path:
        if size not in made:
            directory = tmp_path_factory.mktemp("float") / str(size)
            yolo_edge.convert(weights, directory, imgsz=size, onnx="keep")
            made[size] = directory / "model.onnx"
        return made[size]

    return make


@pytest.fixture(scope="session")
def small_artifact(small_model, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """A function that converts the genuine weights by a scheme, calibrated on 12 inputs."""
    import onnx

    import yolo_edge
    from yolo_edge.pose.head import read_head
    from yolo_edge.quantization.decoded import decoded_model
    from yolo_edge.quantization.plan import read_plan
    from yolo_edge.quantization.scheme import QuantizationRequest, find_scheme

    made: dict[tuple[str, int], Artifact] = {}

    def make(scheme: str, size: int = 192) -> Artifact:
        if (scheme, size) not in made:
            folder = tmp_path_factory.mktemp(scheme)
            yolo_edge.convert(small_model(size), folder / "out", quantize=scheme, samples=SAMPLES, **OPTIONS[scheme])
            model = onnx.load(small_model(size))
            request = QuantizationRequest(head=read_head(model, "model"), plan=read_plan(folder / "out"))
            encodings = find_scheme(scheme).encode(model, request).encodings
            onnx.save(decoded_model(model, encodings), folder / "decoded.onnx")
            made[scheme, size] = Artifact(folder / "out", folder / "decoded.onnx", size)
        return made[scheme, size]

    return make


@pytest.fixture
def calibration_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "calibration"
