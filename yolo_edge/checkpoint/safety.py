"""Check a checkpoint before anything in it is unpickled, then load it.

A ``.pt`` file is a program for Python's pickle machine, and loading it runs that program. :func:`check_checkpoint`
follows the whole program over symbols (:mod:`~yolo_edge.checkpoint.pickles`) and refuses every step that the allow-list
(:mod:`~yolo_edge.checkpoint.allowlist`) does not foresee. :func:`load_checkpoint` checks, then lets torch load exactly
the bytes that were checked, with an unpickler that asks the same list again whenever a class is looked up.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import sys
import tarfile
import types
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from yolo_edge import console
from yolo_edge.cache import cache_root
from yolo_edge.checkpoint.allowlist import AllowList, current_name, is_network_class, rule_for
from yolo_edge.checkpoint.archive import DOWNLOAD_AGAIN, NOT_A_CHECKPOINT, CheckpointFile, read_checkpoint_file
from yolo_edge.checkpoint.pickles import FollowEverything, Policy, read_pickle
from yolo_edge.checkpoint.symbols import Global, MalformedPickleError, RefusedPickleError
from yolo_edge.errors import CheckpointError, UnsafeCheckpointError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""First pickle of a file of the format before torch 1.6 (``torch/serialization.py``, ``MAGIC_NUMBER``)."""

QUIET_SETTINGS = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
"""Environment that keeps ultralytics from installing packages, going online and talking."""

_STREAM_PICKLES = ("magic number", "protocol version", "system information", "checkpoint", "storage keys")

_OWN_FILE = (
    "If you made this file yourself, --trust loads it without this check; otherwise get the weights from a source that "
    "you know."
)
_SAVE_AGAIN = "Load it with torch and save it again with torch.save, in torch's own pickle protocol (2)."


@dataclass(frozen=True)
class SafetyReport:
    """What the check saw.

    Attributes:
        path: the file.
        sha256: of the bytes that were checked, lowercase hex.
        size: bytes.
        container: ``zip`` or ``stream`` (the format before torch 1.6).
        pickles: which pickles were followed.
        globals: every class and function they name, sorted.
    """

    path: Path
    sha256: str
    size: int
    container: str
    pickles: tuple[str, ...]
    globals: tuple[str, ...]


@dataclass(frozen=True)
class CheckedCheckpoint:
    """A checkpoint file together with the symbolic tree of its object (see :mod:`yolo_edge.checkpoint.pickles`)."""

    file: CheckpointFile
    root: Any
    report: SafetyReport


def check_checkpoint(path: Path) -> SafetyReport:
    """Follow every pickle in a ``.pt`` file without running any, and refuse what a YOLO checkpoint has no use for.

    Raises:
        UnsafeCheckpointError: a pickle names a global, or uses one, in a way that is not on the allow-list.
        CheckpointError: the file is missing, damaged, or no checkpoint.
    """
    return examine_checkpoint(path).report


def examine_checkpoint(path: Path, *, trust: bool = False) -> CheckedCheckpoint:
    """Do as :func:`check_checkpoint`, and keep the file's content and symbolic tree.

    Args:
        path: the ``.pt`` file.
        trust: follow the pickles whatever they name (still nothing is run).

    Raises:
        UnsafeCheckpointError: not on the allow-list (never with ``trust``).
        CheckpointError: the file is missing, damaged, or no checkpoint; with ``trust``, also one that the reader of
            pickles does not follow.
    """
    path = Path(path)
    file = read_checkpoint_file(path)
    policy: Policy = FollowEverything() if trust else AllowList()
    examine = {"zip": _examine_zip, "stream": _examine_stream}[file.container]
    try:
        root, pickles = examine(file, policy)
    except RefusedPickleError as error:
        if trust:
            raise CheckpointError(
                f"{path} cannot be read, not even with --trust: {error.subject} {error.reason}.", fix=_SAVE_AGAIN
            ) from error
        raise UnsafeCheckpointError(
            f"{path} was not opened, it could run code on this machine: {error.subject} {error.reason}.", fix=_OWN_FILE
        ) from error
    except RecursionError as error:
        raise CheckpointError(f"{path} is damaged: it is nested too deeply.", fix=NOT_A_CHECKPOINT) from error
    met = sorted(str(found) for found in policy.met) if isinstance(policy, AllowList) else []
    digest = hashlib.sha256(file.content).hexdigest()
    report = SafetyReport(path, digest, len(file.content), file.container, tuple(pickles), tuple(met))
    return CheckedCheckpoint(file, root, report)


