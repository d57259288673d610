"""A TensorFlow.js graph model in memory: nodes, weights, signature.

The names follow the TensorFlow ``GraphDef`` that the format mirrors (``tensorflow/core/framework/node_def.proto``) and
the TF.js converter's reader (``tfjs-converter/src/operations/operation_mapper.ts``): a node has an ``op``, ``inputs``
(``"name"`` or ``"name:1"`` for the second output) and attributes.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Attribute = dict[str, Any]
StoredType = Literal["uint8", "uint16", "float16"]

_TYPE_NAMES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}


def type_name(dtype: str) -> str:
    """Return the GraphDef name of a dtype: ``float32`` → ``DT_FLOAT``."""
    return _TYPE_NAMES[dtype]


def type_attribute(dtype: str = "float32") -> Attribute:
    """Make a ``type`` attribute."""
    return {"type": type_name(dtype)}


def string_attribute(text: str) -> Attribute:
    """Make a string attribute (base64, as protobuf's JSON form has bytes)."""
    return {"s": _base64(text)}


def strings_attribute(texts: Iterable[str]) -> Attribute:
    """Make a list-of-strings attribute."""
    return {"list": {"s": [_base64(text) for text in texts]}}


def integer_attribute(value: int) -> Attribute:
    """Make an integer attribute (a string, as protobuf's JSON form has int64)."""
    return {"i": str(int(value))}


def integers_attribute(values: Iterable[int]) -> Attribute:
    """Make a list-of-integers attribute."""
    return {"list": {"i": [str(int(value)) for value in values]}}


def flag_attribute(value: bool) -> Attribute:
    """Make a boolean attribute."""
    return {"b": bool(value)}


def shape_json(shape: Sequence[int]) -> dict[str, Any]:
    """Return a shape as protobuf's JSON form of ``TensorShapeProto``."""
    return {"dim": [{"size": str(int(size))} for size in shape]}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the node as ``model.json`` holds it."""
        inputs = {"input": list(self.inputs)} if self.inputs else {}
        return {"name": self.name, "op": self.op, **inputs, "attr": dict(self.attributes)}


@dataclass(frozen=True)
class Stored:
    """How a weight's bytes become float32 values.

    ``value = code · scale + minimum`` for ``uint8`` and ``uint16``; a plain cast for ``float16``. Computed in double
    precision and rounded to float32 once (``tfjs-core/src/io/io_utils.ts``, ``decodeWeights``).
    """

    dtype: StoredType
    scale: float = 1.0
    minimum: float = 0.0


@dataclass(frozen=True)
class Weight:
    """A constant of the graph.

    Attributes:
        name: name of its ``Const`` node.
        values: what the shard holds: float32 or int32 values, or the codes that ``stored`` explains.
        stored: None for plain values.
        initializer: name of the ONNX initializer it was made from, if any.
    """

    name: str
    values: npt.NDArray[Any]
    stored: Stored | None = None
    initializer: str | None = None

    @property
    def dtype(self) -> str:
        """Dtype after decoding: ``float32`` or ``int32``."""
        return "float32" if self.stored else str(self.values.dtype)

    def decoded(self) -> npt.NDArray[Any]:
        """Return the values as TF.js sees them after loading."""
        if self.stored is None:
            return self.values
        if self.stored.dtype == "float16":
            return self.values.astype(np.float32)
        return (self.values.astype(np.float64) * self.stored.scale + self.stored.minimum).astype(np.float32)

    def const_node(self) -> Node:
        """Return the ``Const`` node that stands for the weight."""
        tensor = {"dtype": type_name(self.dtype), "tensorShape": shape_json(self.values.shape)}
        return Node(self.name, "Const", (), {"dtype": type_attribute(self.dtype), "value": {"tensor": tensor}})


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the signature."""

    node: str
    dtype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the tensor info as the signature holds it."""
        return {"name": f"{self.node}:0", "dtype": type_name(self.dtype), "tensorShape": shape_json(self.shape)}


@dataclass(frozen=True)
class Captured:
    """A tensor that the initializer graph makes and the main graph reads.

    Attributes:
        node: the node of the initializer graph that makes it.
        shape: its shape; float32.
    """

    node: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Initializer:
    """A graph that runs once, before the first prediction.

    Attributes:
        nodes: in an order in which every node follows its inputs.
        weights: one a ``Const`` node.
        outputs: placeholder of the main graph → what it is fed with.
    """

    nodes: tuple[Node, ...]
    weights: tuple[Weight, ...]
    outputs: Mapping[str, Captured]


@dataclass(frozen=True)
class GraphModel:
    """A whole graph model, ready to be written.

    Attributes:
        nodes: in an order in which every node follows its inputs.
        weights: one a ``Const`` node, in shard order.
        inputs: signature key → placeholder; the first one is the image.
        outputs: signature key → result.
        producer: who made it, written into ``model.json``.
        initializer: what makes the captured placeholders' values, if there are any.
    """

    nodes: tuple[Node, ...]
    weights: tuple[Weight, ...]
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    producer: str = "yolo-edge"
    initializer: Initializer | None = None

    def stored_weights(self) -> tuple[Weight, ...]:
        """Return all weights in shard order: the main graph's, then the initializer's."""
        return self.weights + (self.initializer.weights if self.initializer else ())

    def operations(self) -> Counter[str]:
        """Count the operations that run: every node but constants and placeholders."""
        return Counter(node.op for node in self.nodes if node.op not in ("Const", "Placeholder"))

    def pruned(self) -> GraphModel:
        """Return the model without the nodes and weights that no output needs (placeholders stay)."""
        by_name = {node.name: node for node in self.nodes}
        live: set[str] = set()
        stack = [info.node for info in self.outputs.values()]
        while stack:
            name = node_name(stack.pop())
            if name not in live:
                live.add(name)
                stack.extend(by_name[name].inputs)
        return replace(
            self,
            nodes=tuple(node for node in self.nodes if node.name in live or node.op == "Placeholder"),
            weights=tuple(weight for weight in self.weights if weight.name in live),
        )


def node_name(reference: str) -> str:
    """Return the node of an input reference: ``"n3:1"`` and ``"^n3"`` → ``"n3"``."""
    return reference.lstrip("^").split(":")[0]
