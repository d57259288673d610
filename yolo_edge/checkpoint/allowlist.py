"""What a checkpoint's pickle may ask for.

A list of harmless names is not enough, because the *file* chooses the arguments: ``ultralytics.nn.tasks.PoseModel`` is
in every genuine checkpoint, yet calling it with a model description of the file's choice runs Python's ``eval`` on text
in that description (``parse_model``, key ``activation``, ultralytics 8.4). So each name is listed with the way in which
torch and Ultralytics use it, and any other use is refused:

* network classes may only be made empty (``cls.__new__(cls)``, as pickle does for objects) and given a ``__dict__``;
* functions may be called only with arguments that they are safe with;
* storage classes and dtypes are values, not to be called;
* no class or function may be left in a list, dictionary or attribute, where the program could later call it.

The table is data: :func:`rule_for` finds the :class:`Rule`, :class:`AllowList` applies it to every step of
:func:`yolo_edge.checkpoint.pickles.read_pickle`, and :func:`yolo_edge.checkpoint.safety.load_checkpoint` asks it again
when classes are really looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from yolo_edge.checkpoint.symbols import (
    Elements,
    Global,
    Instance,
    Pairs,
    Persistent,
    RefusedPickleError,
    Tuple,
    holds_global,
)

Use = Literal["call", "create", "value", "storage"]
Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Rule:
    """How one global may be used.

    Attributes:
        uses: the steps it may take part in; ``value`` may be kept anywhere, ``storage`` only in a tensor's storage id.
        arguments: accepts the argument tuple of a call or creation.
        state: accepts what ``BUILD`` gives an instance; None: an instance takes no state.
        takes_items: an instance may have items set.
        takes_elements: an instance may have elements appended or added.
    """

    uses: frozenset[Use]
    arguments: Test = lambda arguments: not arguments
    state: Test | None = None
    takes_items: bool = False
    takes_elements: bool = False


# Tests of arguments and states


def _is_plain(arguments: Tuple) -> bool:
    return not arguments.holds_global


def _is_attributes(state: Any) -> bool:
    """Attributes by name; no ``__setstate__`` or the like, which pickle or Python would call."""
    return isinstance(state, Pairs) and all(
        isinstance(name, str) and not (name.startswith("__") and name.endswith("__")) for name, _ in state.pairs
    )


def _is_whole_numbers(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(item, int) and item >= 0 for item in value)


def _is_all_text(arguments: Tuple) -> bool:
    return all(isinstance(part, str) for part in arguments)


def _is_made_by(value: Any, *names: str) -> bool:
    return isinstance(value, Instance) and str(_canonical(value.made_by)) in names


def _is_tensor_recipe(arguments: Tuple) -> bool:
    """``(storage, offset, size, stride, requires_grad, hooks)``: torch checks the bounds, the hooks hold no code."""
    return (
        4 <= len(arguments) <= 6
        and isinstance(arguments[0], Persistent)
        and isinstance(arguments[1], int)
        and _is_whole_numbers(arguments[2])
        and _is_whole_numbers(arguments[3])
        and not arguments.holds_global
    )


def _is_parameter_recipe(arguments: Tuple) -> bool:
    tensors = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
    return len(arguments) == 3 and _is_made_by(arguments[0], *tensors) and not arguments.holds_global


def _is_collection_argument(arguments: Tuple) -> bool:
    """Nothing, or one collection without classes in it (``dict((("0", PoseModel),))`` would keep one to be called).

    A number is refused, because ``bytearray(10**12)`` would take that much memory.
    """
    kinds = (list, Tuple, Elements, Pairs, bytes)
    return not arguments or (len(arguments) == 1 and isinstance(arguments[0], kinds) and not arguments.holds_global)


def _is_default_factory(arguments: Tuple) -> bool:
    factories = {"builtins.list", "builtins.dict", "builtins.set", "builtins.int", "builtins.float"}
    return len(arguments) == 1 and isinstance(arguments[0], Global) and str(_canonical(arguments[0])) in factories


def _is_forward_of_layer(arguments: Tuple) -> bool:
    """``getattr(Detect, "forward")``: how pickle writes the methods that pose heads keep (``self.detect``)."""
    if len(arguments) != 2 or arguments[1] not in ("forward", "forward_fuse"):
        return False
    owner = arguments[0].made_by if isinstance(arguments[0], Instance) else arguments[0]
    return isinstance(owner, Global) and is_network_class(_canonical(owner))


def _is_latin1_text(arguments: Tuple) -> bool:
    """``_codecs.encode(text, "latin1")``: how pickle protocol 2 writes bytes."""
    return len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1"


def _is_number_type(arguments: Tuple) -> bool:
    """``dtype("f8", False, True)`` of plain numbers: no object or structured type, and a copy (the last argument)."""
    return (
        len(arguments) == 3
        and isinstance(arguments[0], str)
        and re.fullmatch(r"[?bBiufc]\d{1,2}", arguments[0]) is not None
        and not arguments.holds_global
        and arguments[1:] in ((False, True), (0, 1))
    )


def _is_number_type_state(state: Any) -> bool:
    """``(version, byte order, no subarray, no names, no fields, -1, -1, 0)``, what numpy writes for a number type.

    The last three are size, alignment and flags: flags of the file's choice would make numpy take numbers for pointers.
    """
    return (
        isinstance(state, Tuple)
        and len(state) == 8
        and state[1] in ("<", ">", "|", "=")
        and state[2] is state[3] is state[4] is None
        and isinstance(state[0], int)
        and state[5:] == (-1, -1, 0)
    )


def _is_scalar_recipe(arguments: Tuple) -> bool:
    return len(arguments) == 2 and _is_made_by(arguments[0], "numpy.dtype") and _is_bytes(arguments[1])


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes) or _is_made_by(value, "_codecs.encode")


def _is_empty_array_recipe(arguments: Tuple) -> bool:
    return (
        len(arguments) == 3
        and isinstance(arguments[0], Global)
        and str(arguments[0]) == "numpy.ndarray"
        and arguments[1] == (0,)
        and _is_bytes(arguments[2])
    )


def _is_array_state(state: Any) -> bool:
    """``(version, shape, dtype, column order, bytes)``: numpy compares the number of bytes with the shape."""
    return (
        isinstance(state, Tuple)
        and len(state) == 5
        and _is_whole_numbers(state[1])
        and _is_made_by(state[2], "numpy.dtype")
        and isinstance(state[3], bool | int)
        and _is_bytes(state[4])
    )


# The table


def _callable(arguments: Test = _is_plain, **more: Any) -> Rule:
    return Rule(frozenset({"call"}), arguments, **more)


_LAYER = Rule(frozenset({"create"}), state=_is_attributes)
_NAMESPACE = Rule(frozenset({"create", "call"}), state=_is_attributes)
_VALUE = Rule(frozenset({"value"}))
_STORAGE = Rule(frozenset({"storage"}))
_PATH = _callable(_is_all_text)

ELEMENT_BYTES = {
    **{"HalfStorage": 2, "BFloat16Storage": 2, "FloatStorage": 4, "DoubleStorage": 8},
    **{"BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1, "ShortStorage": 2, "IntStorage": 4, "LongStorage": 8},
    **{"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "UntypedStorage": 1},
}
"""Bytes an element of torch's storage classes takes."""

