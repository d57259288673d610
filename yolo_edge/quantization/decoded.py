"""A quantized model as ONNX: what the codes stand for, in place of the weights they were made from.

Every engine that decodes the codes as :mod:`yolo_edge.quantization.codes` says computes what this model computes, so
onnxruntime measures what a scheme costs without a browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.errors import ModelError
from yolo_edge.quantization.codes import Encodings

if TYPE_CHECKING:
    import onnx


def decoded_model(model: onnx.ModelProto, encodings: Encodings) -> onnx.ModelProto:
    """Return a copy of a model with the decoded weights of the encodings; the model itself is left as it is.

    Args:
        model: the float model.
        encodings: initializer name → its quantized form, of the initializer's shape.

    Raises:
        ModelError: the encodings belong to another model: a name or a shape is not this one's.
    """
    import onnx
    from onnx import numpy_helper

    result = onnx.ModelProto()
    result.CopyFrom(model)
    initializers = {tensor.name: tensor for tensor in result.graph.initializer}
    for name, encoding in encodings.items():
        if name not in initializers:
            raise ModelError(f"The model has no weight '{name}'.", fix="Use encodings that were made of this model.")
        values, shape = encoding.decoded(), tuple(initializers[name].dims)
        if values.shape != shape:
            raise ModelError(
                f"Weight '{name}' has shape {list(shape)}, its quantized form {list(values.shape)}.",
                fix="Use encodings that were made of this model.",
            )
        initializers[name].CopyFrom(numpy_helper.from_array(values, name))
    return result
