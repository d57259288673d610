"""Exporting a checkpoint: deterministic, quiet, beside nothing of the user's, refusing what no scheme could ship."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from yolo_edge.checkpoint.export import export_checkpoint, load_onnx, read_checkpoint_head
from yolo_edge.errors import ModelError


def test_two_exports_are_the_same_bytes_and_print_nothing(weights, capfd):
    assert export_checkpoint(weights, (320, 320)).serialized() == export_checkpoint(weights, (320, 320)).serialized()
    assert capfd.readouterr() == ("", "")


def test_export_says_what_the_model_is(weights):
    exported = export_checkpoint(weights, (192, 320))
    head = exported.head
    assert (head.family, head.layout, head.image_size, head.strides) == ("v11", "raw", (192, 320), (8, 16, 32))
    assert head.output_shape == (1, 56, 24 * 40 + 12 * 20 + 6 * 10)
    assert head.licence.startswith("AGPL-3.0")
    assert not [entry for entry in exported.model.metadata_props if entry.key == "date"]


def test_weights_that_are_not_numbers_are_refused_by_name(converted_onnx, tmp_path):
    model = onnx.load(converted_onnx)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "model.0.conv.weight")
    kernel = numpy_helper.to_array(tensor).copy()
    kernel.flat[7] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(kernel, tensor.name))
    onnx.save(model, tmp_path / "diverged.onnx")
    with pytest.raises(ModelError, match=r"diverged.onnx holds NaN or infinity in the weight 'model.0.conv.weight'"):
        load_onnx(tmp_path / "diverged.onnx")


def test_head_read_from_the_checkpoint_is_the_exports_head(weights, untrained):
    net = untrained("yolo26n-pose.yaml", classes=3, keypoints=(21, 2))
    for path in (weights, net):
        assert read_checkpoint_head(path, (320, 320)) == export_checkpoint(path, (320, 320)).head
