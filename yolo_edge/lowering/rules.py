"""The table of ONNX operations: op type → rule that writes the TF.js nodes for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from yolo_edge.errors import UnsupportedOperationError
from yolo_edge.lowering.context import LoweringContext, Operation

Rule = Callable[[LoweringContext, Operation], None]


@dataclass(frozen=True)
class _Entry:
    rule: Rule
    attributes: frozenset[str]


_TABLE: dict[str, _Entry] = {}

_READERS_OF_REPEATED = ("Cast", "GatherElements")
"""Who may read a value that is stored without its repetitions: its stored shape is not the one ONNX speaks of."""


def lowers(*op_types: str, attributes: tuple[str, ...] = ()) -> Callable[[Rule], Rule]:
    """Register a rule for ONNX op types.

    Args:
        op_types: the ONNX op types the rule writes.
        attributes: every attribute the rule understands; a node with another one is refused, not misread.
    """

    def register(rule: Rule) -> Rule:
        for op_type in op_types:
            _TABLE[op_type] = _Entry(rule, frozenset(attributes))
        return rule

    return register


def lower_operation(context: LoweringContext, operation: Operation) -> None:
    """Write the TF.js nodes of one ONNX node.

    Raises:
        UnsupportedOperationError: the op type, or one of the node's attributes, is not in the table.
    """
    entry = _TABLE.get(operation.op_type)
    if entry is None:
        raise UnsupportedOperationError(
            f"ONNX node '{operation.name}' is a {operation.op_type}, which has no TF.js lowering.",
            fix=f"Known operations: {', '.join(supported_operations())}. Try --engine tensorflow.",
        )
    unknown = sorted(set(operation.attributes) - entry.attributes)
    if unknown:
        raise operation.refuse(f"attribute {unknown[0]}={operation.attributes[unknown[0]]!r}")
    repeated = [name for name in operation.inputs if name in context.values and context.values[name].is_repeated]
    if repeated and operation.op_type not in _READERS_OF_REPEATED:
        raise operation.refuse(f"the broadcast index '{repeated[0]}' as an input")
    entry.rule(context, operation)


def supported_operations() -> tuple[str, ...]:
    """Return the ONNX op types that have a rule."""
    return tuple(sorted(_TABLE))
