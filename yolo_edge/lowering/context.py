"""State of one lowering: the TF.js nodes made so far, and where each ONNX value lives among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import ModelError, UnsupportedOperationError
from yolo_edge.lowering.layout import Permutation, identity, is_reshape, physical
from yolo_edge.quantization.codes import Codes, Encoding, Encodings, HalfFloat
from yolo_edge.tfjs.graph import Attribute, Node, Stored, StoredType, Weight, shape_json, type_attribute
from yolo_edge.tfjs.packing import PackedKernel

Array = npt.NDArray[Any]

_FEWEST_CODES = 256
"""Constants of fewer values stay as they are: their entry in the manifest would grow by what the shard saves."""


@dataclass(frozen=True)
class Value:
    """Where an ONNX value lives: a TF.js node output, and the layout of its dimensions.

    Attributes:
        reference: node name, ``"n7"``, or ``"n7:1"`` for a second output.
        permutation: physical dimension ``i`` holds logical dimension ``permutation[i]``.
        dtype: ``float32`` or ``int32`` (ONNX int64 becomes int32).
        is_repeated: the ONNX value is an index that repeats along its last axis, and the node output holds it once.
    """

    reference: str
    permutation: Permutation
    dtype: str = "float32"
    is_repeated: bool = False


@dataclass(frozen=True)
class KernelLayout:
    """How TF.js wants a kernel: reshaped, then transposed."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def applied(self, kernel: Array) -> Array:
        """Return the kernel in this layout."""
        return kernel.reshape(self.shape).transpose(self.axes)


def stored_form(encoding: Encoding) -> tuple[Array, Stored]:
    """Return what a shard holds for a quantized initializer, and how TF.js decodes it."""
    if isinstance(encoding, Codes):
        if encoding.axis is not None:
            raise ModelError("The stock weights manifest has one scale a tensor.", fix="Quantize per tensor.")
        scale = float(encoding.scale[0])
        dtype: StoredType = "uint16" if encoding.bits > 8 else "uint8"
        return encoding.codes, Stored(dtype, scale, -encoding.zero_point * scale)
    return encoding.values, Stored("float16")


def compact_form(array: Array) -> tuple[Array, Stored | None]:
    """Return what a shard holds for a constant: uint8 codes where they decode to the very same values, else itself.

    Anchors and strides are such constants: evenly spaced, at most 256 values, a quarter of the bytes as codes.
    """
    if array.dtype != np.float32 or array.size < _FEWEST_CODES:
        return array, None
    values = np.unique(array)
    if len(values) < 2 or len(values) > 256:
        return array, None
    stored = Stored("uint8", float(np.diff(values).min()), float(values[0]))
    codes = np.round((array.astype(np.float64) - stored.minimum) / stored.scale)
    if codes.max() > 255:
        return array, None
    compact = codes.astype(np.uint8)
    return (compact, stored) if np.array_equal(Weight("", compact, stored).decoded(), array) else (array, None)


