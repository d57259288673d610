"""What a release must have passed: a validation report, of the very bytes that are published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.errors import GateError, InputError
from yolo_edge.publication.layout import REPORT_FILE
from yolo_edge.publication.record import GateRecord
from yolo_edge.validation.candidate import find_candidate
from yolo_edge.validation.result import SCHEMA_VERSION

REPORT_JSON = "report.json"
_AGAIN = "Validate what you publish: yolo-edge validate DIR -o report, then --require-gate report/report.json."


@dataclass(frozen=True)
class Report:
    """A validation report.

    Attributes:
        path: of the file.
        data: its bytes, which are published along.
        variants: sha256 of a directory's served files → (its name in the report, its verdict).
    """

    path: Path
    data: bytes
    variants: Mapping[str, tuple[str, str]]

    def record(self) -> GateRecord:
        """Return what the commit record says of it."""
        return GateRecord(report=REPORT_FILE, report_sha256=hashlib.sha256(self.data).hexdigest())


def read_report(path: Path) -> Report:
    """Read what ``validate`` wrote.

    Args:
        path: a ``report.json``, or the directory that holds it.

    Raises:
        InputError: it cannot be read, or is no report of a known schema.
    """
    path = path / REPORT_JSON if path.is_dir() else path
    try:
        data = path.read_bytes()
        document = json.loads(data)
        version = document["schema_version"]
        variants = {entry["sha256"]: (str(entry["name"]), str(entry["verdict"])) for entry in _variants(document)}
    except OSError as error:
        raise InputError(f"The report {path} cannot be read: {error.strerror}.", fix=_AGAIN) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no validation report.", fix=_AGAIN) from error
    if version != SCHEMA_VERSION:
        raise InputError(f"The report {path} has schema version {version}, not {SCHEMA_VERSION}.", fix=_AGAIN)
    return Report(path, data, variants)


def require_passed(report: Report, directories: Mapping[str, Path]) -> tuple[str, ...]:
    """Check that each variant to be published is in the report, byte for byte, and did not fail.

    Args:
        report: of ``validate``.
        directories: variant → its directory, whose files are those of its manifest.

    Returns:
        The variants that had too few photos for some bound to be decided.

    Raises:
        GateError: a variant failed, or is of other bytes than any in the report.
    """
    undecided = []
    for variant, directory in directories.items():
        found = report.variants.get(find_candidate(directory).digest)
        if found is None:
            raise GateError(f"{report.path} does not judge the bytes of {variant} ({directory}).", fix=_AGAIN)
        if found[1] == "fail":
            raise GateError(f"{variant} failed the gate, says {report.path}.", fix="Look at the report beside it.")
        if found[1] != "pass":
            undecided.append(variant)
    return tuple(undecided)


def _variants(document: dict[str, Any]) -> list[dict[str, Any]]:
    variants: list[dict[str, Any]] = document["variants"]
    return variants