_DTYPES = (
    *("float16", "half", "float32", "float", "float64", "double", "bfloat16"),
    *("bool", "uint8", "int8", "int16", "int32", "int64", "long"),
)

_RULES: dict[str, Rule] = {
    "builtins.set": _callable(_is_collection_argument, takes_elements=True),
    "builtins.frozenset": _callable(_is_collection_argument),
    "builtins.list": _callable(_is_collection_argument, takes_elements=True),
    "builtins.dict": _callable(_is_collection_argument, takes_items=True),
    "builtins.bytearray": _callable(_is_collection_argument),
    "builtins.slice": _callable(),
    "builtins.complex": _callable(lambda arguments: all(isinstance(part, float | int) for part in arguments)),
    "builtins.int": _callable(lambda arguments: not arguments),
    "builtins.float": _callable(lambda arguments: not arguments),
    "builtins.getattr": _callable(_is_forward_of_layer),
    "_codecs.encode": _callable(_is_latin1_text),
    "collections.OrderedDict": _callable(state=_is_attributes, takes_items=True),
    "collections.defaultdict": _callable(_is_default_factory, takes_items=True),
    "pathlib.Path": _PATH,
    "pathlib.PurePath": _PATH,
    "pathlib.PosixPath": _PATH,
    "pathlib.PurePosixPath": _PATH,
    "pathlib.WindowsPath": _PATH,
    "pathlib.PureWindowsPath": _PATH,
    "types.SimpleNamespace": _NAMESPACE,
    "ultralytics.utils.IterableSimpleNamespace": _NAMESPACE,
    "numpy.dtype": _callable(_is_number_type, state=_is_number_type_state),
    "numpy.ndarray": Rule(frozenset()),  # named only as an argument of _reconstruct
    "numpy._core.multiarray.scalar": _callable(_is_scalar_recipe),
    "numpy._core.multiarray._reconstruct": _callable(_is_empty_array_recipe, state=_is_array_state),
    "torch.Size": _callable(lambda arguments: len(arguments) == 1 and _is_whole_numbers(arguments[0])),
    "torch.device": _callable(lambda arguments: bool(arguments) and all(isinstance(a, str | int) for a in arguments)),
    "torch._utils._rebuild_tensor": _callable(_is_tensor_recipe),
    "torch._utils._rebuild_tensor_v2": _callable(_is_tensor_recipe),
    "torch._utils._rebuild_parameter": _callable(_is_parameter_recipe),
    "torch.storage.UntypedStorage": _STORAGE,
    **{f"torch.{storage}": _STORAGE for storage in ELEMENT_BYTES},
    **{f"torch.{dtype}": _VALUE for dtype in _DTYPES},
}

