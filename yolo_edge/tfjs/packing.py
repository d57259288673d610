"""Packed kernels, and the initializer graph that decodes them once, when the model first runs.

The weights manifest has one scale a tensor and no type below uint8. But a graph model may hold a second graph,
``modelInitializer``: TF.js runs it before the first prediction and hands its outputs to the main graph as captured
inputs (``tfjs-converter/src/executor/graph_model.ts``, ``executeInitializerGraph``; TF.js ≥ 4.0). So codes of any width
with a scale for each output channel load with plain ``tf.loadGraphModel``, and cost nothing afterwards.

What is stored, and what the initializer makes of it:

* the 4-bit codes of all kernels, two a byte, the first half of them in the high nibbles: ``high = floor(byte / 16)``,
  ``low = byte − 16 · high``; then ``x = code − 7.5`` and ``x · (1 + curve · x²)``, levels that are finer around 0. They
  are one tensor ``[rows, 64]``, in which a kernel starts at a new row;
* the 8-bit codes of each kernel, signed; of 16-bit codes the low bytes, and behind those of all kernels the high ones,
  which the loader multiplies by 256;
* one scale an output channel.

Codes stand in the order of the ONNX kernel, which compresses 1 % better than TensorFlow's.

TF.js' WebAssembly backend copies a whole tensor for each piece that is taken from it (``tfjs-backend-wasm/src/kernels/
Slice.ts``). So nothing large is cut into many pieces: 8-bit codes are a tensor a kernel, and levels are cut twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import ModelError
from yolo_edge.tfjs.graph import (
    Attribute,
    Captured,
    Initializer,
    Node,
    Stored,
    Weight,
    integer_attribute,
    node_name,
    type_attribute,
)

Array = npt.NDArray[Any]

ROW = 64
NIBBLE_ZERO = 7.5
_ZERO = {8: 128, 16: 32768}
_MOST_UINT16 = 65535
HIGHEST_DEEP = 65407
"""Largest code of 16 bits: both of its bytes are signed, 127 · 256 + 127 above the code of 0."""


@dataclass(frozen=True)
class PackedKernel:
    """One kernel to decode.

    Attributes:
        name: the placeholder that it is handed to the main graph as.
        codes: unsigned codes ``[out, …]`` in the order of the ONNX kernel.
        bits: 4, 8 or 16; the code of 0 is 7.5, 128 and 32768. Codes of 16 bits end at :data:`HIGHEST_DEEP`.
        scales: float ``[out]``.
        shape: what to reshape the decoded kernel to.
        axes: how to transpose that.
        initializer: name of the ONNX initializer.
    """

    name: str
    codes: Array
    bits: int
    scales: Array
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    initializer: str

    @property
    def rows(self) -> int:
        """Rows that codes of 4 bits take."""
        return -(-self.codes.size // ROW)


@dataclass
class _Builder:
    nodes: list[Node] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    _integers: dict[bytes, str] = field(default_factory=dict)

    def emit(self, op: str, inputs: Sequence[str], /, **attributes: Attribute) -> str:
        name = f"i{len(self.nodes)}"
        self.nodes.append(Node(name, op, tuple(inputs), {"T": type_attribute(), **attributes}))
        return name

    def weight(self, values: Array, stored: Stored | None = None) -> str:
        name = f"p{len(self.weights)}"
        weight = Weight(name, values, stored)
        self.weights.append(weight)
        self.nodes.append(weight.const_node())
        return name

    def integers(self, values: Sequence[int] | int) -> str:
        array = np.array(values, np.int32)
        key = bytes([array.ndim]) + array.tobytes()
        if key not in self._integers:
            self._integers[key] = self.weight(array)
        return self._integers[key]

    def number(self, value: float) -> str:
        return self.weight(np.array(value, np.float32))

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        if len(sizes) == 1:
            return [value]
        attributes = {"num_split": integer_attribute(len(sizes)), "Tlen": type_attribute("int32")}
        name = self.emit("SplitV", [value, self.integers(sizes), self.integers(0)], **attributes)
        return [name if index == 0 else f"{name}:{index}" for index in range(len(sizes))]

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        return self.emit("Reshape", [value, self.integers(shape)], Tshape=type_attribute("int32"))

    def joined(self, values: Sequence[str]) -> str:
        attributes = {"N": integer_attribute(len(values)), "Tidx": type_attribute("int32")}
        return self.emit("ConcatV2", [*values, self.integers(0)], **attributes)


def pack_kernels(kernels: Sequence[PackedKernel], curve: float) -> Initializer:
    """Store kernels, and build the graph that decodes them.

    Args:
        kernels: all of a model's packed kernels; at least one.
        curve: how much finer the levels of 4-bit codes are around 0.
    """
    builder = _Builder()
    parts = _bytes(builder, [kernel for kernel in kernels if kernel.bits > 4])
    narrow = [kernel for kernel in kernels if kernel.bits == 4]
    if narrow:
        pieces = _cut_twice(builder, _nibbles(builder, narrow, curve), _sizes(narrow))
        parts |= {kernel.name: _unpadded(builder, kernel, piece) for kernel, piece in zip(narrow, pieces, strict=False)}
    scales = _scales(builder, np.concatenate([kernel.scales for kernel in kernels]))
    channels = builder.split(scales, [len(kernel.scales) for kernel in kernels])
    outputs = {
        kernel.name: Captured(_decoded(builder, kernel, parts[kernel.name], scale), _final_shape(kernel))
        for kernel, scale in zip(kernels, channels, strict=True)
    }
    return Initializer(tuple(builder.nodes), tuple(builder.weights), outputs)


def _nibbles(builder: _Builder, kernels: Sequence[PackedKernel], curve: float) -> str:
    """Store 4-bit codes and unpack them to levels ``[rows, 64]``."""
    codes = _rows([kernel.codes for kernel in kernels], filler=8)
    if len(codes) % 2:
        codes = np.concatenate([codes, np.full((1, ROW), 8, codes.dtype)])
    high, low = np.split(codes.astype(np.uint8), 2)
    packed = builder.weight(high * np.uint8(16) + low, Stored("uint8", 1.0, 0.0))
    sixteen = builder.number(16.0)
    upper = builder.emit("Floor", [builder.emit("Mul", [packed, builder.number(1 / 16)])])
    lower = builder.emit("Sub", [packed, builder.emit("Mul", [upper, sixteen])])
    centred = builder.emit("Sub", [builder.joined([upper, lower]), builder.number(NIBBLE_ZERO)])
    square = builder.emit("Mul", [builder.emit("Mul", [centred, centred]), builder.number(curve)])
    return builder.emit("Mul", [centred, builder.emit("AddV2", [square, builder.number(1.0)])])


def _sizes(kernels: Sequence[PackedKernel]) -> list[int]:
    """Rows of each kernel of nibbles, and of what fills up the last pair of rows."""
    sizes = [kernel.rows for kernel in kernels]
    return [*sizes, 1] if sum(sizes) % 2 else sizes


def _cut_twice(builder: _Builder, value: str, sizes: Sequence[int]) -> list[str]:
    """Cut rows into pieces by way of a few larger ones: about the square root of their number."""
    groups = _groups(sizes, round(len(sizes) ** 0.5))
    larger = builder.split(value, [sum(group) for group in groups])
    return [piece for part, group in zip(larger, groups, strict=True) for piece in builder.split(part, group)]


def _groups(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Part consecutive sizes into at most ``count`` groups of about the same sum."""
    groups: list[list[int]] = []
    total, passed = sum(sizes), 0
    for size in sizes:
        if not groups or passed * count >= total * len(groups):
            groups.append([])
        groups[-1].append(size)
        passed += size
    return groups


