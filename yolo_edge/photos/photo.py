"""A photo that is read when it is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ImageError
from yolo_edge.files import sha256_of
from yolo_edge.pose.image import read_image

Image = NDArray[np.uint8]

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""What the names of photos end in."""


class Photo(Protocol):
    """One photo of a set, wherever its pixels come from."""

    @property
    def key(self) -> int:
        """What tells it from the others of its set; labels name it by this."""

    @property
    def name(self) -> str:
        """What to call it in messages and reports."""

    def read(self) -> Image:
        """Return the pixels, uint8 RGB ``[H, W, 3]``, upright.

        Raises:
            ImageError: it cannot be read; the message names it.
        """

    def digest(self) -> str:
        """Return a sha256, lowercase hex, that changes when that which the pixels are made from changes.

        Raises:
            InputError: the file cannot be read.
        """


@dataclass(frozen=True)
class FilePhoto:
    """A photo that is a file.

    Attributes:
        key: what tells it from the others.
        name: what to call it; its path below the set's folder.
        path: the file.
        sha256: what the file's hash must be; None where nobody has recorded it.
    """

    key: int
    name: str
    path: Path
    sha256: str | None = None

    def read(self) -> Image:
        """Return the pixels, uint8 RGB ``[H, W, 3]``, its EXIF orientation applied.

        Raises:
            ImageError: it cannot be read, or is not the file whose hash was recorded.
        """
        if self.sha256 is not None and self.path.is_file() and sha256_of(self.path) != self.sha256:
            raise ImageError(
                f"{self.path} has changed since it was fetched (its sha256 is wrong).", fix="Fetch the set again."
            )
        return read_image(self.path)

    def digest(self) -> str:
        """Return the file's sha256."""
        return sha256_of(self.path)


def photos_below(directory: Path) -> list[Path]:
    """Return the photos of a folder and of its subfolders, sorted."""
    return sorted(file for file in directory.rglob("*") if file.suffix.lower() in SUFFIXES)


def numbered(files: Iterable[Path], root: Path) -> tuple[FilePhoto, ...]:
    """Return files as photos with the keys 0, 1, 2 …, named from ``root`` on."""
    return tuple(FilePhoto(key, name_below(file, root), file) for key, file in enumerate(files))


def name_below(file: Path, root: Path) -> str:
    """Return a file's path below a folder, with ``/``; its bare name where it lies elsewhere."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
