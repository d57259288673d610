"""The forms a set of photos comes in, and which one a source has.

A form is a module in :mod:`yolo_edge.photos.sources` with ``FORMAT = SourceFormat(…)`` and a line in ``_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.errors import InputError

if TYPE_CHECKING:
    from yolo_edge.photos.benchmark import Benchmark

FIX = (
    "Give a folder of photos, a COCO json with its photos in images/ beside it, an Ultralytics pose data yaml, a "
    "video, or a name that yolo-edge benchmark list shows."
)

_MODULES = (  # in the order they are asked: what is told by a name first, folders last
    "yolo_edge.photos.sources.builtin",
    "yolo_edge.photos.sources.described",
    "yolo_edge.photos.sources.coco",
    "yolo_edge.photos.sources.ultralytics",
    "yolo_edge.photos.sources.video",
    "yolo_edge.photos.sources.folder",
)


@dataclass(frozen=True)
class Opening:
    """How a set is to be opened; see :func:`yolo_edge.photos.benchmark.find_benchmark`."""

    source: str
    limit: int | None = None
    seed: int = 0
    frames_per_second: float | None = None

    @property
    def path(self) -> Path:
        """The source as a path."""
        return Path(self.source)


@dataclass(frozen=True)
class SourceFormat:
    """A form of photo sets.

    Attributes:
        kind: its name.
        accepts: whether a source looks like one. It must not raise for what is damaged: reading says what is wrong.
        read: opens the set. The photos are not limited yet.
        files: the photos that a source names, whether or not they can be read, without a look at labels; None where
            they are no files.
    """

    kind: str
    accepts: Callable[[str], bool]
    read: Callable[[Opening], Benchmark]
    files: Callable[[Path], list[Path]] | None = None


def find_format(source: str) -> SourceFormat:
    """Return the form of a source.

    Raises:
        InputError: it has none.
    """
    try:
        for module in _MODULES:
            form: SourceFormat = import_module(module).FORMAT
            if form.accepts(source):
                return form
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        raise InputError(f"There are no photos at {source}: {error}.", fix=FIX) from error
    raise InputError(f"There are no photos at {source}.", fix=FIX)


def find_photo_files(source: str | Path) -> list[Path]:
    """Return the photos that a source names, in its own order, without opening any.

    Raises:
        InputError: there is no such source, it is damaged, names no photo, or its photos are no files.
    """
    form = find_format(str(source))
    if form.files is None:
        raise InputError(f"The photos of {source} are no files.", fix=FIX)
    try:
        files = form.files(Path(source))
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.", fix=FIX) from error
    if not files:
        raise InputError(f"{source} holds no photos.", fix=FIX)
    return files
