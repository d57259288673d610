"""Golden vectors tell a model that computes the right thing from one that does not, on every head."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import yolo_edge
from tests.broken import BREAKS, broken_graph
from tests.pose.heads import make_head, random_raw
from yolo_edge.bundle.contract import make_contract
from yolo_edge.bundle.golden import (
    GOLDEN_FILE,
    GOLDEN_VERSION,
    ROBUST_GAP,
    make_golden,
    read_golden,
    worst_differences,
    write_golden,
)
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import ModelError
from yolo_edge.quantization.codes import HalfFloat
from yolo_edge.runtime.base import open_runtime


def constant_model(output, image_size):
    """An ONNX model that answers the same whatever it sees: ``output`` plus nothing times the photo's mean."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["known", "zero"], ["output0"]),
    ]
    weights = {"known": output, "nothing": np.zeros(1, np.float32)}
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *image_size])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def golden_of(output, head, encodings=None):
    contract = make_contract(head, "output0")
    return make_golden(constant_model(output, head.image_size), encodings or {}, contract), contract.output


HEADS = [
    make_head(),
    make_head(image_size=(96, 64), classes=("cat", "dog", "bird"), keypoints=21, dimensions=2),
    make_head(keypoints=5),
]


@pytest.mark.parametrize(
    "head", HEADS, ids=lambda head: f"{len(head.classes)}x{head.keypoint_count}x{head.keypoint_dimensions}"
)
def test_slices_are_those_of_the_output(head):
    output = random_raw(head, np.random.default_rng(0))
    golden, contract = golden_of(output, head)
    for vector in golden.vectors:
        indices = list(vector.indices)
        assert np.array_equal(vector.expected_values, output[0].T[indices])
        assert np.array_equal(vector.float_values, output[0].T[indices])
        assert indices == sorted(set(indices)) and 16 <= len(indices) <= 24
        scores = output[0, 4 : 4 + len(head.classes)].max(axis=0)
        assert set(np.argsort(-scores)[:12]) <= set(indices), "the anchors of the highest score are there"
    quantities = [difference.quantity for difference in worst_differences(golden, [output] * 2, contract)]
    expected = ["boxes", "keypoints", "scores"] + ["visibility"] * (head.keypoint_dimensions == 3)
    assert quantities == expected


def test_shipped_weights_are_expected_and_the_float_ones_kept_beside():
    head = make_head()
    output = random_raw(head, np.random.default_rng(0))
    golden, _ = golden_of(output, head, {"known": HalfFloat(output.astype(np.float16))})
    for vector in golden.vectors:
        exact = output[0].T[list(vector.indices)]
        assert np.array_equal(vector.float_values, exact)
        assert np.array_equal(vector.expected_values, exact.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("value", "quantity", "amount"),
    [(0, "boxes", 0.06), (3, "boxes", 0.06), (4, "scores", 2e-4), (5, "keypoints", 0.06), (7, "visibility", 2e-4)],
)
def test_the_worst_value_is_named(value, quantity, amount):
    head = make_head()
    output = random_raw(head, np.random.default_rng(0))
    golden, contract = golden_of(output, head)
    moved = output.copy()
    anchor = golden.vectors[1].indices[3]
    moved[0, value, anchor] += amount
    found = {difference.quantity: difference for difference in worst_differences(golden, [output, moved], contract)}
    assert [name for name, difference in found.items() if not difference.passed] == [quantity]
    assert (found[quantity].card, found[quantity].detection, found[quantity].value) == (1, anchor, value)
    assert found[quantity].worst == pytest.approx(amount, rel=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, "shape"])
def test_answers_that_are_no_numbers_or_of_another_shape_fail(bad):
    head = make_head()
    output = random_raw(head, np.random.default_rng(0))
    golden, contract = golden_of(output, head)
    answer = output[:, :, :-1] if bad == "shape" else output.copy()
    if bad != "shape":
        answer[0, 4, golden.vectors[0].indices[0]] = bad
    found = {difference.quantity: difference for difference in worst_differences(golden, [answer, output], contract)}
    assert not found["scores"].passed


def end_to_end_output(head, scores):
    output = np.zeros(head.output_shape, np.float32)
    output[0, :, :4] = np.random.default_rng(0).uniform(0, 60, (300, 4))
    output[0, :, 4] = scores
    output[0, :, 5] = np.arange(300) % len(head.classes)
    output[0, :, 6:] = np.random.default_rng(1).uniform(0, 60, output[0, :, 6:].shape)
    return output


