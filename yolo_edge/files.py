"""Files that appear whole or not at all.

Everything yolo-edge writes goes to a temporary sibling first and is renamed into place at the end, so that a crash, a
full disk or Ctrl-C leaves nothing half-made, and nothing that exists is overwritten unless ``force`` says so.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yolo_edge.errors import InputError, OutputError, UsageError

MANIFEST_FILE = "manifest.json"
"""What yolo-edge calls the record of a directory's files; see :mod:`yolo_edge.bundle.manifest`."""

_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # file managers leave these wherever they look
_STAGING = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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


def write_listing(directory: Path, kind: str, names: Iterable[str], *, schema_version: int) -> None:
    """Say in a ``manifest.json`` which files of a directory yolo-edge made, so that ``--force`` may replace them.

    Args:
        directory: where the files lie.
        kind: what the directory is: ``frontier``, ``validation``.
        names: of its files.
        schema_version: of what the files hold.
    """
    files = {
        name: {"sha256": sha256_of(directory / name), "bytes": (directory / name).stat().st_size} for name in names
    }
    document = {"schema_version": schema_version, "kind": kind, "files": files}
    (directory / MANIFEST_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def is_whole(directory: Path) -> bool:
    """Tell whether a directory holds every file that its ``manifest.json`` lists, unchanged.

    False for a directory that is not there, or whose manifest cannot be read.
    """
    try:
        files = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(sha256_of(directory / name) == entry["sha256"] for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
        return False


@contextmanager
def staged_directory(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty temporary sibling of ``target`` that becomes ``target`` when the block ends well.

    When it does not, nothing is left, parent directories made for it included.

    Args:
        target: the directory to create. An empty directory is taken as it is, a symbolic link is followed.
        force: replace an existing directory if it is one that yolo-edge made: its ``manifest.json`` names every file
            in it. Any other directory is never deleted.

    Raises:
        OutputError: ``target`` exists (without ``force``), is foreign, or cannot be written; the disk is full.
    """
    target = _absolute(target)
    with explained(target):
        _refuse_existing_directory(target, force)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    with _parents_made(target):
        try:
            with explained(target):
                staging.mkdir()
            with explained(target, within=staging):
                yield staging
            with explained(target):
                _refuse_existing_directory(target, force)  # someone may have made or filled it meanwhile
                _replace_directory(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


def settled(path: Path) -> Path:
    """Return where a path inside a staged directory will be in the end: what may be told of it."""
    return Path(*(found[1] if (found := _STAGING.fullmatch(part)) else part for part in path.parts))


@contextmanager
def staged_file(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling path of ``target`` (not yet created) that becomes ``target`` when the block ends well.

    When it does not, nothing is left, parent directories made for it included.

    Raises:
        OutputError: ``target`` exists (without ``force``) or cannot be written; the disk is full.
    """
    target = _absolute(target)
    with explained(target):
        _refuse_existing_file(target, force)
    staging = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.partial{target.suffix}")
    with _parents_made(target):
        try:
            with explained(target, within=staging):
                yield staging
            with explained(target):
                _refuse_existing_file(target, force)  # someone may have made it meanwhile
                os.replace(staging, target)
        except BaseException:
            with suppress(OSError):
                staging.unlink(missing_ok=True)
            raise


def _absolute(target: Path) -> Path:
    """Return the absolute path of what is to be made: not the link, but the place it points to."""
    is_link = os.path.islink(target)  # noqa: PTH114  (Path.is_symlink raises when the name is too long)
    return Path(os.path.realpath(target) if is_link else os.path.abspath(target))


def _refuse_existing_file(target: Path, force: bool) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a directory, a file was expected.", fix="Give a file name.")
    if target.exists() and not force:
        raise OutputError(f"{target} exists already.", fix="Choose another name, or give --force to replace it.")


def _refuse_existing_directory(target: Path, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target} exists and is not a directory.", fix="Choose another output directory.")
    content = {entry.name for entry in target.iterdir()}
    if not content:
        return
    if not force:
        raise OutputError(f"{target} exists already.", fix="Choose another directory, or give --force to replace it.")
    foreign = sorted(content - _own_files(target) - _LITTER)
    if foreign:
        raise OutputError(
            f"{target} holds files that yolo-edge did not make ({', '.join(foreign[:3])}), so it is not replaced.",
            fix="Choose another directory, or empty this one yourself.",
        )


def _own_files(directory: Path) -> set[str]:
    """Return the names that a directory's manifest answers for; none if it has no manifest of yolo-edge.

    Web projects keep files called ``manifest.json`` and ``model.json`` too, so a name alone proves nothing.
    """
    try:
        document = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(document, dict) or not isinstance(document.get("files"), dict):
        return set()
    return {MANIFEST_FILE, *document["files"]} if "schema_version" in document else set()


def _replace_directory(staging: Path, target: Path) -> None:
    if not target.exists():
        os.rename(staging, target)
        return
    retired = staging.with_suffix(".old")
    try:
        os.rename(target, retired)
        os.rename(staging, target)
    finally:
        if not target.exists():
            os.rename(retired, target)
        shutil.rmtree(retired, ignore_errors=True)


def keep_apart(target: Path, sources: Iterable[Path]) -> None:
    """Refuse an output directory that is, or holds, something that is read: with ``force`` it would be replaced.

    Raises:
        UsageError: it does.
    """
    for source in sources:
        if source.exists() and source.resolve().is_relative_to(target.resolve()):
            raise UsageError(f"The output {target} holds {source}, which is read.", fix="Choose another output.")


@contextmanager
def _parents_made(target: Path) -> Iterator[None]:
    """Make the directories above ``target``; if the block fails, take away those that were not there before."""
    with explained(target):
        missing = [parent for parent in target.parents if not parent.exists()]
    try:
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):  # someone else has put something into it
                parent.rmdir()
        raise


def make_directory(directory: Path) -> Path:
    """Create a directory and its parents, and return it.

    Raises:
        OutputError: it cannot be created.
    """
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def explained(target: Path, within: Path | None = None) -> Iterator[None]:
    """Turn the operating system's refusals to write ``target`` into an :class:`OutputError`.

    Args:
        target: what is being made, for the message.
        within: explain refusals about this path and below alone; others, about an input for instance, pass unchanged.

    Raises:
        OutputError: the disk is full, or something may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise OutputError(
                f"{_full_disk(error, target, within)} is full, nothing was written.",
                fix="Free some space, or choose an output on another disk.",
            ) from error
        if within is not None and not _concerns(error, within):
            raise
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.",
            fix="Choose an output that you may write to.",
        ) from error


def _full_disk(error: OSError, target: Path, within: Path | None) -> str:
    """Name the disk; a write that fails names no file, and temporary files may lie elsewhere."""
    if within is None or _concerns(error, within):
        return f"The disk that holds {target.parent}"
    if isinstance(error.filename, str | Path):
        return f"The disk that holds {Path(error.filename).parent}"
    return f"The disk that holds {target.parent}, or the one of temporary files,"


def _concerns(error: OSError, path: Path) -> bool:
    return isinstance(error.filename, str | Path) and Path(os.path.abspath(error.filename)).is_relative_to(path)
