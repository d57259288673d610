"""Which initializers of a model are quantized: the convolution kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

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