def test_end_to_end_rows_that_may_swap_are_held_to_their_scores_alone():
    head = make_head(layout="end2end", classes=("cat", "dog"))
    scores = np.linspace(1e-3, 0, 300)
    scores[:4] = [0.9, 0.7, 0.7 - ROBUST_GAP / 2, 0.3]
    output = end_to_end_output(head, scores)
    golden, contract = golden_of(output, head)
    for vector in golden.vectors:
        assert vector.float_values is None, "its rows are other detections"
        assert set(vector.indices) - set(vector.scores_only) == {0, 3}
        assert len(vector.scores_only) == 12
    swapped = output.copy()
    swapped[0, [1, 2], 5:] = output[0, [2, 1], 5:]
    swapped[0, 100:, :4] += 1
    assert all(difference.passed for difference in worst_differences(golden, [swapped] * 2, contract))
    for column, amount, quantity in ((0, 1, "boxes"), (5, 1, "class_index"), (6, 1, "keypoints"), (4, 0.01, "scores")):
        wrong = output.copy()
        wrong[0, 3, column] += amount
        found = worst_differences(golden, [output, wrong], contract)
        assert [difference.quantity for difference in found if not difference.passed] == [quantity]
    wrong = output.copy()
    wrong[0, :, 4] = 0.9
    assert not all(difference.passed for difference in worst_differences(golden, [wrong] * 2, contract))


def test_a_model_that_answers_no_number_is_refused():
    head = make_head()
    output = random_raw(head, np.random.default_rng(0))
    output[0, 7, 3] = np.nan
    with pytest.raises(ModelError, match="NaN or infinity on a test card"):
        golden_of(output, head)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["raw, 3 classes of 21x2 keypoints", "end2end"])
def test_untrained_nets_pass_their_own_vectors(untrained, tmp_path, layout):
    if layout == "end2end":
        yolo_edge.convert(untrained("yolo26n-pose.yaml"), tmp_path / "out", imgsz=128, end2end=True)
    else:
        yolo_edge.convert(
            untrained("yolov8n-pose.yaml", classes=3, keypoints=(21, 2)), tmp_path / "out", imgsz="96x128"
        )
    (check,) = yolo_edge.verify(tmp_path / "out").runtimes
    assert check.passed, check


def test_round_trip(converted, tmp_path):
    golden = read_golden(converted, read_manifest(converted))
    write_golden(golden, tmp_path)
    assert (tmp_path / GOLDEN_FILE).read_bytes() == (converted / GOLDEN_FILE).read_bytes()
    assert max(vector.expected_values[:, 4].max() for vector in golden.vectors) > 0.8, (
        "the mannequins are persons to it"
    )
    assert (golden.tolerances.boxes, golden.tolerances.keypoints) == (0.05, 0.05)
    assert (golden.tolerances.scores, golden.tolerances.visibility) == (1e-4, 1e-4)


def test_directory_without_vectors(converted):
    manifest = read_manifest(converted)
    older = {name: record for name, record in manifest.files.items() if name != GOLDEN_FILE}
    assert read_golden(converted, manifest.model_copy(update={"files": older})) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(schema_version=GOLDEN_VERSION + 1), "pip install -U"),
        (lambda document: document.update(vectors=[]), "damaged: vectors"),
        (lambda document: document["vectors"][0]["card"].update(cells=10**9), r"damaged: vectors\.0\.card\.cells"),
        (lambda document: document["vectors"][0]["card"].update(seed=0), r"damaged: vectors\.0\.card\.seed"),
        (lambda document: document["vectors"][0].update(expected="AAAA"), "does not fit the model"),
        (lambda document: document["vectors"][0].update(expected="?"), "does not fit the model"),
        (lambda document: document["vectors"][0].update(indices=[10**6]), "does not fit the model"),
        (lambda document: document["vectors"][1].update({"float": ""}), "does not fit the model"),
    ],
)
def test_damaged_file_is_refused(converted, tmp_path, change, message):
    document = json.loads((converted / GOLDEN_FILE).read_text())
    change(document)
    (tmp_path / GOLDEN_FILE).write_text(json.dumps(document))
    with pytest.raises(ModelError, match=message):
        read_golden(tmp_path, read_manifest(converted))


# Teeth: what hashes cannot see, since whoever broke it wrote the manifest


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_shows(converted, tmp_path, name):
    broken_graph(converted, tmp_path, name)
    shutil.copy(converted / GOLDEN_FILE, tmp_path)
    manifest = read_manifest(converted)
    golden = read_golden(converted, manifest)
    with open_runtime("node", tmp_path) as runtime:
        outputs = [runtime.run(vector.card.images(manifest.model.image_size)) for vector in golden.vectors]
    differences = worst_differences(golden, outputs, manifest.contract.output)
    assert not all(difference.passed for difference in differences), differences
    assert max(difference.worst / difference.tolerance for difference in differences) > 5, "by far"


def test_onnx_of_the_directory_answers_the_float_slices(converted):
    """The vectors are of this model, and not of another that happens to be near."""
    manifest = read_manifest(converted)
    golden = read_golden(converted, manifest)
    onnx.checker.check_model(onnx.load(converted / "model.onnx"))
    with open_runtime("onnx", converted / "model.onnx", threads=1) as runtime:
        for vector in golden.vectors:
            output = runtime.run(vector.card.images(manifest.model.image_size))
            np.testing.assert_allclose(output[0].T[list(vector.indices)], vector.float_values, atol=1e-3)
