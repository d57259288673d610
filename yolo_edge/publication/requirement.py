"""What a release must have passed: a validation report, of the very bytes that are published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.errors import GateError, InputError
from yolo_edge.publication.layout import REPORT_FILE, canonical
from yolo_edge.publication.record import GateRecord
from yolo_edge.validation.candidate import find_candidate
from yolo_edge.validation.result import SCHEMA_VERSION

REPORT_JSON = "report.json"
_AGAIN = "Validate what you publish: yolo-edge validate DIR -o report, then --require-gate report/report.json."


@dataclass(frozen=True)
class Report:
    """A validation report.

    Attributes:
        path: of the file; of several, all of them.
        data: its bytes, which are published along; of several, one document that holds them all.
        variants: sha256 of a directory's served files → (its name in the report, its verdict).
    """

    path: str
    data: bytes
    variants: Mapping[str, tuple[str, str]]

    def record(self) -> GateRecord:
        """Return what the commit record says of it."""
        return GateRecord(report=REPORT_FILE, report_sha256=hashlib.sha256(self.data).hexdigest())


def read_reports(paths: Sequence[Path]) -> Report:
    """Read what ``validate`` wrote, for one input size or for several.

    Args:
        paths: each a ``report.json``, or the directory that holds it.

    Raises:
        InputError: one cannot be read, or is no report of a known schema.
    """
    reports = [_read(path / REPORT_JSON if path.is_dir() else path) for path in paths]
    if len(reports) == 1:
        return reports[0]
    documents = [json.loads(report.data) for report in reports]
    variants = [entry for document in documents for entry in document["variants"]]
    data = canonical({"schema_version": SCHEMA_VERSION, "variants": variants, "reports": documents})
    return Report(
        ", ".join(report.path for report in reports),
        data,
        {k: v for report in reports for k, v in report.variants.items()},
    )


def _read(path: Path) -> Report:
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
    return Report(str(path), data, variants)


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
