"""Directories that compute something else than they should, with a manifest that fits: what hashes cannot see."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge.bundle.manifest import read_manifest, write_manifest
from yolo_edge.files import sha256_of
from yolo_edge.tfjs.graph import Weight
from yolo_edge.tfjs.manifest import read_model, write_model


def flipped_byte(values):
    flat = values.reshape(-1).view(np.uint8).copy()
    flat[len(flat) // 8 * 4 + 3] ^= 0x40  # the high byte of a float32: its exponent
    return flat.view(values.dtype).reshape(values.shape)


def swapped_keypoints(values):
    """Swap keypoints 5 and 6 of a kernel's 51 output channels."""
    order = np.arange(51)
    order[15:21] = [18, 19, 20, 15, 16, 17]
    return values[..., order]


def is_first_kernel(weight):
    return weight.values.ndim == 4 and weight.values.shape[2] == 3


def is_last_keypoint_kernel(weight):
    return weight.values.shape == (1, 1, 51, 51)


def is_early_kernel(weight):
    return weight.values.ndim == 4 and weight.values.shape == (3, 3, 16, 32)


Break = tuple[Callable[[Weight], bool], Callable[[Any], Any]]

BREAKS: dict[str, Break] = {
    "one byte of a shard": (is_early_kernel, flipped_byte),
    "one scale": (is_early_kernel, lambda values: values * np.float32(1.02)),
    "BGR for RGB": (is_first_kernel, lambda values: values[:, :, ::-1]),
    "keypoints 5 and 6": (is_last_keypoint_kernel, swapped_keypoints),
}


def broken_graph(source: Path, target: Path, name: str) -> None:
    """Write ``model.json`` and shards of a float32 directory with one thing broken."""
    concerns, broken = BREAKS[name]
    graph = read_model(source)

    def changed(weight: Weight) -> Weight:
        return replace(weight, values=np.ascontiguousarray(broken(weight.values))) if concerns(weight) else weight

    weights = tuple(map(changed, graph.weights))
    assert any(one is not other for one, other in zip(weights, graph.weights, strict=True)), "nothing was broken"
    write_model(replace(graph, weights=weights), target)


def broken_copy(source: Path, target: Path, name: str, *, vectors: bool = True) -> Path:
    """Copy a float32 directory with one thing broken, and sign it; ``vectors`` keeps its golden vectors."""
    shutil.copytree(source, target)
    broken_graph(source, target, name)
    if not vectors:
        drop(target, "golden.json")
    sign(target)
    return target


def drop(directory: Path, name: str) -> None:
    """Take a file out of a directory and its manifest."""
    (directory / name).unlink()
    manifest = read_manifest(directory)
    files = {key: record for key, record in manifest.files.items() if key != name}
    write_manifest(manifest.model_copy(update={"files": files}), directory)


def sign(directory: Path) -> None:
    """Write a manifest that fits the files as they are now."""
    manifest = read_manifest(directory)
    files = {
        name: record.model_copy(update={"sha256": sha256_of(path), "bytes": path.stat().st_size})
        for name, record in manifest.files.items()
        if (path := directory / name).is_file()
    }
    write_manifest(manifest.model_copy(update={"files": files}), directory)