def _examine_zip(file: CheckpointFile, policy: Policy) -> tuple[Any, list[str]]:
    """Follow ``data.pkl`` and whatever else could be taken for a pickle."""
    root = _whole_pickle(file, "data.pkl", policy)
    if isinstance(policy, AllowList):
        _check_storages(file, policy)
    pickles = ["data.pkl"]
    foreign = file.foreign_members
    for name, content in file.members.items():
        if name in foreign and _is_archive(content) and isinstance(policy, AllowList):
            raise CheckpointError(f"{file.path} is refused: {name!r} is an archive inside.", fix=NOT_A_CHECKPOINT)
        if name != "data.pkl" and _could_be_pickle(name, content):
            _whole_pickle(file, name, policy)
            pickles.append(name)
    if foreign and isinstance(policy, AllowList):
        raise CheckpointError(
            f"{file.path} is refused: torch never writes a member called {foreign[0]!r}.",
            fix=NOT_A_CHECKPOINT,
        )
    return root, pickles


def _check_storages(file: CheckpointFile, policy: AllowList) -> None:
    """Compare tensors with what is stored: torch has the size from the pickle and could read past a shorter member."""
    for key, expected in policy.storages.items():
        stored = file.members.get(f"data/{key}")
        if stored is None or len(stored) < expected:
            amount = "is missing" if stored is None else f"has {len(stored):,} bytes"
            raise CheckpointError(
                f"{file.path} is damaged: data/{key} {amount}, a tensor of {expected:,} bytes should be there.",
                fix=DOWNLOAD_AGAIN,
            )


def _whole_pickle(file: CheckpointFile, name: str, policy: Policy) -> Any:
    stream = io.BytesIO(file.members[name])
    root = _followed(file, name, stream, policy)
    if stream.read(1):
        raise CheckpointError(f"{file.path} is refused: bytes follow the end of {name}.", fix=NOT_A_CHECKPOINT)
    return root


def _followed(file: CheckpointFile, name: str, stream: BinaryIO, policy: Policy) -> Any:
    try:
        return read_pickle(stream, policy)
    except MalformedPickleError as error:
        raise CheckpointError(
            f"{file.path} is damaged: its {name} is not a complete pickle ({error}).",
            fix=DOWNLOAD_AGAIN,
        ) from error


def _could_be_pickle(name: str, content: bytes) -> bool:
    """Say whether a member is a pickle by name, or by content: a protocol byte and opcodes that run to an end.

    The numbers of a tensor may begin like a pickle by chance, but do not go on like one.
    """
    if name.endswith((".pkl", ".pickle")):
        return True
    if name.startswith("data/") and re.match(rb"\x80[\x02-\x05]", content) is None:
        return False
    return _is_complete_pickle(content)


def _is_complete_pickle(content: bytes) -> bool:
    if len(content) < 4:  # a version number or the like
        return False
    try:
        read_pickle(io.BytesIO(content), FollowEverything())
    except MalformedPickleError:
        return False
    except RefusedPickleError:
        return True
    return True


def _is_archive(content: bytes) -> bool:
    return zipfile.is_zipfile(io.BytesIO(content)) or tarfile.is_tarfile(io.BytesIO(content))


def _examine_stream(file: CheckpointFile, policy: Policy) -> tuple[Any, list[str]]:
    """Follow the five pickles of the format before torch 1.6, or say what else the file is."""
    stream = io.BytesIO(file.content)
    try:
        first = read_pickle(stream, policy)
    except MalformedPickleError as error:
        raise CheckpointError(f"{file.path} is not a torch checkpoint.", fix=NOT_A_CHECKPOINT) from error
    if first != _MAGIC_NUMBER:
        raise CheckpointError(f"{file.path} is a pickle, but not one that torch saved.", fix=NOT_A_CHECKPOINT)
    rest = {name: _followed(file, name, stream, policy) for name in _STREAM_PICKLES[1:]}
    return rest["checkpoint"], list(_STREAM_PICKLES)


# Loading


