"""Fixtures for all rooms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nets import save_untrained_net
from yolo_edge.checkpoint.catalogue import fetch, find

CheckpointFactory = Callable[..., Path]


@pytest.fixture(scope="session")
def weights() -> Path:
    """The genuine yolo11n-pose.pt, downloaded on the first run and cached after."""
    entry = find("yolo11n-pose")
    assert entry is not None
    return fetch(entry)


@pytest.fixture(scope="session")
def converted(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted directory of the genuine weights, float32, 320 px, with its ONNX model kept."""
    import yolo_edge

    directory = tmp_path_factory.mktemp("converted") / "yolo11n-320"
    yolo_edge.convert(weights, directory, imgsz=320, onnx="keep")
    return directory


@pytest.fixture(scope="session")
def converted_onnx(converted: Path) -> Path:
    """The ONNX model that ``converted`` was lowered from."""
    return converted / "model.onnx"


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> CheckpointFactory:
    """A function that makes, once a session, an untrained checkpoint of a family by its yaml."""
    directory = tmp_path_factory.mktemp("untrained")
    made: dict[str, Path] = {}

    def make(config: str, *, classes: int = 1, keypoints: tuple[int, int] = (17, 3)) -> Path:
        name = f"{Path(config).stem}-{classes}x{keypoints[0]}x{keypoints[1]}.pt"
        if name not in made:
            made[name] = save_untrained_net(directory / name, config, classes=classes, keypoints=keypoints)
        return made[name]

    return make
