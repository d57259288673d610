"""The TensorFlow engine: an independent way to the same numbers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import yolo_edge
from tests.conftest import Once
from tests.nets import photo_batch
from yolo_edge.errors import MissingComponentError, ModelError
from yolo_edge.lowering import direct, tensorflow
from yolo_edge.lowering.engine import find_engine
from yolo_edge.quantization.codes import Codes, Encodings
from yolo_edge.runtime.base import open_runtime
from yolo_edge.tfjs.graph import GraphModel
from yolo_edge.tfjs.manifest import write_model

PIXELS = 0.02
SCORE = 1e-4

needs_tensorflow = pytest.mark.skipif(
    any(find_spec(package) is None for package in tensorflow._PACKAGES), reason="the [tf] extra is not installed"
)
oracle = [pytest.mark.slow, pytest.mark.tensorflow, needs_tensorflow]


@dataclass(frozen=True)
class Chain:
    """One run of the chain, for all tests: the genuine model with int8 kernels.

    Attributes:
        directory: what ``convert`` made.
        codes: of the kernels, as the chain was given them.
        lowered: what it made of the model.
    """

    directory: Path
    codes: dict[str, Codes]
    lowered: GraphModel


@pytest.fixture(scope="module")
def chain(converted_onnx: Path, once: Once) -> Chain:
    def fill(folder: Path) -> None:
        def lower(model: onnx.ModelProto, encodings: Encodings) -> GraphModel:
            lowered = tensorflow.lower(model, encodings)
            (folder / "lowered.pickle").write_bytes(pickle.dumps((encodings, lowered)))
            return lowered

        with pytest.MonkeyPatch.context() as patch:
            engine = replace(find_engine("tensorflow"), lower=lower)
            patch.setattr("yolo_edge.verbs.convert.find_engine", lambda name: engine)
            options = {"quantize": "int8", "calibration": "none", "engine": "tensorflow"}
            yolo_edge.convert(converted_onnx, folder / "out", **options)

    folder = once("tensorflow", fill)
    encodings, lowered = pickle.loads((folder / "lowered.pickle").read_bytes())
    codes = {name: encoding for name, encoding in encodings.items() if isinstance(encoding, Codes)}
    return Chain(folder / "out", codes, lowered)


@pytest.fixture(scope="module")
def codes(chain: Chain) -> dict[str, Codes]:
    return chain.codes


@pytest.fixture(scope="module")
def lowered(chain: Chain) -> GraphModel:
    return chain.lowered


@pytest.fixture(scope="module")
def model(converted_onnx) -> onnx.ModelProto:
    return onnx.load(converted_onnx)


def outputs(graph: GraphModel, directory: Path) -> list[np.ndarray]:
    directory.mkdir()
    write_model(graph, directory)
    with open_runtime("node", directory) as runtime:
        return [runtime.run(photo_batch(name, 320)) for name in ("bus.jpg", "zidane.jpg")]


class TestOracle:
    pytestmark = oracle

    @pytest.mark.long
    def test_both_engines_give_the_same_poses(self, model, codes, lowered, tmp_path):
        kept = {weight.initializer for weight in lowered.weights if weight.stored}
        same_codes = {name: code for name, code in codes.items() if name in kept}
        pairs = zip(
            outputs(direct.lower(model, same_codes), tmp_path / "direct"),
            outputs(lowered, tmp_path / "tensorflow"),
            strict=True,
        )
        for here, there in pairs:
            apart = np.abs(here - there)[0]
            assert apart[:4].max() <= PIXELS, "boxes"
            assert apart[4].max() <= SCORE, "scores"
            keypoints = apart[5:].reshape(17, 3, -1)
            assert keypoints[:, :2].max() <= PIXELS, "keypoints"
            assert keypoints[:, 2].max() <= SCORE * 10, "visibility"

    def test_input_and_output_have_the_names_of_the_contract(self, lowered):
        assert {key: (info.node, info.shape) for key, info in lowered.inputs.items()} == {
            "images": ("images", (1, 320, 320, 3))
        }
        assert {key: (info.node, info.shape) for key, info in lowered.outputs.items()} == {
            "output0": ("output0", (1, 56, 2100))
        }
        assert {"images", "output0"} <= {node.name for node in lowered.nodes}

    def test_codes_are_kept(self, lowered, codes):
        stored = {weight.initializer: weight for weight in lowered.weights if weight.stored}
        share = sum(codes[name].codes.size for name in stored) / sum(code.codes.size for code in codes.values())
        assert share > 0.99, "all but the attention's depthwise kernel, which onnx2tf takes apart"
        for name, weight in stored.items():
            assert weight.stored.dtype == "uint8" and weight.values.dtype == np.uint8
            assert np.array_equal(np.sort(weight.decoded(), axis=None), np.sort(codes[name].decoded(), axis=None))

    def test_weights_that_the_engine_leaves_float_are_expected_so(self, chain):
        """Golden vectors are those of the weights that are shipped."""
        (check,) = yolo_edge.verify(chain.directory).runtimes
        assert check.passed, check
        assert max(difference.worst / difference.tolerance for difference in check.differences) < 0.2, "by far"

    def test_a_model_that_the_chain_refuses_names_the_log(self, tmp_path, monkeypatch):
        monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path))
        with pytest.raises(ModelError, match=r"TensorFlow chain failed: .*--engine direct") as caught:
            tensorflow.lower(model_with_unknown_operation(), {})
        log = tmp_path / "logs" / "tensorflow.log"
        assert str(log) in str(caught.value.fix)
        assert "Traceback" in log.read_text() and "Traceback" not in caught.value.what


def model_with_unknown_operation() -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Levitate", ["images"], ["output0"], "trick")],
        "broken",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 3, 32, 32])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_without_the_extra_the_message_tells_how_to_get_it(tmp_path):
    """In a Python whose finder knows no tensorflow, as after a plain install."""
    code = """
import importlib.util, sys
genuine = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "tensorflow" else genuine(name, package)
from yolo_edge.errors import MissingComponentError
from yolo_edge.lowering.tensorflow import lower
try:
    lower(None, {})
except MissingComponentError as error:
    print(error.exit_code, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.startswith("7 The tensorflow engine needs tensorflow"), done.stderr
    assert "pip install 'yolo-edge[tf]'" in done.stdout


def test_missing_packages_are_all_named(monkeypatch):
    monkeypatch.setattr(tensorflow, "find_spec", lambda name: None)
    with pytest.raises(MissingComponentError, match="needs tensorflow, tensorflowjs, onnx2tf"):
        tensorflow.lower(model_with_unknown_operation(), {})
