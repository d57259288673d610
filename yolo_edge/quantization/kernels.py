"""Which initializers of a model are quantized: the kernels of convolutions, and their biases a little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.quantization.codes import Encoding, Encodings, HalfFloat

if TYPE_CHECKING:
    import onnx

_FEWEST_WEIGHTS = 256
"""Smaller kernels (the DFL's bin weights, a single class's output) save nothing worth their error."""


def convolution_kernels(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    """Return initializer name → float32 kernel ``[out, in/groups, height, width]``, in graph order."""
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    kernels: dict[str, npt.NDArray[Any]] = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in weights and node.input[1] not in kernels:
            kernel = numpy_helper.to_array(weights[node.input[1]])
            if kernel.size >= _FEWEST_WEIGHTS:
                kernels[node.input[1]] = kernel
    return kernels


def with_half_biases(encodings: Encodings, model: onnx.ModelProto) -> Encodings:
    """Add the biases of convolutions as half floats, ``[out]`` each; those beyond the range of one are left out.

    On yolo11n-pose that takes nothing from AP nor OKS (1e-4 of what a bit less of the kernels takes), and saves 15 kB
    of 30 on the wire: float mantissas do not compress.
    """
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    merged: dict[str, Encoding] = dict(encodings)
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] in weights:
            bias = numpy_helper.to_array(weights[node.input[2]])
            if np.abs(bias).max(initial=0) <= np.finfo(np.float16).max:
                merged[node.input[2]] = HalfFloat(bias.astype(np.float16))
    return merged