@dataclass(frozen=True)
class Operation:
    """One ONNX node, with what an op rule needs to know of it."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def refuse(self, met: str) -> UnsupportedOperationError:
        """Make the error for something about this node that has no lowering."""
        return UnsupportedOperationError(
            f"ONNX node '{self.name}' ({self.op_type}): {met} has no TF.js lowering.",
            fix="Try --engine tensorflow, or report the model.",
        )


@dataclass(frozen=True)
class Part:
    """A slice along one axis: what it was taken from, and from where to where.

    Attributes:
        source: the ONNX value.
        axis: logical axis.
        start: first index.
        stop: index after the last.
    """

    source: str
    axis: int
    start: int
    stop: int


@dataclass
class LoweringContext:
    """Collects the TF.js graph while the op rules walk the ONNX graph.

    Attributes:
        shapes: logical shape of every ONNX value.
        constants: the ONNX values known at conversion time.
        encodings: quantized forms of initializers.
        used: how many nodes (or graph outputs) read each ONNX value.
        opset: version of the ONNX operator set that the model is written in.
        parts: ONNX value → the slice that it is.
    """

    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, Array]
    encodings: Encodings
    used: dict[str, int]
    opset: int
    nodes: list[Node] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    packed: list[PackedKernel] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    _constant_names: dict[Any, str] = field(default_factory=dict)
    _moved: dict[tuple[str, Permutation], str] = field(default_factory=dict)

    def emit(self, op: str, inputs: Sequence[str], dtype: str = "float32", /, **attributes: Attribute) -> str:
        """Add a node and return its name. ``T`` is set to ``dtype``."""
        name = f"n{len(self.nodes) - len(self.weights) - len(self.packed)}"
        self.nodes.append(Node(name, op, tuple(inputs), {"T": type_attribute(dtype), **attributes}))
        return name

    def bind(self, output: str, reference: str, permutation: Permutation, **details: Any) -> None:
        """Record where an ONNX value lives."""
        self.values[output] = Value(reference, tuple(permutation), **details)

    def shape(self, value: str) -> tuple[int, ...]:
        """Return the logical shape of an ONNX value.

        Raises:
            ModelError: shape inference could not tell it.
        """
        if value not in self.shapes:
            raise ModelError(
                f"The shape of '{value}' is not known before the model runs.", fix="Export it again with a fixed size."
            )
        return self.shapes[value]

    def is_constant(self, value: str) -> bool:
        """Tell whether an ONNX value is known at conversion time."""
        return value in self.constants

    def integers(self, operation: Operation, position: int) -> list[int]:
        """Return a constant integer input (shapes, axes, sizes) as a list.

        Raises:
            UnsupportedOperationError: it is computed at run time.
        """
        name = operation.inputs[position]
        if name not in self.constants:
            raise operation.refuse(f"input {position} ('{name}') that is computed at run time")
        return [int(value) for value in np.atleast_1d(self.constants[name])]

    def constant(self, array: Array) -> str:
        """Add a constant, or find the equal one made before; int64 becomes int32, float64 float32."""
        array = np.asarray(array)
        array = np.ascontiguousarray(array, np.int32 if array.dtype.kind in "iub" else np.float32).reshape(array.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constant_names:
            self._constant_names[key] = self._add(Weight(self._constant_name(), *compact_form(array)))
        return self._constant_names[key]

    def kernel(self, initializer: str, layout: KernelLayout) -> str:
        """Add a convolution kernel, in its quantized form if it has one.

        Args:
            initializer: name of the ONNX initializer.
            layout: how TF.js wants it.
        """
        key = ("kernel", initializer)
        if key not in self._constant_names:
            encoding = self.encodings.get(initializer)
            packs = isinstance(encoding, Codes) and encoding.axis is not None
            add = self._add_packed if packs else self._add_kernel
            self._constant_names[key] = add(initializer, layout)
        return self._constant_names[key]

    def _add_kernel(self, initializer: str, layout: KernelLayout) -> str:
        encoding, name = self.encodings.get(initializer), self._constant_name()
        if encoding is None:
            kernel = np.ascontiguousarray(layout.applied(self.constants[initializer]), np.float32)
            return self._add(Weight(name, *compact_form(kernel), initializer))
        values, stored = stored_form(encoding)
        return self._add(Weight(name, np.ascontiguousarray(layout.applied(values)), stored, initializer))

    def _add_packed(self, initializer: str, layout: KernelLayout) -> str:
        codes = self.encodings[initializer]
        assert isinstance(codes, Codes)
        name = f"k{len(self.packed)}"
        kernel = PackedKernel(name, codes.codes, codes.bits, codes.scale, layout.shape, layout.axes, initializer)
        self.packed.append(kernel)
        shape = tuple(layout.shape[axis] for axis in layout.axes)
        attributes = {"dtype": type_attribute(), "shape": {"shape": shape_json(shape)}}
        self.nodes.append(Node(name, "Placeholder", (), attributes))
        return name

    def bias(self, initializer: str) -> str:
        """Add a convolution's bias, as half floats where it is so encoded."""
        encoding = self.encodings.get(initializer)
        if not isinstance(encoding, HalfFloat):
            return self.constant(self.constants[initializer])
        key = ("bias", initializer)
        if key not in self._constant_names:
            weight = Weight(self._constant_name(), *stored_form(encoding), initializer)
            self._constant_names[key] = self._add(weight)
        return self._constant_names[key]

    def _constant_name(self) -> str:
        return f"c{len(self.weights)}"

    def _add(self, weight: Weight) -> str:
        self.weights.append(weight)
        self.nodes.append(weight.const_node())
        return weight.name

    def value(self, name: str) -> Value:
        """Return where an ONNX value lives; constants are added to the graph in their logical order.

        Raises:
            ModelError: the value is made by no node.
        """
        if name in self.constants:
            array = self.constants[name]
            dtype = "int32" if array.dtype.kind in "iub" else "float32"
            return Value(self.constant(array), identity(array.ndim), dtype)
        if name not in self.values:
            raise ModelError(f"The graph reads '{name}' before any node makes it.", fix="Check it with onnx.checker.")
        return self.values[name]

    def laid_out(self, name: str, permutation: Permutation) -> str:
        """Return a reference to an ONNX value in the wanted layout, moving data only where that is needed."""
        if name in self.constants:
            return self.constant(np.transpose(self.constants[name], permutation))
        value = self.value(name)
        if value.permutation == tuple(permutation):
            return value.reference
        key = (name, tuple(permutation))
        if key not in self._moved:
            self._moved[key] = self._move(value, self.shape(name), tuple(permutation))
        return self._moved[key]

    def _move(self, value: Value, shape: tuple[int, ...], permutation: Permutation) -> str:
        if is_reshape(shape, value.permutation, permutation):
            return self.reshape(value.reference, physical(shape, permutation), value.dtype)
        axes = [value.permutation.index(dimension) for dimension in permutation]
        return self.emit(
            "Transpose", [value.reference, self.constant(np.array(axes))], value.dtype, Tperm=type_attribute("int32")
        )

    def reshape(self, reference: str, shape: Sequence[int], dtype: str = "float32") -> str:
        """Add a reshape to a physical shape."""
        target = self.constant(np.array(shape, np.int32))
        return self.emit("Reshape", [reference, target], dtype, Tshape=type_attribute("int32"))
