"""Operations that put tensors together and take them apart."""

from __future__ import annotations

from math import prod

import numpy as np

from yolo_edge.lowering.context import LoweringContext, Operation, Part
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import integer_attribute, type_attribute

_INTEGER = type_attribute("int32")


@lowers("Concat", attributes=("axis",))
def lower_concat(context: LoweringContext, operation: Operation) -> None:
    """``Concat`` in the layout of its largest computed part."""
    rank = len(context.shape(operation.outputs[0]))
    logical_axis = operation.attributes["axis"] % rank
    inputs = _without_cuts(context, operation.inputs, logical_axis)
    if len(inputs) == 1:
        context.values[operation.outputs[0]] = context.value(inputs[0])
        return
    computed = [name for name in inputs if not context.is_constant(name)]
    largest = context.value(max(computed or inputs, key=lambda name: prod(context.shape(name))))
    parts = [context.laid_out(name, largest.permutation) for name in inputs]
    axis = context.constant(np.array(largest.permutation.index(logical_axis)))
    result = context.emit("ConcatV2", [*parts, axis], largest.dtype, N=integer_attribute(len(parts)), Tidx=_INTEGER)
    context.bind(operation.outputs[0], result, largest.permutation, dtype=largest.dtype)


def _without_cuts(context: LoweringContext, inputs: tuple[str, ...], axis: int) -> list[str]:
    """Put neighbouring slices that make up a whole value back into that value.

    The blocks of YOLO split a tensor in two, go on with one half, and join all: the halves are next to each other.
    """
    joined: list[str] = []
    for name in inputs:
        joined.append(name)
        count = _slices_of_a_whole(context, joined, axis)
        if count:
            joined[-count:] = [context.parts[name].source]
    return joined


def _slices_of_a_whole(context: LoweringContext, names: list[str], axis: int) -> int:
    """Count how many of the last names are all the slices of one value, in order; 0 if they are not."""
    last = context.parts.get(names[-1])
    if last is None or last.axis != axis or last.stop != context.shape(last.source)[axis]:
        return 0
    start, count = last.start, 1
    while start:
        before = context.parts.get(names[-1 - count]) if count < len(names) else None
        if before is None or (before.source, before.axis, before.stop) != (last.source, axis, start):
            return 0
        start, count = before.start, count + 1
    return count


@lowers("Split", attributes=("axis", "num_outputs", "split"))
def lower_split(context: LoweringContext, operation: Operation) -> None:
    """``Split``: one slice for each part that is read."""
    name = operation.inputs[0]
    shape = context.shape(name)
    axis = operation.attributes.get("axis", 0) % len(shape)
    start = 0
    for output, size in zip(operation.outputs, _part_sizes(context, operation, shape[axis]), strict=True):
        begin, extent = [0] * len(shape), list(shape)
        begin[axis], extent[axis] = start, size
        start += size
        context.shapes.setdefault(output, tuple(extent))
        if context.used.get(output):
            _slice(context, name, output, begin, extent)


@lowers("Slice")
def lower_slice(context: LoweringContext, operation: Operation) -> None:
    """``Slice`` with constant bounds and step 1."""
    name = operation.inputs[0]
    shape = context.shape(name)
    starts, ends = context.integers(operation, 1), context.integers(operation, 2)
    axes = context.integers(operation, 3) if _has_input(operation, 3) else list(range(len(starts)))
    steps = context.integers(operation, 4) if _has_input(operation, 4) else [1] * len(starts)
    if any(step != 1 for step in steps):
        raise operation.refuse(f"a slice of steps {steps}")
    begin, extent = [0] * len(shape), list(shape)
    for axis, start, end in zip(axes, starts, ends, strict=True):
        size = shape[axis]
        first, last = (min(max(bound + size if bound < 0 else bound, 0), size) for bound in (start, end))
        begin[axis % len(shape)], extent[axis % len(shape)] = first, max(last - first, 0)
    _slice(context, name, operation.outputs[0], begin, extent)


def _has_input(operation: Operation, position: int) -> bool:
    return len(operation.inputs) > position and bool(operation.inputs[position])


def _part_sizes(context: LoweringContext, operation: Operation, size: int) -> list[int]:
    if _has_input(operation, 1):
        return context.integers(operation, 1)
    if "split" in operation.attributes:
        return [int(part) for part in operation.attributes["split"]]
    count = len(operation.outputs)
    part = -(-size // count)
    return [part] * (count - 1) + [size - part * (count - 1)]


def _slice(context: LoweringContext, name: str, output: str, begin: list[int], extent: list[int]) -> None:
    value = context.value(name)
    if tuple(extent) == context.shape(name):
        context.values[output] = value
        return
    cut = [axis for axis, size in enumerate(extent) if size != context.shape(name)[axis]]
    if len(cut) == 1:
        context.parts[output] = Part(name, cut[0], begin[cut[0]], begin[cut[0]] + extent[cut[0]])
    first = context.constant(np.array([begin[dimension] for dimension in value.permutation]))
    size = context.constant(np.array([extent[dimension] for dimension in value.permutation]))
    result = context.emit("Slice", [value.reference, first, size], value.dtype, Index=_INTEGER)
    context.bind(output, result, value.permutation, dtype=value.dtype)
