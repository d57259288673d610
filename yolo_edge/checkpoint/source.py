"""SOURCE, as the command line takes it: a file, or a name of the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from yolo_edge.checkpoint.catalogue import fetch, find, load_catalogue
from yolo_edge.errors import InputError

_SUFFIXES = (".pt", ".onnx")
_OF_ULTRALYTICS = re.compile(r"yolo(?:v8|11|26)[nsmlx]-pose(?:-p6)?(?:\.pt)?")
_ULTRALYTICS_ADDRESS = "https://github.com/ultralytics/assets/releases"


def resolve_source(source: str) -> Path:
    """Return the file a source names, fetched and verified if it is a catalogue name.

    A file on disk goes before a catalogue name, so ``yolo11n-pose.pt`` means the file where there is one, and the
    catalogue's weights where there is none.

    Raises:
        InputError: there is neither such a file nor such a name, or the file is no ``.pt`` or ``.onnx``.
    """
    path = Path(source)
    try:
        is_file, is_directory = path.is_file(), path.is_dir()
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.", fix="Check the path.") from error
    if is_file:
        if path.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{path} is neither a .pt nor an .onnx file.", fix="Give pose weights or an ONNX export.")
        return path
    if is_directory:
        raise InputError(f"{path} is a directory.", fix="Give a .pt or .onnx file, or a catalogue name.")
    entry = find(source)
    if entry is not None:
        return fetch(entry)
    known = ", ".join(entry.name for entry in load_catalogue())
    if _OF_ULTRALYTICS.fullmatch(source):
        file = f"{source.removesuffix('.pt')}.pt"
        raise InputError(
            f"There is no file {source}, and the catalogue does not have these weights: it has {known}.",
            fix=f"Download {file} from Ultralytics ({_ULTRALYTICS_ADDRESS}) and give its path.",
        )
    raise InputError(
        f"There is no file {source}, and no model of that name in the catalogue.",
        fix=f"Check the path, or give one of: {known}.",
    )
