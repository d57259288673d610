"""Read a pickle without running it: every opcode is followed over symbols, nothing is imported or called.

:func:`read_pickle` is an abstract machine for the pickle language. Where the real machine would import a global, it
puts a symbol of that on its stack; where the real one would call something, a symbol that records what would have been
called with which arguments. Before each such step the :class:`Policy` is asked. The same walk thus serves two ends:
the safety check (the policy refuses) and the inspection of a checkpoint (the tree is read).

Strictness is the point. An opcode, stack or memo use that is not understood ends the walk with an error, so what passes
was followed completely; a file that another reader would interpret differently cannot hide in what was skipped.

Source of the opcodes: ``pickletools`` and ``Modules/_pickle.c`` of CPython 3.11.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, Protocol

from yolo_edge.checkpoint.symbols import (
    Elements,
    Global,
    Instance,
    MalformedPickleError,
    Pairs,
    Persistent,
    RefusedPickleError,
    Tuple,
)


class Policy(Protocol):
    """Asked before each step that could run code; raises :class:`RefusedPickleError` to stop."""

    def resolve(self, found: Global) -> None:
        """A global would be imported."""

    def call(self, function: Global, arguments: Tuple) -> None:
        """A global would be called."""

    def create(self, kind: Global, arguments: Tuple) -> None:
        """``kind.__new__(kind, *arguments)`` would be called."""

    def set_state(self, target: Instance, state: Any) -> None:
        """``BUILD``: the target's ``__setstate__`` would be called or its ``__dict__`` updated."""

    def set_items(self, target: Instance) -> None:
        """``target[key] = value`` would be executed."""

    def add_elements(self, target: Instance) -> None:
        """``target.append(value)``, ``extend`` or ``add`` would be called."""

    def store(self, value: Any) -> None:
        """A value would be put where the program may find it later (a container, a state)."""

    def persist(self, identity: Any) -> None:
        """A persistent id would be looked up."""


class FollowEverything:
    """The policy of ``--trust``: refuses nothing."""

    def resolve(self, found: Global) -> None:
        """Accept."""

    def call(self, function: Global, arguments: Tuple) -> None:
        """Accept."""

    def create(self, kind: Global, arguments: Tuple) -> None:
        """Accept."""

    def set_state(self, target: Instance, state: Any) -> None:
        """Accept."""

    def set_items(self, target: Instance) -> None:
        """Accept."""

    def add_elements(self, target: Instance) -> None:
        """Accept."""

    def store(self, value: Any) -> None:
        """Accept."""

    def persist(self, identity: Any) -> None:
        """Accept."""


def read_pickle(file: BinaryIO, policy: Policy) -> Any:
    """Follow one pickle from the file's position to its ``STOP``, where the position is left.

    Args:
        file: a seekable binary stream.
        policy: asked before each step.

    Returns:
        The object that would have been made: plain numbers, text, bytes and lists as themselves, everything else as the
        symbols of :mod:`yolo_edge.checkpoint.symbols`.

    Raises:
        MalformedPickleError: not a complete pickle.
        RefusedPickleError: the policy refused a step.
    """
    machine, frames = _Machine(policy), _Frames()
    try:
        for opcode, argument, position in pickletools.genops(file):
            frames.meet(opcode.name, argument, position or 0)
            machine.step(opcode.name, argument)
        frames.end(file.tell())
    except (ValueError, OverflowError, struct.error, LookupError, MemoryError) as error:
        raise MalformedPickleError(str(error) or type(error).__name__) from error
    return machine.result()


class _Frames:
    """Holds a pickle to the rule that frames end where an opcode ends, and the last one with ``STOP``.

    CPython's reader relies on it: it drops the bytes of a frame that an opcode at its end leaves over, or that follow
    ``STOP``. A pickle that breaks the rule would thus be another program for it than for :class:`_Machine`.
    """

    def __init__(self) -> None:
        self._end: int | None = None

    def meet(self, name: str, argument: Any, position: int) -> None:
        if self._end is not None and position > self._end:
            raise MalformedPickleError("an opcode crosses the end of its frame")
        if position == self._end:
            self._end = None
        if name == "FRAME":
            if self._end is not None:
                raise MalformedPickleError("a frame begins inside another")
            self._end = position + _FRAME_HEADER_BYTES + argument

    def end(self, position: int) -> None:
        if self._end not in (None, position):
            raise MalformedPickleError("the pickle does not end with its frame")


_FRAME_HEADER_BYTES = 9  # the opcode, and the frame's length as uint64

_MARK = object()

_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}

_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)

_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": Pairs,
    "EMPTY_SET": Elements,
    "EMPTY_TUPLE": lambda: Tuple.of(()),
}

_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

_REFUSED = {
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "takes a global from the copyreg extension registry, unseen in the file"),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), "takes data from outside the file"),
    "PERSID": "names a storage as text, which torch never writes",
    "NEWOBJ_EX": "creates an object with keyword arguments, which torch and Ultralytics never write",
}


