"""Engine ``direct``: ONNX → TF.js graph model without TensorFlow, by a table of op rules.

Layouts are tracked per tensor, so that a transposition is written only where data really has to move; biases are fused
into their convolutions, equal constants are shared, and what no output needs is dropped.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import yolo_edge.lowering.ops  # noqa: F401  (fills the table of rules)
from yolo_edge.errors import ModelError
from yolo_edge.lowering.context import Array, LoweringContext, Operation
from yolo_edge.lowering.engine import Engine
from yolo_edge.lowering.layout import NHWC, identity, physical
from yolo_edge.lowering.rules import lower_operation
from yolo_edge.lowering.tail import fuse_tail
from yolo_edge.quantization.codes import NIBBLE_CURVE, Encodings
from yolo_edge.tfjs.graph import GraphModel, Node, TensorInfo, shape_json, type_attribute
from yolo_edge.tfjs.packing import pack_kernels

if TYPE_CHECKING:
    import onnx

INPUT_NAME = "images"


def lower(model: onnx.ModelProto, encodings: Encodings) -> GraphModel:
    """Lower a slimmed ONNX model of static shape.

    Args:
        model: input ``[1, 3, H, W]`` float32; one output.
        encodings: quantized forms of initializers.

    Returns:
        A graph model with input ``images`` ``[1, H, W, 3]`` and the ONNX model's own output tensor.

    Raises:
        UnsupportedOperationError: an operation or attribute has no rule.
        ModelError: the graph is not well formed.
    """
    model = fuse_tail(model)
    context = _context(model, encodings)
    image = _add_input(context, model)
    for node in model.graph.node:
        if node.op_type != "Constant":
            lower_operation(context, _operation(node))
    outputs = {value.name: _add_output(context, value.name) for value in model.graph.output}
    initializer = pack_kernels(context.packed, NIBBLE_CURVE) if context.packed else None
    nodes, weights = tuple(context.nodes), tuple(context.weights)
    return GraphModel(nodes, weights, {INPUT_NAME: image}, outputs, initializer=initializer).pruned()


def _context(model: onnx.ModelProto, encodings: Encodings) -> LoweringContext:
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
    shapes: dict[str, tuple[int, ...]] = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*graph.value_info, *graph.output, *graph.input]
        if value.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
    }
    shapes.update({name: array.shape for name, array in constants.items()})
    used = Counter(name for node in graph.node for name in node.input)
    used.update(value.name for value in graph.output)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return LoweringContext(shapes, constants, encodings, dict(used), opset)


def _constant(node: onnx.NodeProto) -> Array:
    from onnx import numpy_helper

    if node.attribute[0].name != "value":
        raise _operation(node).refuse(f"a constant written as '{node.attribute[0].name}'")
    return numpy_helper.to_array(node.attribute[0].t)


def _operation(node: onnx.NodeProto) -> Operation:
    from onnx import helper

    attributes: dict[str, Any] = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    name = node.name or node.output[0]
    return Operation(name, node.op_type, tuple(node.input), tuple(node.output), attributes)


def _add_input(context: LoweringContext, model: onnx.ModelProto) -> TensorInfo:
    (value,) = [value for value in model.graph.input if value.name not in context.constants]
    shape = physical(context.shape(value.name), NHWC)
    attributes = {"dtype": type_attribute(), "shape": {"shape": shape_json(shape)}}
    context.nodes.append(Node(INPUT_NAME, "Placeholder", (), attributes))
    context.bind(value.name, INPUT_NAME, NHWC)
    return TensorInfo(INPUT_NAME, "float32", shape)


def _add_output(context: LoweringContext, name: str) -> TensorInfo:
    if name not in context.values:
        raise ModelError(f"The graph output '{name}' is made by no node.", fix="Export the model again.")
    shape = context.shape(name)
    reference = context.laid_out(name, identity(len(shape)))
    context.nodes.append(Node(name, "Identity", (reference,), {"T": type_attribute()}))
    return TensorInfo(name, "float32", shape)


ENGINE = Engine("direct", lower)
