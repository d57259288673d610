"""A negative seed is an error of usage, on the command line and in Python."""

from __future__ import annotations

import pytest

import yolo_edge
from yolo_edge import cli
from yolo_edge.errors import UsageError

COMMANDS = (
    *("convert {onnx} -o out --quantize int8", "quantize {onnx} -o out", "frontier {onnx} -o out --schemes int8"),
    *("validate {onnx} -o out", "benchmark fetch builtin -o out"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line(command, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = command.format(onnx=tiny / "model.onnx").split()
    assert cli.run([*words, "--seed", "-1"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Invalid value for '--seed'" in err and "0" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda tiny, out: yolo_edge.convert(tiny / "model.onnx", out, quantize="int8", seed=-1),
        lambda tiny, out: yolo_edge.quantize(tiny / "model.onnx", out, seed=-1),
        lambda tiny, out: yolo_edge.frontier(tiny / "model.onnx", out, schemes=["int8"], seed=-1),
        lambda tiny, out: yolo_edge.validate(tiny, output=out, seed=-1),
        lambda tiny, out: yolo_edge.fetch_benchmark("builtin", output=out, seed=-1),
    ],
    ids=["convert", "quantize", "frontier", "validate", "fetch_benchmark"],
)
def test_python(call, tiny, tmp_path):
    with pytest.raises(UsageError, match="--seed -1 is negative"):
        call(tiny, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