def _bytes(builder: _Builder, kernels: Sequence[PackedKernel]) -> dict[str, str]:
    """Store signed bytes: all low ones, then the high ones of 16-bit codes; kernel → node with its codes."""
    signed = {kernel.name: kernel.codes.astype(np.int32) - _ZERO[kernel.bits] for kernel in kernels}
    high = {kernel.name: (signed[kernel.name] + 128) >> 8 for kernel in kernels if kernel.bits == 16}
    assert all(part.max(initial=0) <= 127 for part in high.values()), "a code above HIGHEST_DEEP"
    low = {name: codes - 256 * high.get(name, np.int32(0)) for name, codes in signed.items()}
    parts = {name: _signed_weight(builder, codes, 1.0) for name, codes in low.items()}
    above = {name: _signed_weight(builder, codes, 256.0) for name, codes in high.items()}
    return parts | {name: builder.emit("AddV2", [parts[name], node]) for name, node in above.items()}


def _signed_weight(builder: _Builder, codes: Array, unit: float) -> str:
    return builder.weight((codes + 128).astype(np.uint8), Stored("uint8", unit, -128 * unit))


def _rows(arrays: Sequence[Array], filler: int) -> Array:
    """Lay arrays out in rows of 64, each starting at a new one."""
    padded = [np.pad(array.ravel(), (0, -array.size % ROW), constant_values=filler) for array in arrays]
    rows: Array = np.concatenate(padded).reshape(-1, ROW)
    return rows


