"""Converted models of 192 px and release trees for the browser."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def web_directory(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """yolo11n-pose at 192 px, float16, with its ONNX model."""
    import yolo_edge

    directory = tmp_path_factory.mktemp("web") / "float16"
    yolo_edge.convert(weights, directory, imgsz=192, onnx="keep", quantize="float16")
    return directory
