"""Reports are published: messages in them say which file, not where it lies on somebody's machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from yolo_edge.photos.benchmark import Skipped
from yolo_edge.validation.result import Validation, Variant

_FOLDERS = re.compile(r"""file://(?:[^\s/'"]*/)+|(?<![\w/\\:.<])(?:[A-Za-z]:[\\/]|~?[\\/])(?:[^\s/\\'"]+[\\/])+""")
_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")


def without_paths(text: str, *, name: str = "", directory: Path | None = None) -> str:
    """Return a message with the folders above its files taken out, and the ports that differ from run to run.

    Args:
        text: the message.
        name: of a file it may speak of: folders above this one are found even if there are spaces in their names.
        directory: one it may speak of, likewise.
    """
    if directory is not None:
        for path in sorted({str(directory.absolute()), str(directory.resolve())}, key=len, reverse=True):
            text = text.replace(path, directory.resolve().name)
    last = re.escape(name.replace("\\", "/").rpartition("/")[2])
    if last:
        text = re.sub(rf"(?<![\w/\\:.<])(?:[A-Za-z]:)?[/\\](?:[^\n]*?[/\\])?(?={last})", "", text)
    return _PORT.sub(r"\1", _FOLDERS.sub("", text))


def redacted(result: Validation) -> Validation:
    """Return a validation whose messages name no folders."""
    return replace(
        result,
        skipped=tuple(Skipped(entry.name, without_paths(entry.reason, name=entry.name)) for entry in result.skipped),
        variants=tuple(_redacted(variant) for variant in result.variants),
        notes=tuple(map(without_paths, result.notes)),
    )


def _redacted(variant: Variant) -> Variant:
    directory = variant.candidate.directory
    return replace(
        variant,
        runs=tuple(replace(run, message=without_paths(run.message, directory=directory)) for run in variant.runs),
        checks=tuple(replace(check, note=without_paths(check.note, directory=directory)) for check in variant.checks),
    )
