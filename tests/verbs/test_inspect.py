"""``inspect`` shows what a model holds, whichever of the three forms it has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yolo_edge.errors import InputError, ModelError
from yolo_edge.verbs.inspect import inspect, render


def _shown(inspection: object) -> str:
    from rich.console import Console

    console = Console(width=160)
    with console.capture() as captured:
        console.print(render(inspection))  # type: ignore[arg-type]
    return captured.get()


def test_checkpoint(weights: Path) -> None:
    found = inspect(weights)
    assert (found.kind, found.task, found.family, found.image_size) == ("checkpoint", "pose", "v11", (640, 640))
    assert json.loads(json.dumps(found.to_json()))["parameters"] == 2_874_462
    shown = _shown(found)
    for expected in ("family v11", "17 of 3 values", "AGPL-3.0", "2,874,462", "C2PSA"):
        assert expected in shown


@pytest.mark.slow
def test_onnx_and_directory_of_the_same_model(converted: Path, converted_onnx: Path) -> None:
    graph, directory = inspect(converted_onnx), inspect(converted)
    assert (graph.kind, directory.kind) == ("onnx", "tfjs")
    for found in (graph, directory):
        assert (found.task, found.family, found.image_size) == ("pose", "v11", (320, 320))
        assert (found.classes, found.keypoint_shape) == (("person",), (17, 3))
        assert found.operations
        json.dumps(found.to_json())
    assert graph.operations["Conv"] == 97
    assert [layer.index for layer in graph.layers] == [str(index) for index in range(24)]
    assert sum(count for name, count in directory.operations.items() if "Conv" in name) == 97
    assert directory.bytes == sum(path.stat().st_size for path in [converted / "model.json", *converted.glob("*.bin")])
    assert directory.details["weights"] == "float32"
    assert directory.details["golden vectors"] == "golden.json"
    assert "smaller ones" in _shown(directory)
    assert graph.parameters == directory.parameters


def test_directory_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model\.json"):
        inspect(tmp_path)


def test_broken_onnx(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff\xff not a model")
    with pytest.raises(ModelError, match="not a valid ONNX model"):
        inspect(path)


def test_missing_file() -> None:
    with pytest.raises(InputError, match=r"nothing\.pt"):
        inspect("nothing.pt")
