"""What was fetched of a described set: a file beside it that holds the description, and size and hash of each file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from yolo_edge.cache import cache_root
from yolo_edge.errors import InputError
from yolo_edge.files import explained, make_directory, sha256_of
from yolo_edge.photos.description import Description

RECORD_FILE = "yolo-edge-benchmark.json"


class FetchedFile(BaseModel):
    """A file of the set.

    Attributes:
        sha256: of the file, lowercase hex.
        bytes: its size.
        archive: sha256 of the archive that it was taken from; None where it came as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    bytes: int
    archive: str | None = None


class Record(BaseModel):
    """The content of :data:`RECORD_FILE`.

    Attributes:
        description: of the set.
        files: path in the set's directory → what was fetched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    description: Description
    files: dict[str, FetchedFile]


def cached_directory(description: Description) -> Path:
    """Return where a set is kept by default, whether or not it is there."""
    return cache_root() / "benchmarks" / description.name


def is_fetched(directory: Path) -> bool:
    """Say whether a directory holds a fetched set, or a part of one."""
    return (directory / RECORD_FILE).is_file()


def read_record(directory: Path) -> Record:
    """Read what was fetched into a directory.

    Raises:
        InputError: there is no record, or it is damaged.
    """
    path = directory / RECORD_FILE
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix="Fetch the set again.") from error
    except ValidationError as error:
        raise InputError(
            f"{path} is damaged: {error.errors()[0]['msg']}.", fix="Delete the directory, and fetch the set again."
        ) from error


def write_record(directory: Path, record: Record) -> None:
    """Write the record; one that is there is replaced at once."""
    make_directory(directory)
    staging = directory / f".{RECORD_FILE}.{secrets.token_hex(4)}.partial"
    try:
        with explained(directory / RECORD_FILE):
            staging.write_text(record.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")
            os.replace(staging, directory / RECORD_FILE)
    finally:
        staging.unlink(missing_ok=True)


def check_file(directory: Path, name: str, record: Record) -> Path:
    """Return a fetched file, if it is still what came.

    Raises:
        InputError: it is absent or has changed.
    """
    path, expected = directory / name, record.files.get(name)
    fix = f"Run yolo-edge benchmark fetch again, for {record.description.name} into {directory}."
    if expected is None or not path.is_file():
        raise InputError(f"{path} is not there.", fix=fix)
    if path.stat().st_size != expected.bytes or sha256_of(path) != expected.sha256:
        raise InputError(f"{path} has changed since it was fetched (its sha256 is wrong).", fix=fix)
    return path
