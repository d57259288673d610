"""Operations of the end-to-end head: the best anchors, and the rows that belong to them."""

from __future__ import annotations

import numpy as np

from yolo_edge.lowering.context import LoweringContext, Operation
from yolo_edge.lowering.layout import identity
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import flag_attribute, integer_attribute, type_attribute


@lowers("TopK", attributes=("axis", "largest", "sorted"))
def lower_top_k(context: LoweringContext, operation: Operation) -> None:
    """``TopK`` of the largest values along the last axis; indices come as int32."""
    name = operation.inputs[0]
    rank = len(context.shape(name))
    attributes = operation.attributes
    if attributes.get("axis", -1) % rank != rank - 1 or not attributes.get("largest", 1):
        raise operation.refuse("a TopK along another axis than the last, or of the smallest values")
    (count,) = context.integers(operation, 1)
    node = context.emit(
        "TopKV2",
        [context.laid_out(name, identity(rank)), context.constant(np.array(count))],
        sorted=flag_attribute(True),
    )
    context.bind(operation.outputs[0], node, identity(rank))
    context.bind(operation.outputs[1], f"{node}:1", identity(rank), dtype="int32")


@lowers("GatherElements", attributes=("axis",))
def lower_gather_elements(context: LoweringContext, operation: Operation) -> None:
    """``GatherElements`` of a batch of one along axis 1: a gather of whole elements or rows.

    The index must be the same for all values of a row, as the end-to-end head makes it.
    """
    name, index = operation.inputs
    shape, index_shape = context.shape(name), context.shape(index)
    axis = operation.attributes.get("axis", 0) % len(shape)
    value = context.value(index)
    is_row = len(shape) == 2 or (index_shape[-1] == shape[-1] and (value.is_repeated or shape[-1] == 1))
    if axis != 1 or shape[0] != 1 or len(shape) > 3 or not is_row:
        raise operation.refuse(f"a gather of {list(index_shape)} from {list(shape)} along axis {axis}")
    indices = context.reshape(value.reference, (index_shape[1],), "int32")
    source = context.value(name)
    permutation = source.permutation
    result = context.emit(
        "GatherV2",
        [source.reference, indices, context.constant(np.array(permutation.index(1)))],
        source.dtype,
        batch_dims=integer_attribute(0),
        Tindices=type_attribute("int32"),
        Taxis=type_attribute("int32"),
        Tparams=type_attribute(source.dtype),
    )
    context.bind(operation.outputs[0], result, permutation, dtype=source.dtype)
