import numpy as np
import pytest

from tests.runtime import tiny
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.runtime.base import open_runtime


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.write_onnx(tmp_path_factory.mktemp("onnx") / "tiny.onnx")


def test_output_is_that_of_the_formula(model):
    with open_runtime("onnx", model, threads=1) as runtime:
        output = runtime.run(tiny.photo())
        assert output.dtype == np.float32 and output.shape == tiny.OUTPUT_SHAPE
        assert np.abs(output - tiny.expected(tiny.photo())).max() < 1e-6
        assert len(runtime.timings.runs) == 1 and runtime.timings.load > 0


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 64, 32, 3), np.float32),
        np.zeros((1, 3, 32, 64), np.float32),
        np.zeros((32, 64, 3), np.float32),
        np.zeros(tiny.INPUT_SHAPE, np.float64),
    ],
)
def test_other_images_are_refused(model, images):
    with open_runtime("onnx", model) as runtime, pytest.raises(UsageError, match="Letterbox"):
        runtime.run(images)


def test_a_damaged_file_is_named(tmp_path, model):
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        open_runtime("onnx", path)