def _scales(builder: _Builder, scales: Array) -> str:
    """Store scales ``[channels, 1, 1, 1]``: as uint16 multiples of a power of two where all are such."""
    column = scales.astype(np.float32).reshape(-1, 1, 1, 1)
    _, exponents = np.frexp(column.astype(np.float64))
    for bits in range(1, 9):
        unit = float(np.ldexp(1.0, int(exponents.min()) - bits))
        codes = column / unit
        if np.array_equal(codes, np.round(codes)) and codes.max() <= _MOST_UINT16:
            return builder.weight(codes.astype(np.uint16), Stored("uint16", unit, 0.0))
    return builder.weight(column)


def _unpadded(builder: _Builder, kernel: PackedKernel, rows: str) -> str:
    """Give rows the shape of the kernel's codes, without what fills the last row."""
    if kernel.codes.size % ROW:
        flat = builder.reshape(rows, [kernel.rows * ROW])
        begin, size = builder.integers([0]), builder.integers([kernel.codes.size])
        rows = builder.emit("Slice", [flat, begin, size], Index=type_attribute("int32"))
    return builder.reshape(rows, kernel.codes.shape)


def _decoded(builder: _Builder, kernel: PackedKernel, codes: str, scale: str) -> str:
    value = builder.emit("Mul", [codes, scale])
    if kernel.shape != kernel.codes.shape:
        value = builder.reshape(value, kernel.shape)
    return builder.emit("Transpose", [value, builder.integers(kernel.axes)], Tperm=type_attribute("int32"))


def _final_shape(kernel: PackedKernel) -> tuple[int, ...]:
    return tuple(kernel.shape[axis] for axis in kernel.axes)


def run_initializer(initializer: Initializer) -> dict[str, npt.NDArray[np.float32]]:
    """Compute in float32 what an initializer graph hands to the main graph: placeholder name → array.

    Raises:
        ModelError: it holds an operation that :func:`pack_kernels` does not write.
    """
    values: dict[str, Array | list[Array]] = {weight.name: weight.decoded() for weight in initializer.weights}
    for node in initializer.nodes:
        if node.op == "Const":
            continue
        if node.op not in _OPERATIONS:
            raise ModelError(
                f"The initializer graph holds a {node.op}, which yolo-edge does not write.",
                fix="Convert the weights again.",
            )
        values[node.name] = _OPERATIONS[node.op](*[_value(values, reference) for reference in node.inputs])
    return {name: np.asarray(values[captured.node], np.float32) for name, captured in initializer.outputs.items()}


def _value(values: Mapping[str, Array | list[Array]], reference: str) -> Array:
    value = values[node_name(reference)]
    if isinstance(value, list):
        return value[int(reference.partition(":")[2] or 0)]
    return value


_OPERATIONS: dict[str, Any] = {
    "AddV2": np.add,
    "ConcatV2": lambda *inputs: np.concatenate(inputs[:-1], int(inputs[-1])),
    "Floor": np.floor,
    "Mul": np.multiply,
    "Reshape": lambda value, shape: value.reshape(shape),
    "Slice": lambda value, begin, size: value[tuple(slice(b, b + s) for b, s in zip(begin, size, strict=True))],
    "SplitV": lambda value, sizes, axis: np.split(value, np.cumsum(sizes)[:-1], int(axis)),
    "Sub": np.subtract,
    "Transpose": np.transpose,
}