def load_checkpoint(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """Check a checkpoint and load it, tensors on the CPU.

    Args:
        path: the ``.pt`` file.
        trust: skip the check. For one's own files, e.g. with layers of one's own in them.

    Returns:
        The dictionary that Ultralytics saved: ``model``, ``ema``, ``train_args``, ``license``, ``version`` …

    Raises:
        UnsafeCheckpointError: not on the allow-list, see :func:`check_checkpoint`.
        CheckpointError: damaged, no Ultralytics checkpoint, or of a class that the installed Ultralytics lacks.
    """
    return load_checked(examine_checkpoint(path, trust=trust), trust=trust)


def load_checked(checked: CheckedCheckpoint, *, trust: bool = False) -> dict[str, Any]:
    """Load a checkpoint that was examined before; see :func:`load_checkpoint`."""
    path = checked.file.path
    if trust:
        console.say(f"Loading {path} without the safety check, as --trust asks: it may run any code it holds.")
    content = _canonical_zip(checked.file) if checked.file.container == "zip" else checked.file.content
    loaded = _torch_load(path, content, trust)
    if not isinstance(loaded, dict) or not (loaded.get("model") or loaded.get("ema")):
        raise CheckpointError(
            f"{path} holds no network: there is no 'model' in it.",
            fix="Give a checkpoint that Ultralytics training saved, not a bare state dictionary.",
        )
    return loaded


def _canonical_zip(file: CheckpointFile) -> bytes:
    """Write the checked members into a new archive, so that torch's zip reader sees what Python's did."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in file.members.items():
            archive.writestr(zipfile.ZipInfo(f"checkpoint/{name}"), content)
    return target.getvalue()


def _torch_load(path: Path, content: bytes, trust: bool) -> Any:
    prepare_ultralytics()
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(
                io.BytesIO(content), map_location="cpu", weights_only=False, pickle_module=_pickle_module(trust)
            )
    except UnsafeCheckpointError:
        raise
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{path} needs a class that is not installed ({error}).",
            fix="Install the ultralytics version that trained it, or newer, within yolo-edge's supported range.",
        ) from error
    except Exception as error:  # the unpickler calls into torch, numpy and Ultralytics, which raise what they like
        raise CheckpointError(
            f"{path} could not be loaded ({type(error).__name__}: {error}).",
            fix=DOWNLOAD_AGAIN,
        ) from error


def prepare_ultralytics() -> None:
    """Keep a coming ``import ultralytics`` from installing packages, going online, or writing to the user's settings.

    Settings that the user made in the environment stand; an Ultralytics that is imported already is left as it is.
    """
    if "ultralytics" in sys.modules:
        return
    for variable, value in {**QUIET_SETTINGS, "YOLO_CONFIG_DIR": str(cache_root() / "ultralytics")}.items():
        os.environ.setdefault(variable, value)


def _pickle_module(trust: bool) -> types.ModuleType:
    """Make what ``torch.load`` wants as its ``pickle_module``: an ``Unpickler`` that asks the allow-list, and ``load``.

    A new one for every load: nothing is shared between threads.
    """

    class CheckpointUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found = Global(module, name)
            if trust:
                wanted = current_name(found)
                return super().find_class(wanted.module, wanted.name)
            if rule_for(found) is None:
                raise UnsafeCheckpointError(f"The checkpoint asks for {found} while it is loaded.", fix=_OWN_FILE)
            if found.name == "getattr":
                return _method_of_layer
            wanted = current_name(found)
            looked_up = super().find_class(wanted.module, wanted.name)
            if is_network_class(wanted) and not _is_defined_in_network(looked_up):
                raise UnsafeCheckpointError(
                    f"The checkpoint asks for {found}, which is no network class.", fix=_OWN_FILE
                )
            return looked_up

    def load(file: BinaryIO, **options: Any) -> Any:
        return CheckpointUnpickler(file, **options).load()

    module = types.ModuleType("yolo_edge_checkpoint_pickle")
    vars(module).update(Unpickler=CheckpointUnpickler, load=load)
    return module


def _is_defined_in_network(found: Any) -> bool:
    """Tell a class of one of the network modules from what such a module has only imported."""
    return isinstance(found, type) and is_network_class(Global(found.__module__, found.__name__))


def _method_of_layer(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, which pickle uses for the methods that pose heads keep (``self.detect``)."""
    from torch import nn

    kind = owner if isinstance(owner, type) else type(owner)
    if not issubclass(kind, nn.Module) or name not in ("forward", "forward_fuse"):
        raise UnsafeCheckpointError(f"The checkpoint asks for {name!r} of {kind.__name__}.", fix=_OWN_FILE)
    return getattr(owner, name)
