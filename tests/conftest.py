"""Fixtures for all rooms."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.nets import save_untrained_net
from yolo_edge.checkpoint.catalogue import fetch, find

CheckpointFactory = Callable[..., Path]
Once = Callable[[str, Callable[[Path], object]], Path]


# How long an example takes depends on what else runs: a deadline fails at random beside other workers.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker begin with its share of the tests marked as long, so that none of them is left for the end.

    The part of the list that xdist gives to each worker first is contiguous, and all parts are of one size.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.get_closest_marker("long")]
    others = iter([item for item in items if not item.get_closest_marker("long")])
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)
        share = long[worker::workers]
        ordered += [*share, *islice(others, max(0, size - len(share)))]
    items[:] = [*ordered, *others]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """A function that has a folder filled by the first of a run's processes that asks for it; the others read it."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "shared"
    root.mkdir(exist_ok=True)

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        target, filled = root / name, root / f"{name}.filled"
        with FileLock(root / f"{name}.lock"):
            if not filled.exists():
                shutil.rmtree(target, ignore_errors=True)  # of an attempt that failed
                target.mkdir()
                fill(target)
                filled.touch()
        return target

    return folder


@pytest.fixture(scope="session")
def weights() -> Path:
    """The genuine yolo11n-pose.pt, downloaded on the first run and cached after."""
    entry = find("yolo11n-pose")
    assert entry is not None
    return fetch(entry)


@pytest.fixture(scope="session")
def converted(weights: Path, once: Once) -> Path:
    """A converted directory of the genuine weights, float32, 320 px, with its ONNX model kept."""
    import yolo_edge

    def fill(folder: Path) -> None:
        yolo_edge.convert(weights, folder / "yolo11n-320", imgsz=320, onnx="keep")

    return once("converted", fill) / "yolo11n-320"


@pytest.fixture(scope="session")
def tiny(once: Once) -> Path:
    """A converted directory of 64 px that sees one person on every photo, with its ONNX model kept."""
    import yolo_edge
    from tests.runtime.tiny_pose import write_pose_onnx

    def fill(folder: Path) -> None:
        yolo_edge.convert(write_pose_onnx(folder / "tiny.onnx"), folder / "tiny", onnx="keep")

    return once("tiny", fill) / "tiny"


@pytest.fixture(scope="session")
def converted_onnx(converted: Path) -> Path:
    """The ONNX model that ``converted`` was lowered from."""
    return converted / "model.onnx"


@pytest.fixture(scope="session")
def small_model(weights: Path, once: Once) -> Callable[[int], Path]:
    """A function that exports the genuine weights at a size: the ONNX model."""
    import yolo_edge

    def make(size: int = 192) -> Path:
        def fill(folder: Path) -> None:
            yolo_edge.convert(weights, folder / "out", imgsz=size, onnx="keep")

        return once(f"float-{size}", fill) / "out" / "model.onnx"

    return make


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


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A directory into which nothing can be written, not even by root."""
    if os.geteuid() == 0:
        sysfs = Path("/sys/kernel")
        if not sysfs.is_dir():
            pytest.skip("root may write everywhere here")
        return sysfs
    directory = tmp_path / "unwritable"
    directory.mkdir(mode=0o555)
    return directory


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB. Mounting needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
