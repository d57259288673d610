"""A pose model that sees one known person in every picture, in variants that differ by the person's score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import yolo_edge

SIZE = 64
ANCHORS = 84
KEYPOINTS = 17
BOX = (16, 8, 48, 56)
"""Corners of the person in input pixels, which are those of a picture of 64 x 64."""


def known_output(score: float, noisy: int = ANCHORS) -> np.ndarray:
    """Raw layout ``[1, 56, 84]``: the person's keypoints lie on the diagonal of its box; ``noisy`` others
    are noise of score 0, which makes the file larger.
    """
    output = np.random.default_rng(0).uniform(0, SIZE, (1, 5 + 3 * KEYPOINTS, ANCHORS)).astype(np.float32)
    output[0, :, noisy:] = 0
    output[0, 4] = 0
    steps = np.linspace(0, 1, KEYPOINTS)
    keypoints = np.stack([16 + 32 * steps, 8 + 48 * steps, np.ones(KEYPOINTS)], axis=1)
    output[0, :, 11] = [32, 32, 32, 48, score, *keypoints.ravel()]
    return output


def write_onnx(path: Path, score: float, noisy: int) -> Path:
    """The known output plus nothing times the picture's mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    output = known_output(score, noisy)
    weights = [numpy_helper.from_array(output, "known"), numpy_helper.from_array(np.zeros(1, np.float32), "nothing")]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["known", "zero"], ["output0"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    answer = helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)
    graph = helper.make_graph(nodes, "pose", [images], [answer], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "stride": "32", "license": "MIT"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def convert(folder: Path, name: str, score: float, noisy: int = ANCHORS) -> Path:
    """Write a converted directory ``folder/name`` whose person has this score."""
    source = write_onnx(folder / f"{name}.onnx", score, noisy)
    yolo_edge.convert(source, folder / name)
    return folder / name
