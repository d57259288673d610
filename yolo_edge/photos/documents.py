"""Descriptions of photo sets as files hold them: JSON and YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from yolo_edge.errors import InputError
from yolo_edge.photos.source import FIX


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file cannot be read, is not JSON, or holds something else.
    """
    try:
        return _object(json.loads(_text(path)), path)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}.", fix=FIX) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InputError: the file cannot be read, is not YAML, or holds something else.
    """
    import yaml

    try:
        return _object(yaml.safe_load(_text(path)), path)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}.", fix=FIX) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", fix=FIX) from error


def _object(document: Any, path: Path) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InputError(f"{path} is no description of a photo set.", fix=FIX)
    return document
