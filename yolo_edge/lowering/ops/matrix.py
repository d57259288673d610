"""Matrix products, softmax and reductions."""

from __future__ import annotations

import numpy as np

from yolo_edge.lowering.context import LoweringContext, Operation
from yolo_edge.lowering.layout import Permutation, identity
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import flag_attribute, type_attribute

_OPSET_OF_AXIS_SOFTMAX = 13  # before, ONNX's Softmax was over all axes from ``axis`` on, taken as one
_REDUCTIONS = {"ReduceMax": "Max", "ReduceMean": "Mean", "ReduceMin": "Min", "ReduceSum": "Sum"}


@lowers("MatMul")
def lower_matmul(context: LoweringContext, operation: Operation) -> None:
    """``MatMul`` over the last two dimensions; an operand stored transposed is read as it is (``adj``)."""
    rank = len(context.shape(operation.outputs[0]))
    if any(len(context.shape(name)) != rank for name in operation.inputs):
        raise operation.refuse("operands of different rank")
    transposed: Permutation = (*identity(rank)[:-2], rank - 1, rank - 2)
    references, adjoint = [], []
    for name in operation.inputs:
        is_transposed = not context.is_constant(name) and context.value(name).permutation == transposed
        adjoint.append(is_transposed)
        references.append(context.laid_out(name, transposed if is_transposed else identity(rank)))
    result = context.emit(
        "BatchMatMulV2", references, adj_x=flag_attribute(adjoint[0]), adj_y=flag_attribute(adjoint[1])
    )
    context.bind(operation.outputs[0], result, identity(rank))


@lowers("Softmax", attributes=("axis",))
def lower_softmax(context: LoweringContext, operation: Operation) -> None:
    """``Softmax``, which TF.js has for the last physical dimension alone."""
    name = operation.inputs[0]
    permutation = context.value(name).permutation
    takes_one_axis = context.opset >= _OPSET_OF_AXIS_SOFTMAX
    axis = operation.attributes.get("axis", -1 if takes_one_axis else 1) % len(permutation)
    if not takes_one_axis and axis != len(permutation) - 1:
        raise operation.refuse(f"a softmax over all axes from {axis} on (opset {context.opset})")
    if permutation[-1] != axis:
        permutation = (*(dimension for dimension in permutation if dimension != axis), axis)
    context.bind(operation.outputs[0], context.emit("Softmax", [context.laid_out(name, permutation)]), permutation)


@lowers(*_REDUCTIONS, attributes=("axes", "keepdims", "noop_with_empty_axes"))
def lower_reduction(context: LoweringContext, operation: Operation) -> None:
    """Reductions over constant axes."""
    value = context.value(operation.inputs[0])
    rank = len(value.permutation)
    axes = operation.attributes.get("axes")
    if axes is None:
        axes = context.integers(operation, 1) if len(operation.inputs) > 1 else list(range(rank))
    axes = sorted(axis % rank for axis in axes)
    keeps = bool(operation.attributes.get("keepdims", 1))
    positions = context.constant(np.array([value.permutation.index(axis) for axis in axes]))
    result = context.emit(
        _REDUCTIONS[operation.op_type],
        [value.reference, positions],
        value.dtype,
        keep_dims=flag_attribute(keeps),
        Tidx=type_attribute("int32"),
    )
    permutation = value.permutation
    if not keeps:
        left = [dimension for dimension in permutation if dimension not in axes]
        permutation = tuple(sorted(left).index(dimension) for dimension in left)
    context.bind(operation.outputs[0], result, permutation, dtype=value.dtype)
