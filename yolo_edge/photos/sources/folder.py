"""A folder of photos, searched with its subfolders."""

from __future__ import annotations

from pathlib import Path

from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import Benchmark
from yolo_edge.photos.photo import SUFFIXES, numbered, photos_below
from yolo_edge.photos.source import FIX, Opening, SourceFormat

KIND = "folder"


def is_folder(source: str) -> bool:
    """Say whether a source is a folder."""
    return Path(source).is_dir()


def read_folder(opening: Opening) -> Benchmark:
    """Open a folder of photos.

    Raises:
        InputError: it holds none.
    """
    files = photos_below(opening.path)
    if not files:
        raise InputError(f"{opening.path} holds no photos ({', '.join(SUFFIXES)}).", fix=FIX)
    return Benchmark(opening.path.resolve().name, KIND, numbered(files, opening.path))


FORMAT = SourceFormat(KIND, is_folder, read_folder, photos_below)
