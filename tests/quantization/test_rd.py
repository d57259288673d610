"""Calibrated schemes on the genuine weights at 192 px: budgets are met, plans repeat, TF.js decodes what was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import yolo_edge
from tests.nets import photo_batch
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.lowering.direct import lower
from yolo_edge.pose.head import read_head
from yolo_edge.quantization.plan import PLAN_FILE, read_plan
from yolo_edge.quantization.scheme import QuantizationRequest, find_scheme
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.manifest import read_model

BUDGET = 1_500_000
SIZE = (192, 192)
CALIBRATION = {"calibration": "builtin", "samples": 12}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(weights, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "float"
    yolo_edge.convert(weights, directory, imgsz=SIZE[0], onnx="keep")
    return directory / "model.onnx"


@pytest.fixture(scope="module")
def artifact(model, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("artifact") / "rd"
    yolo_edge.convert(model, directory, quantize="rd", max_bytes=BUDGET, **CALIBRATION)
    return directory


def test_budget_is_met_within_a_percent_and_never_exceeded(artifact):
    assert 0.99 * BUDGET <= read_manifest(artifact).wire_bytes <= BUDGET


def test_sensitive_layers_get_finer_steps(model, artifact):
    plan = read_plan(artifact)
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}
    relative = {name: step / kernels[name].std() for name, step in plan.steps.items()}
    assert relative["model.0.conv.weight"] < np.median(list(relative.values()))
    assert max(relative.values()) > 4 * min(relative.values())


def test_plan_repeats_the_artifact_byte_for_byte(model, artifact, tmp_path):
    yolo_edge.convert(model, tmp_path / "again", quantize="rd", plan=artifact / PLAN_FILE, **CALIBRATION)
    names = sorted(file.name for file in artifact.iterdir())
    assert names == sorted(file.name for file in (tmp_path / "again").iterdir()) and PLAN_FILE in names
    for name in names:
        assert (artifact / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), f"{name} differs"


def test_tfjs_decodes_what_the_codes_stand_for(model, artifact, tmp_path):
    """The artifact in TF.js against onnxruntime with the weights that the shards decode to put in place."""
    lowered = lower(onnx.load(model), {})
    shipped = {weight.name: weight for weight in read_model(artifact).weights}
    decoded = onnx.load(model)
    steps = read_plan(artifact).steps
    names = {weight.initializer: weight for weight in lowered.weights if weight.initializer in steps}
    assert set(names) == set(steps)
    for tensor in decoded.graph.initializer:
        if tensor.name in steps:
            layout = (3, 2, 0, 1) if names[tensor.name].values.shape[3] == tensor.dims[0] else (2, 3, 0, 1)
            kernel = shipped[names[tensor.name].name].decoded().transpose(layout)
            array = np.ascontiguousarray(kernel).reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(decoded, tmp_path / "decoded.onnx")
    with open_runtime("node", artifact) as runtime:
        found = runtime.run(photo_batch("bus.jpg", SIZE))
    with open_runtime("onnx", tmp_path / "decoded.onnx") as runtime:
        expected = runtime.run(photo_batch("bus.jpg", SIZE))
    assert np.abs(found - expected).max() <= 0.05


def test_feedback_int8_is_closer_to_float_than_nearest(model, tmp_path):
    """Mean box error of the sure anchors, by onnxruntime on the decoded weights."""
    photo = photo_batch("bus.jpg", SIZE)
    with open_runtime("onnx", model) as runtime:
        expected = runtime.run(photo)
    sure = expected[0, 4] > 0.3
    errors = {}
    for name, options in {"nearest": {}, "feedback": CALIBRATION}.items():
        decoded = onnx.load(model)
        request = QuantizationRequest(head=read_head(decoded, "model"), **options)
        encodings = find_scheme("int8").encode(decoded, request).encodings
        for tensor in decoded.graph.initializer:
            if tensor.name in encodings:
                tensor.CopyFrom(numpy_helper.from_array(encodings[tensor.name].decoded(), tensor.name))
        onnx.save(decoded, tmp_path / f"{name}.onnx")
        with open_runtime("onnx", tmp_path / f"{name}.onnx") as runtime:
            errors[name] = float(np.abs(runtime.run(photo) - expected)[0][:4, sure].mean())
    assert errors["feedback"] < errors["nearest"]


def test_impossible_budget_names_the_smallest_size(model, tmp_path):
    with pytest.raises(InputError, match=r"as small as 300,000 bytes: the smallest is about \d{3},\d{3}"):
        yolo_edge.convert(model, tmp_path / "out", quantize="rd", max_bytes="300kB", **CALIBRATION)
    assert not list(tmp_path.iterdir())


def test_plan_of_another_model_is_refused(artifact, converted_onnx, tmp_path):
    with pytest.raises(ModelError, match="The plan is for another model"):
        yolo_edge.convert(converted_onnx, tmp_path / "out", quantize="rd", plan=artifact, **CALIBRATION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "rd"}, "needs a budget"),
        ({"quantize": "int8", "max_bytes": "1MB"}, "int8 takes no --max-bytes"),
        ({"quantize": "float16", "calibration": "builtin"}, "float16 takes no --calibration"),
        ({"quantize": "rd", "max_bytes": "1MB", "bits": 4.0}, "each decide the size"),
        ({"quantize": "rd", "bits": 0.1}, "--bits 0.1 is out of range"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(model, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        yolo_edge.convert(model, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
