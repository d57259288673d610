"""Untrained pose nets of every family, saved as the checkpoints that ultralytics' training writes.

Batch norm statistics are calibrated on the photos that ultralytics ships, so that activations have sane sizes and an
error anywhere in the graph shows in the output.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


def save_untrained_net(
    path: Path,
    config: str,
    *,
    classes: int = 1,
    keypoints: tuple[int, int] = (17, 3),
    seed: int = 0,
    calibration: np.ndarray | None = None,
) -> Path:
    """Build a net from an ultralytics yaml and save it as a checkpoint.

    Args:
        path: the ``.pt`` to write.
        config: name of a model yaml inside ultralytics, with its scale: ``yolov8n-pose.yaml``.
        classes: number of classes.
        keypoints: keypoints a person, values a keypoint.
        seed: of the random weights.
        calibration: photos for the batch norm statistics, float32 ``[B, H, W, 3]``; the shipped ones by default.
    """
    os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
    os.environ.setdefault("YOLO_CONFIG_DIR", str(path.parent))
    import torch
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(seed)
    model = PoseModel(config, nc=classes, data_kpt_shape=list(keypoints), verbose=False)
    model.names = {index: f"class {index}" for index in range(classes)}
    if calibration is None:
        calibration = np.concatenate([photo_batch(name, 320) for name in ("bus.jpg", "zidane.jpg")])
    _calibrate_batch_norms(model, calibration)
    torch.save({"model": model.half(), "ema": None, "train_args": {"imgsz": 640}, "license": "AGPL-3.0 License"}, path)
    return path


def _calibrate_batch_norms(model, photos: np.ndarray) -> None:
    import torch

    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
    model.train()
    with torch.no_grad():
        model(torch.from_numpy(photos).permute(0, 3, 1, 2))
    model.eval()
    for norm in norms:
        norm.momentum = 0.03


def shipped_photo(name: str) -> Path:
    """Return the path of a photo that the ultralytics package ships."""
    from importlib.util import find_spec

    spec = find_spec("ultralytics")
    assert spec and spec.origin
    return Path(spec.origin).parent / "assets" / name


def photo_batch(name: str, size: int | tuple[int, int]) -> np.ndarray:
    """Return a shipped photo as a model input, float32 ``[1, H, W, 3]`` 0-1, letterboxed."""
    from yolo_edge.pose.image import read_image
    from yolo_edge.pose.letterbox import letterbox

    height, width = (size, size) if isinstance(size, int) else size
    return letterbox(read_image(shipped_photo(name)), (height, width))[0]
