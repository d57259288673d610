from pathlib import Path

import pytest

import yolo_edge
from tests.runtime.tiny_pose import write_pose_onnx


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A converted directory of 64 px that sees one person on every photo, with its ONNX model kept."""
    folder = tmp_path_factory.mktemp("tiny")
    yolo_edge.convert(write_pose_onnx(folder / "tiny.onnx"), folder / "tiny", onnx="keep")
    return folder / "tiny"
