"""Benchmark sets known by name: ``configs/benchmarks/*.yaml``.

A description says where the files of a set come from and what they must be. A hash that nobody has published is written
``sha256: recorded``: the hash of what comes on the first download is recorded beside the set, and asked for ever after.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from yolo_edge.errors import InputError
from yolo_edge.photos.documents import read_yaml

RECORDED = "recorded"
"""Stands for a hash that is recorded on the first download."""

_HASH = rf"^([0-9a-f]{{64}}|{RECORDED})$"
_PLACE = r"^https?://[^\s]+$"


def is_inside(path: str) -> bool:
    """Say whether a path, with ``/``, stays inside a directory and is not hidden at its top."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not (path.startswith(("/", ".")) or ".." in parts or "\\" in path or "\0" in path)


def _inside(path: str) -> str:
    if not is_inside(path):
        raise ValueError("must be a path below the set's directory")
    return path


InsidePath = Annotated[str, AfterValidator(_inside)]
"""A path that :func:`is_inside` accepts."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DescribedFile(_Model):
    """One file of a set.

    Attributes:
        url: its address below the location.
        path: where it lies in the set's directory.
        sha256: of what the address gives, lowercase hex, or ``recorded``.
        bytes: size of that; None where unknown.
        member: where the address gives a zip archive, which file of it is wanted.
    """

    url: InsidePath
    path: InsidePath
    sha256: str = Field(pattern=_HASH)
    bytes: int | None = Field(default=None, gt=0)
    member: str | None = None


class DescribedPhotos(_Model):
    """Photos that are fetched one by one, as the labels list them.

    Attributes:
        url: address of a photo below the location, with ``{file_name}`` in it.
        sha256: ``recorded``, for each.
    """

    url: str = Field(pattern=r"^[^{}]*\{file_name\}[^{}]*$")
    sha256: Literal["recorded"]

    def address(self, file_name: str) -> str:
        """Return the address of a photo below the location."""
        return self.url.replace("{file_name}", file_name)


class Subset(_Model):
    """Which of the photos a name stands for, where it is not all.

    Attributes:
        limit: how many.
        seed: of the choice.
    """

    limit: int = Field(gt=0)
    seed: int = Field(default=0, ge=0)


class Description(_Model):
    """A benchmark set.

    Attributes:
        name: what users call it.
        description: what it is, for a list.
        kind: the form it has once it is fetched.
        licence: of photos and labels.
        location: the address that all others are below.
        open: what is opened, once fetched: a path in the set's directory.
        unlabelled: what a photo without a labelled person is: ``skip``, left out; ``background``, a photo of nobody.
        files: what is fetched whole.
        photos: what is fetched one by one; for ``coco`` sets, into ``images/``.
        subset: which photos the name stands for; all by default.
    """

    schema_version: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = Field(min_length=1)
    kind: Literal["builtin", "coco", "folder", "ultralytics", "video"]
    licence: str = Field(min_length=1)
    location: str | None = Field(default=None, pattern=_PLACE)
    open: InsidePath | Literal["."] = "."
    unlabelled: Literal["skip", "background"] = "skip"
    files: tuple[DescribedFile, ...] = ()
    photos: DescribedPhotos | None = None
    subset: Subset | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Description:
        paths = [file.path for file in self.files]
        if self.kind == "builtin":
            if self.files or self.photos:
                raise ValueError("a builtin set has nothing to fetch")
            return self
        if not self.files or self.location is None:
            raise ValueError("a set needs files and the location that they come from")
        if len(set(paths)) < len(paths):
            raise ValueError("two files have the same path")
        if self.kind == "coco" and self.open not in paths:
            raise ValueError("open must name one of the files, the labels of the set")
        if self.photos and self.kind != "coco":
            raise ValueError("photos are fetched one by one for coco sets alone")
        return self

    def narrowed(self, limit: int | None, seed: int) -> tuple[int | None, int]:
        """Return limit and seed of the photos that are meant: where the name stands for a part, a part of that."""
        if self.subset is None:
            return limit, seed
        return min(limit or self.subset.limit, self.subset.limit), self.subset.seed


def parse_description(document: object, source: str) -> Description:
    """Check the content of a description.

    Args:
        document: what the YAML holds.
        source: the file's name, for messages.

    Raises:
        InputError: it is not of the schema; the message names the first wrong value.
    """
    try:
        return Description.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{source} is wrong at {where}: {first['msg']}.", fix="Correct the file.") from error


def read_description(path: Path) -> Description:
    """Read a description of one's own.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    return parse_description(read_yaml(path), str(path))


@cache
def known_descriptions() -> tuple[Description, ...]:
    """Return the sets that yolo-edge knows by name, sorted.

    Raises:
        InputError: one was edited and is wrong.
    """
    folder = resources.files("yolo_edge.photos").joinpath("descriptions")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    texts = [(file.name, file.read_text(encoding="utf-8")) for file in files]
    return tuple(parse_description(yaml.safe_load(text), f"configs/benchmarks/{name}") for name, text in texts)


def find_description(name: str) -> Description | None:
    """Return the set of a name, None if there is none."""
    return next((entry for entry in known_descriptions() if entry.name == name), None)