_CLASS_NAME = re.compile(r"(v\d+)?[A-Z][A-Za-z0-9_]*")  # CapWords, and Ultralytics' v8PoseLoss, v10Detect

_NETWORK_MODULES = re.compile(
    r"torch\.nn\.modules\.[a-z_]+"  # layers
    r"|ultralytics\.nn\.modules(\.[a-z_]+)?"  # layers; a single module before 8.0.70
    r"|ultralytics\.nn\.tasks"  # whole models
    r"|ultralytics\.utils\.(loss|tal)"  # the loss a checkpoint of a running training still holds
)
"""Modules whose classes may be made empty."""

_RENAMED = {
    "__builtin__": "builtins",  # pickle protocol 2 writes Python 2's name
    "numpy.core.multiarray": "numpy._core.multiarray",  # numpy 2
    "pathlib._local": "pathlib",  # Python 3.13
    "ultralytics.yolo.utils": "ultralytics.utils",  # ultralytics 8.0.136
    "ultralytics.yolo.utils.loss": "ultralytics.utils.loss",
    "ultralytics.yolo.utils.tal": "ultralytics.utils.tal",
}

_RENAMED_CLASSES = {
    Global("ultralytics.nn.modules.block", "Silence"): Global("torch.nn.modules.linear", "Identity"),
    Global("ultralytics.nn.tasks", "YOLOv10DetectionModel"): Global("ultralytics.nn.tasks", "DetectionModel"),
    Global("ultralytics.utils.loss", "v10DetectLoss"): Global("ultralytics.utils.loss", "E2EDetectLoss"),
    # A checkpoint saved on Windows must load elsewhere: a path in it is only text here.
    Global("pathlib", "Path"): Global("pathlib", "PurePath"),
    Global("pathlib", "PosixPath"): Global("pathlib", "PurePosixPath"),
    Global("pathlib", "WindowsPath"): Global("pathlib", "PureWindowsPath"),
}


def _canonical(found: Global) -> Global:
    return Global(_RENAMED.get(found.module, found.module), found.name)