class _Machine:
    """Stack and memo of the abstract machine. Opcodes are dispatched by table, then to the method ``_op_<name>``."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._outcome: list[Any] = []
        self._handlers: dict[str, Callable[[Any], None]] = {
            name.removeprefix("_op_").upper(): getattr(self, name) for name in dir(self) if name.startswith("_op_")
        }

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            items = [self._pop() for _ in range(_TUPLES[name])]
            self._stack.append(Tuple.of(reversed(items)))
        elif name in self._handlers:
            self._handlers[name](argument)
        else:
            raise RefusedPickleError(f"opcode {name}", _REFUSED.get(name, "is not known"))

    def result(self) -> Any:
        if len(self._outcome) != 1:
            raise MalformedPickleError("the pickle does not end")
        return self._outcome[0]

    # Stack

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise MalformedPickleError("stack underflow")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise MalformedPickleError("stack underflow")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise MalformedPickleError("no mark on the stack")

    def _op_proto(self, argument: int) -> None:
        if not 0 <= argument <= 5:
            raise MalformedPickleError(f"pickle protocol {argument}")

    def _op_frame(self, argument: int) -> None:
        """Frames only group bytes for reading; :class:`_Frames` has looked at them."""

    def _op_stop(self, argument: None) -> None:
        self._outcome.append(self._pop())
        if self._stack:
            raise MalformedPickleError("values left on the stack")

    def _op_mark(self, argument: None) -> None:
        self._stack.append(_MARK)

    def _op_pop_mark(self, argument: None) -> None:
        self._pop_to_mark()

    def _op_pop(self, argument: None) -> None:
        """As CPython does, ``POP`` also takes a mark off."""
        if not self._stack:
            raise MalformedPickleError("stack underflow")
        self._stack.pop()

    def _op_dup(self, argument: None) -> None:
        self._stack.append(self._top())

    # Memo

    def _op_put(self, argument: int) -> None:
        if argument < 0:
            raise MalformedPickleError("negative memo index")
        self._memo[argument] = self._top()

    _op_binput = _op_long_binput = _op_put

    def _op_memoize(self, argument: None) -> None:
        self._memo[len(self._memo)] = self._top()

    def _op_get(self, argument: int) -> None:
        self._stack.append(self._memo[argument])

    _op_binget = _op_long_binget = _op_get

    # Containers

    def _stored(self, items: Iterable[Any]) -> list[Any]:
        kept = list(items)
        for item in kept:
            self._policy.store(item)
        return kept

    def _op_tuple(self, argument: None) -> None:
        self._stack.append(Tuple.of(self._pop_to_mark()))

    def _op_list(self, argument: None) -> None:
        self._stack.append(self._stored(self._pop_to_mark()))

    def _op_dict(self, argument: None) -> None:
        self._stack.append(Pairs(_paired(self._stored(self._pop_to_mark()))))

    def _op_frozenset(self, argument: None) -> None:
        self._stack.append(Elements(self._stored(self._pop_to_mark())))

    def _op_append(self, argument: None) -> None:
        self._extend([self._pop()])

    def _op_appends(self, argument: None) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Instance):
            self._policy.add_elements(target)
            target = target.elements
        if not isinstance(target, list):
            raise RefusedPickleError("opcode APPENDS", "appends to something that is no list")
        target.extend(self._stored(items))

    def _op_additems(self, argument: None) -> None:
        items = self._stored(self._pop_to_mark())
        target = self._top()
        if isinstance(target, Instance):
            self._policy.add_elements(target)
            target.elements.extend(items)
        elif isinstance(target, Elements):
            target.elements.extend(items)
        else:
            raise RefusedPickleError("opcode ADDITEMS", "adds to something that is no set")

    def _op_setitem(self, argument: None) -> None:
        value = self._pop()
        self._set_pairs([self._pop(), value])

    def _op_setitems(self, argument: None) -> None:
        self._set_pairs(self._pop_to_mark())

    def _set_pairs(self, items: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Instance):
            self._policy.set_items(target)
            target = target.items
        if not isinstance(target, Pairs):
            raise RefusedPickleError("opcode SETITEMS", "sets items of something that is no dictionary")
        target.pairs.extend(_paired(self._stored(items)))

    # Globals, calls, objects

    def _import(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise RefusedPickleError("opcode STACK_GLOBAL", "takes a global whose name the file does not spell out")
        found = Global(module, name)
        self._policy.resolve(found)
        self._stack.append(found)

    def _op_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._import(module, name)

    def _op_stack_global(self, argument: None) -> None:
        name = self._pop()
        self._import(self._pop(), name)

    def _called(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Global):
            raise RefusedPickleError("opcode REDUCE", "calls a value that the pickle computed, not a named function")
        if not isinstance(arguments, Tuple):
            raise MalformedPickleError("call arguments are not a tuple")
        self._policy.call(function, arguments)
        self._stack.append(Instance(function, arguments, is_call=True))

    def _op_reduce(self, argument: None) -> None:
        arguments = self._pop()
        self._called(self._pop(), arguments)

    def _op_inst(self, argument: str) -> None:
        arguments = self._pop_to_mark()
        self._op_global(argument)
        self._called(self._pop(), Tuple.of(arguments))

    def _op_obj(self, argument: None) -> None:
        items = self._pop_to_mark()
        if not items:
            raise MalformedPickleError("object without a class")
        self._called(items[0], Tuple.of(items[1:]))

    def _op_newobj(self, argument: None) -> None:
        arguments, kind = self._pop(), self._pop()
        if not isinstance(kind, Global):
            raise RefusedPickleError("opcode NEWOBJ", "creates an object of a class that the pickle computed")
        if not isinstance(arguments, Tuple):
            raise MalformedPickleError("creation arguments are not a tuple")
        self._policy.create(kind, arguments)
        self._stack.append(Instance(kind, arguments, is_call=False))

    def _op_build(self, argument: None) -> None:
        state = self._pop()
        target = self._top()
        if not isinstance(target, Instance):
            subject = str(target) if isinstance(target, Global) else "opcode BUILD"
            raise RefusedPickleError(subject, "would have its attributes overwritten")
        self._policy.set_state(target, state)
        self._policy.store(state)
        target.state = state

    def _op_binpersid(self, argument: None) -> None:
        identity = self._pop()
        self._policy.persist(identity)
        self._stack.append(Persistent(identity))


def _paired(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise MalformedPickleError("odd number of items in a dictionary")
    return list(zip(items[::2], items[1::2], strict=True))
