"""Files that appear whole or not at all.

Everything yolo-edge writes goes to a temporary sibling first and is renamed into place at the end, so that a crash, a
full disk or Ctrl-C leaves nothing half-made, and nothing that exists is overwritten unless ``force`` says so.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolo_edge.errors import InputError, OutputError

_MARKERS = ("manifest.json", "model.json")


def sha256_of(path: Path) -> str:
    """Return the lowercase hex sha256 of a file, read in blocks.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", fix="Check the path and its permissions."
        ) from error


@contextmanager
def staged_directory(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty temporary sibling of ``target`` that becomes ``target`` when the block ends well.

    Args:
        target: the directory to create. An empty directory is taken as it is.
        force: replace an existing directory, if it is one that yolo-edge made (it has a ``manifest.json`` or
            ``model.json``): any other directory is never deleted.

    Raises:
        OutputError: ``target`` exists (without ``force``), is foreign, or cannot be written; the disk is full.
    """
    target = Path(os.path.abspath(target))
    _refuse_existing_directory(target, force)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        with _explained(target):
            yield staging
            staging.chmod(0o777 & ~_umask())
            _replace_directory(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def staged_file(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling path of ``target`` (not yet created) that becomes ``target`` when the block ends well.

    Raises:
        OutputError: ``target`` exists (without ``force``) or cannot be written; the disk is full.
    """
    target = Path(os.path.abspath(target))
    if target.is_dir():
        raise OutputError(f"{target} is a directory, a file was expected.", fix="Give a file name.")
    if target.exists() and not force:
        raise OutputError(f"{target} exists already.", fix="Choose another name, or give --force to replace it.")
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        with _explained(target):
            yield staging
            os.replace(staging, target)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def _refuse_existing_directory(target: Path, force: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise OutputError(f"{target} exists and is not a directory.", fix="Choose another output directory.")
    with _explained(target):
        content = {entry.name for entry in target.iterdir()}
    if not content:
        return
    if not force:
        raise OutputError(f"{target} exists already.", fix="Choose another directory, or give --force to replace it.")
    if not content.intersection(_MARKERS):
        raise OutputError(
            f"{target} holds files that yolo-edge did not make (there is no manifest.json), so it is not replaced.",
            fix="Choose another directory, or empty this one yourself.",
        )


def _replace_directory(staging: Path, target: Path) -> None:
    if not target.exists():
        os.rename(staging, target)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    os.rename(target, retired / "old")
    try:
        os.rename(staging, target)
    except BaseException:
        os.rename(retired / "old", target)
        raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``target`` into an :class:`OutputError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"The disk that holds {target.parent} is full, nothing was written.",
                fix="Free some space, or choose an output on another disk.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise OutputError(
                f"{target} cannot be written: {error.strerror}.",
                fix="Choose an output directory that you may write to.",
            ) from error
        raise