def current_name(found: Global) -> Global:
    """Return where a class lives today, for names that older libraries wrote into checkpoints."""
    moved = _canonical(found)
    return _RENAMED_CLASSES.get(moved, moved)


def is_network_class(found: Global) -> bool:
    """Say whether a global is named like a class of a network, in a module that defines such classes."""
    return _NETWORK_MODULES.fullmatch(found.module) is not None and _CLASS_NAME.fullmatch(found.name) is not None


def rule_for(found: Global) -> Rule | None:
    """Return the rule of a global, None when a checkpoint has no business with it. Dotted names have no rule."""
    canonical = _canonical(found)
    if is_network_class(canonical):
        return _LAYER
    return _RULES.get(str(canonical)) if "." not in found.name else None


class AllowList:
    """The policy of an untrusted checkpoint; see the module docstring.

    Attributes:
        met: the globals that the pickle named, in the order of first use.
        storages: key of each tensor storage that the pickle refers to → the bytes it must have.
    """

    def __init__(self) -> None:
        self.met: dict[Global, Rule] = {}
        self.storages: dict[str, int] = {}

    def resolve(self, found: Global) -> None:
        """Refuse a global without a rule."""
        rule = rule_for(found)
        if rule is None:
            raise RefusedPickleError(str(found), "is no part of a YOLO checkpoint and could run code")
        self.met[found] = rule

    def call(self, function: Global, arguments: Tuple) -> None:
        """Refuse a call that the rule does not foresee."""
        rule = self.met[function]
        if "call" not in rule.uses:
            raise RefusedPickleError(str(function), "would be called, which a genuine checkpoint never does")
        if not rule.arguments(arguments):
            raise RefusedPickleError(str(function), "would be called with arguments no genuine checkpoint gives")

    def create(self, kind: Global, arguments: Tuple) -> None:
        """Refuse a class that is not one of a network, and any argument."""
        rule = self.met[kind]
        if "create" not in rule.uses or arguments:
            raise RefusedPickleError(str(kind), "would be created in a way that a genuine checkpoint never does")

    def set_state(self, target: Instance, state: Any) -> None:
        """Refuse a state of another kind than the class itself writes."""
        accepts = self.met[target.made_by].state
        if accepts is None or not accepts(state):
            raise RefusedPickleError(str(target.made_by), "would be given a state no genuine checkpoint gives")

    def set_items(self, target: Instance) -> None:
        """Refuse ``target[key] = value`` on anything but dictionaries."""
        if not self.met[target.made_by].takes_items:
            raise RefusedPickleError(str(target.made_by), "would have items set")

    def add_elements(self, target: Instance) -> None:
        """Refuse additions to anything but lists and sets."""
        if not self.met[target.made_by].takes_elements:
            raise RefusedPickleError(str(target.made_by), "would have elements added")

    def store(self, value: Any) -> None:
        """Refuse to leave a class or function where it could be called later; dtypes and the like may stay."""
        if isinstance(value, Global) and "value" in self.met[value].uses:
            return
        if holds_global(value):
            subject = str(value) if isinstance(value, Global) else "a tuple with a class or function in it"
            raise RefusedPickleError(subject, "would be kept where it could be called later")

    def persist(self, identity: Any) -> None:
        """Accept only ``("storage", storage class, key, device, number of elements)``, what torch writes for a tensor.

        The legacy format adds a sixth part, None or the window ``(key, offset, size)`` of a shared storage.
        """
        is_storage = (
            isinstance(identity, Tuple)
            and 5 <= len(identity) <= 6
            and identity[0] == "storage"
            and isinstance(identity[1], Global)
            and "storage" in self.met[identity[1]].uses
            and isinstance(identity[2], str)
            and isinstance(identity[3], str)
            and isinstance(identity[4], int)
            and identity[4] >= 0
            and (len(identity) == 5 or not holds_global(identity[5]))
        )
        if not is_storage:
            raise RefusedPickleError("opcode BINPERSID", "does not name a tensor's storage")
        _, storage, key, _, count, *_ = identity
        self.storages[key] = max(self.storages.get(key, 0), count * ELEMENT_BYTES[storage.name])
