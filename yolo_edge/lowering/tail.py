"""The end of a raw pose head as one matrix: fewer operations, and none on slices of one or two values.

Behind its last convolutions a YOLO head cuts boxes, scores and keypoints apart, moves them to pixels, and joins them
again: thirty operations, of which those that cut the keypoints into ``x, y`` and visibility take 9 % of a frame on wasm
(320 px), where a slice copies row by row. All of it is affine, but for two sigmoids and a softmax. So it is one 1x1
convolution of the *basis* tensors (bins of the box after the softmax, keypoints as they come, their sigmoids, scores),
of those times the stride, and of where the anchors are. :mod:`yolo_edge.lowering.affine` finds its kernel by running
the tail, not by knowing what it means. A tail that is something else is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.lowering.affine import AffineForm, Array, find_affine_form

if TYPE_CHECKING:
    import onnx

_MOVES = {"Reshape", "Slice", "Transpose", "Squeeze", "Unsqueeze"}
_SUMS = {"Add", "Sub"}
_SCALINGS = {"Mul", "Div"}
_FEWEST_SAVED = 8
"""Operations that the matrix must stand for: it takes six itself."""


@dataclass(frozen=True)
class _Basis:
    """A tensor that the tail is affine in.

    Attributes:
        name: the ONNX value.
        shape: its logical shape.
        order: its dimensions, that of the anchors last; those before make up the values of an anchor.
    """

    name: str
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def units(self) -> int:
        """Values an anchor."""
        return int(np.prod([self.shape[axis] for axis in self.order[:-1]]))

    def arranged(self, values: Array) -> npt.NDArray[np.float32]:
        """Return ``[units, anchors]`` in the tensor's own shape."""
        ordered = values.reshape([self.shape[axis] for axis in self.order])
        return np.ascontiguousarray(ordered.transpose(np.argsort(self.order)), np.float32)


class _Graph:
    """An ONNX graph, by its values."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import shape_inference

        self.model = shape_inference.infer_shapes(model)
        graph = self.model.graph
        self.output = graph.output[0].name
        self.maker = {name: node for node in graph.node for name in node.output}
        known = [*graph.value_info, *graph.output, *graph.input]
        self.shapes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in known}
        constant = {name for node in graph.node if node.op_type == "Constant" for name in node.output}
        self.constants = {tensor.name for tensor in graph.initializer} | constant

    def computed(self, node: onnx.NodeProto) -> list[str]:
        """Return the inputs of a node that are not known before it runs."""
        return [name for name in node.input if name and name not in self.constants]


def fuse_tail(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write the end of a raw head as one convolution.

    Args:
        model: slimmed, of static shape.

    Returns:
        A model that computes the same, or ``model`` itself where its end has another form.
    """
    graph = _Graph(_sigmoids_before_moves(model))
    shape = graph.shapes[graph.output]
    if len(graph.model.graph.output) != 1 or len(shape) != 3 or shape[2] < 2:
        return model
    tail, names = _walk(graph, shape[2])
    bases = [_basis(graph, name, shape[2]) for name in names]
    if len(tail) < _FEWEST_SAVED or not names or any(basis is None for basis in bases):
        return model
    found = [basis for basis in bases if basis is not None]
    tail_of = _Tail(graph, found)
    form = find_affine_form(tail_of, tail_of.units, shape[2])
    return model if form is None else _rewritten(graph, found, form)


def _sigmoids_before_moves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take the sigmoid of a whole tensor instead of a part of it: ``sigmoid(move(x)) → move(sigmoid(x))``."""
    import onnx

    graph = _Graph(model)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes: list[Any] = []
    for node in model.graph.node:
        chain = _moves_below(graph, node) if node.op_type == "Sigmoid" else []
        if not any(move.op_type == "Slice" for move in chain):
            nodes.append(node)
            continue
        source, made = chain[-1].input[0], f"{node.output[0]}/whole"
        nodes.append(onnx.helper.make_node("Sigmoid", [source], [made], name=f"{node.name}/whole"))
        for index, move in enumerate(reversed(chain)):
            copy = onnx.NodeProto()
            copy.CopyFrom(move)
            copy.name = f"{node.name}/move{index}"
            copy.input[0] = made
            made = node.output[0] if index == len(chain) - 1 else f"{node.output[0]}/move{index}"
            copy.output[0] = made
            nodes.append(copy)
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def _moves_below(graph: _Graph, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the moves that a node's input went through, the last one first."""
    chain = []
    while (node.input[0] in graph.maker) and (node := graph.maker[node.input[0]]).op_type in _MOVES:
        chain.append(node)
    return chain


def _walk(graph: _Graph, anchors: int) -> tuple[list[onnx.NodeProto], list[str]]:
    """Return the affine operations before the output, and the values that they begin with."""
    tail: list[onnx.NodeProto] = []
    bases: list[str] = []
    seen: set[str] = set()
    stack = [graph.output]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        node = graph.maker.get(name)
        if node is not None and _is_affine(graph, node, anchors):
            tail.append(node)
            stack.extend(graph.computed(node))
        else:
            bases.append(name)
    return tail, sorted(bases, key=list(graph.shapes).index)


def _is_affine(graph: _Graph, node: onnx.NodeProto, anchors: int) -> bool:
    """Tell whether an operation is affine, and keeps anchors apart as far as its shapes tell."""
    computed = graph.computed(node)
    if not all(anchors in graph.shapes.get(name, ()) for name in computed):
        return False
    if node.op_type == "Conv":
        maker = graph.maker.get(node.input[0])
        return maker is not None and maker.op_type == "Softmax" and len(computed) == 1
    return (
        node.op_type in _MOVES | _SUMS
        or node.op_type == "Concat"
        or (node.op_type in _SCALINGS and len(computed) == 1 and node.input[0] == computed[0])
    )


