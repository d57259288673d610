"""Calibrated artifacts of the genuine weights, small and made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Once
from yolo_edge.cache import CACHE_VARIABLE

# Size, samples and budget are those of docs/quantization.md: what its commands leave in the cache serves here too.
BUDGET = 1_400_000
OPTIONS: dict[str, dict[str, Any]] = {"int8": {}, "int4": {}, "rd": {"max_bytes": BUDGET}}
SAMPLES = 8


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
def small_artifact(small_model, once: Once) -> Callable[..., Artifact]:
    """A function that converts the genuine weights by a scheme, calibrated on a few inputs."""
    import onnx

    import yolo_edge
    from yolo_edge.pose.head import read_head
    from yolo_edge.quantization.decoded import decoded_model
    from yolo_edge.quantization.plan import read_plan
    from yolo_edge.quantization.scheme import QuantizationRequest, find_scheme

    def make(scheme: str, size: int = 192) -> Artifact:
        def fill(folder: Path) -> None:
            yolo_edge.convert(small_model(size), folder / "out", quantize=scheme, samples=SAMPLES, **OPTIONS[scheme])
            model = onnx.load(small_model(size))
            request = QuantizationRequest(head=read_head(model, "model"), plan=read_plan(folder / "out"))
            encodings = find_scheme(scheme).encode(model, request).encodings
            onnx.save(decoded_model(model, encodings), folder / "decoded.onnx")

        folder = once(f"{scheme}-{size}", fill)
        return Artifact(folder / "out", folder / "decoded.onnx", size)

    return make


@pytest.fixture
def calibration_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "calibration"
