"""``models`` says what is known and what is here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from yolo_edge.verbs.models import models


def test_nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path))
    listing = models()[0]
    assert (listing.name, listing.bytes, listing.licence) == ("yolo11n-pose", 6_255_593, "AGPL-3.0")
    assert listing.cached is None


def test_cached_only_when_it_is_the_right_file(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path))
    path = tmp_path / "weights" / "yolo11n-pose.pt"
    path.parent.mkdir()
    shutil.copy(weights, path)
    assert models()[0].cached == path
    path.write_bytes(b"\x00" * 6_255_593)
    assert models()[0].cached is None


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path))
    assert json.loads(json.dumps(models()[0].to_json())) == {
        "name": "yolo11n-pose",
        "bytes": 6_255_593,
        "licence": "AGPL-3.0",
        "cached": None,
    }