def _basis(graph: _Graph, name: str, anchors: int) -> _Basis | None:
    shape = graph.shapes.get(name, ())
    if shape.count(anchors) != 1 or not shape or shape[0] != 1:
        return None
    axis = shape.index(anchors)
    maker = graph.maker.get(name)
    inner = -1
    if maker is not None and maker.op_type == "Softmax":  # its axis lies innermost in TF.js
        inner = next((entry.i for entry in maker.attribute if entry.name == "axis"), -1) % len(shape)
    if inner == axis:
        return None
    others = [index for index in range(len(shape)) if index not in (axis, inner)]
    return _Basis(name, shape, (*others, *([inner] if inner >= 0 else []), axis))


class _Tail:
    """Runs the tail on values of its bases."""

    def __init__(self, graph: _Graph, bases: Sequence[_Basis]) -> None:
        import onnxruntime
        from onnx.utils import Extractor

        part = Extractor(graph.model).extract_model([basis.name for basis in bases], [graph.output])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of constants that the part does not read
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._bases = bases

    def __call__(self, values: Array) -> Array:
        """Return the output ``[C, N]`` of values ``[K, N]``."""
        feed, start = {}, 0
        for basis in self._bases:
            feed[basis.name] = basis.arranged(values[start : start + basis.units])
            start += basis.units
        output: Array = self._session.run(None, feed)[0][0].astype(np.float64)
        return output

    @property
    def units(self) -> int:
        """Values an anchor, of all bases."""
        return sum(basis.units for basis in self._bases)


def _rewritten(graph: _Graph, bases: Sequence[_Basis], form: AffineForm) -> onnx.ModelProto:
    """Return the model with the matrix in place of its tail."""
    import onnx
    from onnx import helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(graph.model)
    nodes = [node for node in made.graph.node if graph.output not in node.output]  # the rest of the tail dies of itself
    writer = _Writer(nodes, made.graph.initializer, numpy_helper, helper)
    parts, columns = _features(writer, bases, form)
    channels, anchors = len(form.matrix), len(form.gain)
    joined = writer.node("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
    kernel = np.concatenate(columns, axis=1).astype(np.float32)[:, :, None, None]
    # Height 1 and width N, so that WebGL, which packs the last two dimensions, need not rearrange them.
    flat = writer.node("Reshape", [joined, writer.constant(np.array([1, kernel.shape[1], 1, anchors]))])
    result = writer.node("Conv", [flat, writer.constant(kernel)], kernel_shape=[1, 1])
    writer.node("Reshape", [result, writer.constant(np.array([1, channels, anchors]))], output=graph.output)
    live = _live(writer.nodes, graph.output)
    del made.graph.node[:]
    made.graph.node.extend(node for node in writer.nodes if live.intersection(node.output))
    return made


def _live(nodes: Sequence[onnx.NodeProto], output: str) -> set[str]:
    """Return the values that an output needs."""
    maker = {name: node for node in nodes for name in node.output}
    live: set[str] = set()
    stack = [output]
    while stack:
        name = stack.pop()
        if name not in live:
            live.add(name)
            stack.extend(maker[name].input if name in maker else ())
    return live


def _features(writer: _Writer, bases: Sequence[_Basis], form: AffineForm) -> tuple[list[str], list[Array]]:
    """Write what the convolution reads; return the values, and the kernel's columns for each."""
    anchors = len(form.gain)
    gain = writer.constant(form.gain.astype(np.float32).reshape(1, 1, anchors))
    parts: list[str] = []
    columns: list[Array] = []
    start = 0
    for basis in bases:
        block = form.matrix[:, start : start + basis.units]
        start += basis.units
        ordered = basis.name
        if basis.order != tuple(sorted(basis.order)):
            ordered = writer.node("Transpose", [ordered], perm=list(basis.order))
        if basis.shape != (1, basis.units, anchors) or ordered != basis.name:
            ordered = writer.node("Reshape", [ordered, writer.constant(np.array([1, basis.units, anchors]))])
        for rows, times_gain in ((form.scaled, True), (~form.scaled, False)):
            column = np.where(rows[:, None], block, 0.0)
            if column.any():
                parts.append(writer.node("Mul", [ordered, gain]) if times_gain else ordered)
                columns.append(column)
    factor = form.gain if form.scaled.any() else np.ones(anchors)
    uniform, *others = np.abs(form.mixture).max(axis=0) > 0
    if uniform:  # the first row is 1 everywhere, so times the gain it is the gain
        parts.append(gain if form.scaled.any() else writer.constant(np.ones((1, 1, anchors), np.float32)))
        columns.append(form.mixture[:, :1])
    if any(others):
        # On their own they are evenly spaced, which is stored in a byte each.
        rows = factor * form.rows[1:][others]
        parts.append(writer.constant(rows.astype(np.float32)[None]))
        columns.append(form.mixture[:, 1:][:, others])
    return parts, columns


class _Writer:
    """Adds nodes and constants to a graph."""

    def __init__(self, nodes: list[Any], initializers: Any, numpy_helper: Any, helper: Any) -> None:
        self.nodes = nodes
        self._initializers, self._numpy, self._helper = initializers, numpy_helper, helper
        self._count = 0

    def node(self, op: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return its output."""
        name = output or self._name()
        self.nodes.append(self._helper.make_node(op, list(inputs), [name], name=f"{name}/node", **attributes))
        return name

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add an initializer and return its name."""
        name = self._name()
        self._initializers.append(self._numpy.from_array(values, name))
        return name

    def _name(self) -> str:
        self._count += 1
        return f"/tail/{self._count}"
