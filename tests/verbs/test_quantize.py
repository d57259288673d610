"""``quantize``: the schemes of integer codes, with what their rounding costs."""

from __future__ import annotations

import json

import pytest

import yolo_edge
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.cli import run
from yolo_edge.errors import UsageError


@pytest.mark.slow
def test_quantize_writes_a_model_and_its_sensitivities(weights, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["quantize", str(weights), "-o", str(out), "--imgsz", "192", "--samples", "8", "--sensitivity", "--json"]
    assert run(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["manifest"]["scheme"] == "int8"
    assert len(document["sensitivity"]) == 93
    for name in ("sensitivity.csv", "sensitivity.png", "quantization.yaml"):
        assert (out / name).is_file()
        record = read_manifest(out).files[name]
        assert record.wire_bytes is None, "browsers do not load it"
    assert (out / "sensitivity.csv").read_text().count("\n") == 94


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "float16"}, "no scheme of integer codes"),
        ({"quantize": "int2"}, "no scheme of integer codes"),
        ({"quantize": "int8", "max_bytes": "1MB"}, "takes no --max-bytes"),
        ({"quantize": "rd"}, "needs a budget"),
        ({"quantize": "int8", "calibration": "none", "sensitivity": True}, "measures rounding on calibration photos"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_runs(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        yolo_edge.quantize("no-such-file.onnx", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
