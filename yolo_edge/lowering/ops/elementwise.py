"""Operations on each element: activations, arithmetic with broadcasting, casts."""

from __future__ import annotations

from math import prod

import numpy as np

from yolo_edge.lowering.context import LoweringContext, Operation
from yolo_edge.lowering.layout import NHWC, Permutation, identity
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import type_attribute

_UNARY = {
    "Abs": "Abs",
    "Exp": "Exp",
    "Floor": "Floor",
    "Neg": "Neg",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Sqrt": "Sqrt",
    "Tanh": "Tanh",
}
_BINARY = {"Add": "AddV2", "Div": "RealDiv", "Max": "Maximum", "Min": "Minimum", "Mul": "Mul", "Sub": "Sub"}
_ONNX_FLOAT, _ONNX_INTEGERS = 1, (6, 7)


@lowers(*_UNARY)
def lower_unary(context: LoweringContext, operation: Operation) -> None:
    """One input, same layout out."""
    value = context.value(operation.inputs[0])
    result = context.emit(_UNARY[operation.op_type], [value.reference], value.dtype)
    context.bind(operation.outputs[0], result, value.permutation, dtype=value.dtype)


@lowers("Identity", "Dropout", attributes=("seed",))
def lower_identity(context: LoweringContext, operation: Operation) -> None:
    """Nothing to do at inference: the output is the input."""
    context.values[operation.outputs[0]] = context.value(operation.inputs[0])


@lowers("LeakyRelu", attributes=("alpha",))
def lower_leaky_relu(context: LoweringContext, operation: Operation) -> None:
    """``LeakyRelu`` with its slope."""
    value = context.value(operation.inputs[0])
    slope = {"f": float(operation.attributes.get("alpha", 0.01))}
    context.bind(operation.outputs[0], context.emit("LeakyRelu", [value.reference], alpha=slope), value.permutation)


@lowers("HardSwish", "HardSigmoid", attributes=("alpha", "beta"))
def lower_hard_activation(context: LoweringContext, operation: Operation) -> None:
    """``clip(alpha·x + beta, 0, 1)``, for HardSwish times x (ONNX operator specification)."""
    value = context.value(operation.inputs[0])
    is_swish = operation.op_type == "HardSwish"
    alpha = operation.attributes.get("alpha", 1 / 6 if is_swish else 0.2)
    scaled = context.emit("Mul", [value.reference, context.constant(np.array(alpha, np.float32))])
    shifted = context.emit("AddV2", [scaled, context.constant(np.array(operation.attributes.get("beta", 0.5)))])
    capped = context.emit("Minimum", [shifted, context.constant(np.array(1.0))])
    result = context.emit("Relu", [capped])
    if is_swish:
        result = context.emit("Mul", [result, value.reference])
    context.bind(operation.outputs[0], result, value.permutation)


@lowers(*_BINARY)
def lower_binary(context: LoweringContext, operation: Operation) -> None:
    """Two inputs with broadcasting, in the layout of the larger one."""
    if len(operation.inputs) != 2:
        raise operation.refuse(f"{len(operation.inputs)} inputs")
    permutation = _common_layout(context, operation)
    left, right = (_operand(context, operation, name, permutation) for name in operation.inputs)
    dtype = _common_dtype(context, operation)
    op = "FloorDiv" if operation.op_type == "Div" and dtype == "int32" else _BINARY[operation.op_type]
    context.bind(operation.outputs[0], context.emit(op, [left, right], dtype), permutation, dtype=dtype)


@lowers("Mod", attributes=("fmod",))
def lower_mod(context: LoweringContext, operation: Operation) -> None:
    """Integer remainder by a positive constant, in float32, which every backend has: ``a − floor((a + 0.5) / b)·b``.

    The half keeps the quotient off whole numbers, since a GPU may be 2.5 units in the last place off (GLSL ES 3.0,
    section 4.5.1): the remainder is exact for whole numbers below 2**20.
    """
    name, divisor_name = operation.inputs
    value = context.value(name)
    if operation.attributes.get("fmod", 0) or not context.is_constant(divisor_name):
        raise operation.refuse("a floating point or run time divisor")
    divisor = context.constants[divisor_name]
    if divisor.size != 1 or divisor.reshape(()) <= 0:
        raise operation.refuse("a divisor of several values, or one that is not positive")
    number = _cast(context, value.reference, value.dtype, "float32")
    by = context.constant(np.array(float(divisor.reshape(())), np.float32))
    between = context.emit("AddV2", [number, context.constant(np.array(0.5))])
    whole = context.emit("Floor", [context.emit("RealDiv", [between, by])])
    rest = context.emit("Sub", [number, context.emit("Mul", [whole, by])])
    context.bind(operation.outputs[0], rest, value.permutation)


@lowers("Cast", attributes=("to", "saturate"))
def lower_cast(context: LoweringContext, operation: Operation) -> None:
    """Casts between float32 and integers; a cast to what the value is already costs nothing."""
    value, target = context.value(operation.inputs[0]), operation.attributes["to"]
    if target != _ONNX_FLOAT and target not in _ONNX_INTEGERS:
        raise operation.refuse(f"a cast to ONNX type {target}")
    dtype = "float32" if target == _ONNX_FLOAT else "int32"
    result = _cast(context, value.reference, value.dtype, dtype)
    context.bind(operation.outputs[0], result, value.permutation, dtype=dtype, is_repeated=value.is_repeated)


def _cast(context: LoweringContext, reference: str, source: str, target: str) -> str:
    if source == target:
        return reference
    return context.emit("Cast", [reference], SrcT=type_attribute(source), DstT=type_attribute(target))


def _common_layout(context: LoweringContext, operation: Operation) -> Permutation:
    """The layout of the largest computed input of full rank; of equal ones a convolution's, as one likely follows."""
    rank = len(context.shape(operation.outputs[0]))
    computed = [name for name in operation.inputs if not context.is_constant(name)]
    full = [name for name in computed if len(context.shape(name)) == rank]
    if len(full) != len(computed) or not full:
        if all(prod(context.shape(name)) == 1 for name in computed if name not in full):
            return identity(rank)
        raise operation.refuse("broadcasting of a computed value of lower rank")
    largest = max(full, key=lambda name: (prod(context.shape(name)), context.value(name).permutation == NHWC))
    return context.value(largest).permutation


def _common_dtype(context: LoweringContext, operation: Operation) -> str:
    computed = {context.value(name).dtype for name in operation.inputs if not context.is_constant(name)}
    if len(computed) > 1:
        raise operation.refuse("inputs of different types")
    return computed.pop() if computed else "float32"


def _operand(context: LoweringContext, operation: Operation, name: str, permutation: Permutation) -> str:
    if not context.is_constant(name):
        if len(context.shape(name)) == len(permutation):
            return context.laid_out(name, permutation)
        return context.value(name).reference
    array = context.constants[name]
    if array.size == 1:
        return context.constant(array.reshape(()))
    padded = array.reshape((1,) * (len(permutation) - array.ndim) + array.shape)
    return context.constant(padded.transpose(permutation))
