"""What stands for Python objects while a pickle is followed without being run (:mod:`yolo_edge.checkpoint.pickles`).

Numbers, text, bytes and lists stand for themselves; everything that could run code when it is made, compared or hashed
is a symbol.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


class MalformedPickleError(Exception):
    """The bytes are not a complete, well-formed pickle."""


class RefusedPickleError(Exception):
    """The policy refused a step.

    Args:
        subject: the global or opcode that was refused, e.g. ``os.system``.
        reason: what it would have done, as the end of a sentence that begins with the subject.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject} {reason}")
        self.subject = subject
        self.reason = reason


@dataclass(frozen=True)
class Global:
    """A class or function that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Tuple(tuple[Any, ...]):
    """A tuple that knows whether a :class:`Global` is somewhere inside it (also inside tuples inside it)."""

    holds_global: bool

    @classmethod
    def of(cls, items: Iterable[Any]) -> Tuple:
        """Make a tuple; its children know their own content, so this looks one level deep only."""
        made = cls(items)
        made.holds_global = any(holds_global(item) for item in made)
        return made


def holds_global(value: Any) -> bool:
    """Say whether a value is a global or a tuple that holds one. Other containers never do: see the policies."""
    return isinstance(value, Global) or (isinstance(value, Tuple) and value.holds_global)


@dataclass(eq=False)
class Pairs:
    """A dictionary, as the pairs in the order they were set. Keys are not hashed: they may be symbols."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the last value set for a text key."""
        return next((value for name, value in reversed(self.pairs) if isinstance(name, str) and name == key), default)


@dataclass(eq=False)
class Elements:
    """A set, as its elements in the order they were added."""

    elements: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Persistent:
    """A reference to something stored outside the pickle: for torch, the tuple that names a tensor's storage."""

    identity: Any


@dataclass(eq=False)
class Instance:
    """What a call or an object creation would have returned.

    Attributes:
        made_by: the class or function.
        arguments: what it would have been given.
        is_call: True for a call, False for ``cls.__new__(cls, ...)``, which skips ``__init__``.
        state: what ``BUILD`` would have handed to ``__setstate__`` or put into ``__dict__``.
        items: pairs that would have been set by ``instance[key] = value``.
        elements: values that would have been appended or added.
    """

    made_by: Global
    arguments: Tuple
    is_call: bool
    state: Any = None
    items: Pairs = field(default_factory=Pairs)
    elements: list[Any] = field(default_factory=list)
