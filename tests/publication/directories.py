"""Converted directories that are quick to publish: a true manifest, shards of a few kilobytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from yolo_edge.bundle.contract import make_contract
from yolo_edge.bundle.manifest import (
    Manifest,
    SourceRecord,
    model_record,
    record_files,
    tool_record,
    write_manifest,
)
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.skeleton import COCO_BONES, COCO_KEYPOINT_NAMES

HEAD = PoseHead(
    family="v11",
    layout="raw",
    image_size=(64, 64),
    classes=("person",),
    keypoint_count=17,
    keypoint_dimensions=3,
    keypoint_names=COCO_KEYPOINT_NAMES,
    skeleton=COCO_BONES,
    strides=(8, 16, 32),
    output_shape=(1, 56, 84),
    licence="AGPL-3.0",
)


def make_variant(directory: Path, *, scheme: str = "int8", seed: int = 0, shards: int = 2, size: int = 5000) -> Path:
    """A directory that holds what a manifest says, and no model that runs."""
    directory.mkdir(parents=True)
    random = np.random.default_rng(seed)
    names = [f"group1-shard{index + 1}of{shards}.bin" for index in range(shards)]
    for name in names:
        (directory / name).write_bytes(random.integers(0, 40, size, dtype=np.uint8).tobytes())
    model = {"format": "graph-model", "weightsManifest": [{"paths": names, "weights": []}], "seed": seed}
    (directory / "model.json").write_text(json.dumps(model))
    files = record_files(directory, ("model.json", *names), (), quantized=True)
    manifest = Manifest(
        name="yolo-tiny",
        scheme=scheme,
        source=SourceRecord(file="tiny.pt", sha256="0" * 64, bytes=1),
        tool=tool_record("direct"),
        model=model_record(HEAD, parameters=shards * size, operations=10),
        contract=make_contract(HEAD, "output0"),
        files=files,
        raw_bytes=sum(record.bytes for record in files.values()),
        wire_bytes=sum(record.wire_bytes or 0 for record in files.values()),
    )
    write_manifest(manifest, directory)
    return directory
