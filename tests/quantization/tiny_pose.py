"""An ONNX pose model of 64 px with a raw head and every kind of convolution, small enough to calibrate in a moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.pose.heads import make_head

SIZE = 64
CHANNELS = 32
HEAD = replace(make_head(image_size=(SIZE, SIZE)), output_shape=(1, 56, 64))
KERNELS = {
    "dense": (CHANNELS, 3, 8, 8),
    "depthwise": (CHANNELS, 1, 3, 3),
    "grouped": (CHANNELS, 8, 3, 3),
    "pointwise": (56, CHANNELS, 1, 1),
}


def random_kernels(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, shape in KERNELS.items()
    }


def tiny_pose(kernels: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """The model: dense (stride 8), depthwise, grouped, pointwise; a sigmoid on all but the box."""
    kernels = kernels or random_kernels()
    weights = {**kernels, "sizes": np.array([4, 52]), "shape": np.array([1, 56, 64])}
    weights |= {f"{name}.bias": np.linspace(-1, 1, len(kernel)).astype(np.float32) for name, kernel in kernels.items()}

    def conv(name: str, source: str, **attributes) -> onnx.NodeProto:
        return helper.make_node("Conv", [source, name, f"{name}.bias"], [f"{name}.out"], f"{name}.conv", **attributes)

    nodes = [
        conv("dense", "images", strides=[8, 8]),
        conv("depthwise", "dense.out", group=CHANNELS, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["depthwise.out"], ["x"]),
        conv("grouped", "x", group=4, pads=[1, 1, 1, 1]),
        conv("pointwise", "grouped.out"),
        helper.make_node("Reshape", ["pointwise.out", "shape"], ["flat"]),
        helper.make_node("Split", ["flat", "sizes"], ["box", "rest"], axis=1),
        helper.make_node("Sigmoid", ["rest"], ["unit"]),
        helper.make_node("Concat", ["box", "unit"], ["output0"], axis=1),
    ]
    return _model(nodes, weights)


def write_tiny_pose(path: Path) -> Path:
    """Write the model as a file that ``convert`` takes: 20 of its anchors stand for those of the coarser strides."""
    model = tiny_pose()
    graph = model.graph
    graph.node[-1].output[0] = "fine"
    graph.initializer.append(numpy_helper.from_array(np.array([20, 44]), "parts"))
    graph.node.append(helper.make_node("Split", ["fine", "parts"], ["coarse", "left out"], axis=2))
    graph.node.append(helper.make_node("Concat", ["fine", "coarse"], ["output0"], axis=2))
    graph.output[0].type.tensor_type.shape.dim[2].dim_value = 64 + 16 + 4
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "stride": "32", "license": "MIT"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def pose_without_convolutions() -> onnx.ModelProto:
    """The same head on the means of the photo."""
    weights = {
        "matrix": np.random.default_rng(0).normal(size=(192, 64)).astype(np.float32),
        "rows": np.array([1, 64, 192]),
        "table": np.random.default_rng(1).normal(size=(56, 64)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["images", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["hidden"]),
        helper.make_node("MatMul", ["table", "hidden"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["output0"]),
    ]
    return _model(nodes, weights)


def _model(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 56, 64])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
