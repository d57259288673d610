"""Weights known by name: ``models/catalogue.yaml``, and the cache that makes them available offline.

The file's sha256 is what identifies weights. Where the bytes come from does not matter, so the sources of an entry are
simply tried in order, and a cached file is used only while it still has that hash.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from yolo_edge import console
from yolo_edge.cache import cache_root
from yolo_edge.checkpoint.sources import AnySource, Source
from yolo_edge.downloads import DownloadError
from yolo_edge.errors import InputError, WeightsUnavailableError
from yolo_edge.files import sha256_of, staged_file


class Entry(BaseModel):
    """Weights that yolo-edge knows by name.

    Attributes:
        name: what users call them, e.g. ``yolo11n-pose``.
        file: their file name, e.g. ``yolo11n-pose.pt``.
        sha256: of the file, lowercase hex.
        bytes: size of the file.
        licence: SPDX identifier.
        sources: where to get the file, tried in order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.pt$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    licence: str = Field(min_length=1)
    sources: tuple[AnySource, ...] = Field(min_length=1)


class Catalogue(BaseModel):
    """The content of ``models/catalogue.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    models: tuple[Entry, ...]

    @model_validator(mode="after")
    def _names_differ(self) -> Catalogue:
        names = [name for entry in self.models for name in {entry.name, entry.file}]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"more than one entry is called {', '.join(twice)}")
        return self


def parse_catalogue(text: str, source: str) -> tuple[Entry, ...]:
    """Parse the text of a catalogue file.

    Args:
        text: YAML.
        source: the file's name, for messages.

    Raises:
        InputError: not YAML, or not of the catalogue's schema; the message names the first wrong value.
    """
    try:
        return Catalogue.model_validate(yaml.safe_load(text)).models
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not valid YAML: {error}.", fix="Correct the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{source} is wrong at {where}: {first['msg']}.", fix="Correct the file.") from error


@cache
def load_catalogue() -> tuple[Entry, ...]:
    """Return the weights that yolo-edge knows, in the order of the catalogue file.

    Raises:
        InputError: the catalogue file was edited and is wrong.
    """
    file = resources.files("yolo_edge.checkpoint").joinpath("catalogue.yaml")
    return parse_catalogue(file.read_text(encoding="utf-8"), "models/catalogue.yaml")


def find(name: str) -> Entry | None:
    """Return the entry of a name (``yolo11n-pose``) or bare file name (``yolo11n-pose.pt``), None if there is none."""
    return next((entry for entry in load_catalogue() if name in (entry.name, entry.file)), None)


def cached_path(entry: Entry) -> Path:
    """Return where an entry's file is kept, whether or not it is there."""
    return cache_root() / "weights" / entry.file


def is_cached(entry: Entry) -> bool:
    """Say whether the entry's file is in the cache with the right size and hash."""
    path = cached_path(entry)
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256


def fetch(entry: Entry) -> Path:
    """Return the entry's file, downloaded and verified if it is not cached yet.

    Raises:
        WeightsUnavailableError: it is not cached, and no source gave a file with the right hash.
        OutputError: the cache cannot be written, or its disk is full.
    """
    target = cached_path(entry)
    if is_cached(entry):
        return target
    answers = []
    for source in entry.sources:
        answer = _try(source, entry, target)
        if answer is None:
            return target
        console.say(f"{source.describe()}: {answer}.")
        answers.append(f"{source.describe()}: {answer}")
    raise WeightsUnavailableError(
        f"{entry.file} is not in the cache and could not be downloaded. " + "; ".join(answers) + ".",
        fix=f"Check the network, or download {entry.file} elsewhere and give the path of the file instead of its name.",
    )


def _try(source: Source, entry: Entry, target: Path) -> str | None:
    """Download from one source into the cache; return None when that worked, else what the source answered."""
    try:
        with staged_file(target, force=True) as staging:
            source.fetch_into(staging, entry.bytes)
            size = staging.stat().st_size
            if size != entry.bytes:
                amount = f"more than {entry.bytes:,}" if size > entry.bytes else f"{size:,}"
                raise DownloadError(f"gave {amount} bytes, expected {entry.bytes:,}")
            if sha256_of(staging) != entry.sha256:
                raise DownloadError("gave another file (its sha256 is wrong)")
    except DownloadError as error:
        return str(error)
    return None
