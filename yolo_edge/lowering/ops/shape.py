"""Operations that only rename or regroup dimensions: they cost nothing where the layout allows."""

from __future__ import annotations

from yolo_edge.lowering.context import LoweringContext, Operation
from yolo_edge.lowering.layout import identity, inverse, physical, reshaped
from yolo_edge.lowering.rules import lowers


@lowers("Reshape", attributes=("allowzero",))
def lower_reshape(context: LoweringContext, operation: Operation) -> None:
    """``Reshape`` to the statically known output shape."""
    _regroup(context, operation)


@lowers("Flatten", "Squeeze", "Unsqueeze", attributes=("axis", "axes"))
def lower_regrouping(context: LoweringContext, operation: Operation) -> None:
    """``Flatten``, ``Squeeze`` and ``Unsqueeze`` are reshapes to the statically known output shape."""
    _regroup(context, operation)


@lowers("Transpose", attributes=("perm",))
def lower_transpose(context: LoweringContext, operation: Operation) -> None:
    """A transpose moves nothing: it renames the dimensions that the layout speaks of."""
    value = context.value(operation.inputs[0])
    rank = len(value.permutation)
    axes = operation.attributes.get("perm", tuple(reversed(range(rank))))
    renamed = inverse(axes)
    permutation = tuple(renamed[dimension] for dimension in value.permutation)
    context.bind(operation.outputs[0], value.reference, permutation, dtype=value.dtype)


@lowers("Expand")
def lower_expand(context: LoweringContext, operation: Operation) -> None:
    """An index repeated along the last axis, as the end-to-end head makes it for its row gathers.

    No tensor is made: the gather that reads it takes whole rows instead.
    """
    name, output = operation.inputs[0], operation.outputs[0]
    source, target, value = context.shape(name), context.shape(output), context.value(name)
    if value.dtype != "int32" or source[:-1] != target[:-1] or source[-1] != 1:
        raise operation.refuse(f"a broadcast from {list(source)} to {list(target)}")
    context.bind(output, value.reference, value.permutation, dtype="int32", is_repeated=True)


def _regroup(context: LoweringContext, operation: Operation) -> None:
    name, output = operation.inputs[0], operation.outputs[0]
    value, source, target = context.value(name), context.shape(name), context.shape(output)
    permutation = reshaped(source, target, value.permutation)
    reference = value.reference
    if permutation is None:
        reference, permutation = context.laid_out(name, identity(len(source))), identity(len(target))
    before = value.permutation if reference == value.reference else identity(len(source))
    if physical(source, before) != physical(target, permutation):
        reference = context.reshape(reference, physical(target, permutation), value.dtype)
    context.bind(output, reference, permutation, dtype=value.dtype)
