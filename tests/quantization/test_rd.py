"""``rd`` on the genuine weights at 192 px: budgets are met, plans repeat, sensitive layers get finer steps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import yolo_edge
from tests.nets import photo_batch
from tests.quantization.conftest import BUDGET, SAMPLES
from tests.quantization.tiny_pose import HEAD, tiny_pose, write_tiny_pose
from yolo_edge import cli
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.pose.head import read_head
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.quantization.plan import PLAN_FILE, read_plan
from yolo_edge.quantization.scheme import NO_PHOTOS, QuantizationRequest, find_scheme
from yolo_edge.runtime.base import open_runtime

pytestmark = pytest.mark.slow

PLANNED = ["int8", "int4", "rd"]


@pytest.fixture
def model(small_model) -> Path:
    return small_model()


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


def test_budget_is_met_within_a_percent_and_never_exceeded(small_artifact):
    assert 0.99 * BUDGET <= read_manifest(small_artifact("rd").directory).wire_bytes <= BUDGET


def test_sensitive_layers_get_finer_steps(model, small_artifact):
    layers = read_plan(small_artifact("rd").directory).layers
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}
    assert all(len(layer.steps) == len(kernels[name]) for name, layer in layers.items()), "a step for each channel"
    relative = {name: np.median(layer.steps) / kernels[name].std() for name, layer in layers.items()}
    assert relative["model.0.conv.weight"] < np.median(list(relative.values()))
    assert max(relative.values()) > 4 * min(relative.values())


@pytest.mark.parametrize("scheme", PLANNED)
def test_plan_repeats_the_artifact_byte_for_byte(scheme, model, small_artifact, tmp_path):
    """Without being told how many samples or which seed: the plan knows."""
    first = small_artifact(scheme).directory
    yolo_edge.convert(model, tmp_path / "again", quantize=scheme, plan=first / PLAN_FILE)
    here, there = contents(first), contents(tmp_path / "again")
    assert list(here) == list(there) and PLAN_FILE in here
    for name in here:
        assert here[name] == there[name], f"{name} differs"


def test_calibrated_int8_is_closer_to_float_than_nearest(model, tmp_path):
    """Mean box error of the sure anchors, by onnxruntime on the decoded weights."""
    photo = photo_batch("bus.jpg", 192)
    with open_runtime("onnx", model) as runtime:
        expected = runtime.run(photo)
    sure = expected[0, 4] > 0.3
    errors = {}
    for name, options in {"nearest": {"calibration": NO_PHOTOS}, "calibrated": {"samples": SAMPLES}}.items():
        floats = onnx.load(model)
        request = QuantizationRequest(head=read_head(floats, "model"), **options)
        encodings = find_scheme("int8").encode(floats, request).encodings
        onnx.save(decoded_model(floats, encodings), tmp_path / f"{name}.onnx")
        with open_runtime("onnx", tmp_path / f"{name}.onnx") as runtime:
            errors[name] = float(np.abs(runtime.run(photo) - expected)[0][:4, sure].mean())
    assert errors["calibrated"] < errors["nearest"] / 1.5


def test_impossible_budget_names_the_smallest_size(calibration_cache):
    """On a tiny model. The genuine one is asked for too little by ``frontier``, see tests/verbs/test_frontier.py."""
    request = QuantizationRequest(head=HEAD, samples=SAMPLES, max_bytes=2_000, measure=lambda encodings: 70_001)
    with pytest.raises(InputError, match=r"as small as 2,000 bytes: the smallest is about 70,001"):
        find_scheme("rd").encode(tiny_pose(), request)


def test_convert_to_an_impossible_budget_leaves_nothing_behind(calibration_cache, tmp_path, capsys):
    source, folder = write_tiny_pose(tmp_path / "tiny.onnx"), tmp_path / "models"
    folder.mkdir()
    command = ["convert", source, "-o", folder / "out", "--quantize", "rd", "--samples", SAMPLES, "--max-bytes"]
    assert cli.run([*map(str, command), "2kB"]) == 3
    out, err = capsys.readouterr()
    told = re.search(r"cannot be made as small as 2,000 bytes: the smallest is about ([\d,]+)", err)
    assert told and out == "" and "\n  fix: Give a larger --max-bytes" in err
    assert list(folder.iterdir()) == []
    smallest = int(told[1].replace(",", ""))
    assert cli.run([*map(str, command), str(smallest + 500)]) == 0
    assert smallest <= read_manifest(folder / "out").wire_bytes <= smallest + 500


@pytest.mark.parametrize("scheme", PLANNED)
def test_plan_of_another_model_is_refused(scheme, small_artifact, converted_onnx, tmp_path):
    with pytest.raises(ModelError, match="The plan is for another model"):
        yolo_edge.convert(converted_onnx, tmp_path / "out", quantize=scheme, plan=small_artifact(scheme).directory)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "rd"}, "needs a budget"),
        ({"quantize": "int8", "max_bytes": "1MB"}, "int8 takes no --max-bytes"),
        ({"quantize": "float16", "calibration": "builtin"}, "float16 takes no --calibration"),
        ({"quantize": "int4", "max_bytes": "1MB"}, "int4 takes no --max-bytes"),
        ({"quantize": "int4", "calibration": "none"}, "int4 needs photos"),
        ({"quantize": "rd", "max_bytes": "1MB", "calibration": "none"}, "rd needs photos"),
        ({"quantize": "rd", "max_bytes": "1MB", "bits": 4.0}, "each decide the size"),
        ({"quantize": "rd", "bits": 0.1}, "--bits 0.1 is out of range"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(model, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        yolo_edge.convert(model, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.tensorflow
@pytest.mark.parametrize("options", [{"quantize": "int4"}, {"quantize": "rd", "max_bytes": "1MB"}])
def test_packed_schemes_need_the_direct_engine(options, tmp_path):
    """Refused before anything runs: the source is not even looked for."""
    with pytest.raises(UsageError, match=r"needs --engine direct.*int8"):
        yolo_edge.convert(tmp_path / "missing.onnx", tmp_path / "out", engine="tensorflow", **options)
    assert not list(tmp_path.iterdir())
