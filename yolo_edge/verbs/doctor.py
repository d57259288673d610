"""``doctor``: does a bucket keep what publishing relies on, and do browsers get from its CDN what was published?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_edge.addresses import site_address
from yolo_edge.errors import NetworkError
from yolo_edge.publication.checks.subject import Need
from yolo_edge.publication.doctor import CheckResult, examine
from yolo_edge.publication.store import open_store


@dataclass(frozen=True)
class Diagnosis:
    """What ``doctor`` found.

    Attributes:
        store: address of what was looked at.
        url: of the site before it; None if the store alone was looked at.
        checks: one result a check, in the order they were made.
    """

    store: str
    url: str | None
    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Tell whether no check failed. Warnings are none."""
        return not self._failed()

    def left_out(self, need: Need) -> tuple[CheckResult, ...]:
        """Return the checks that were not made because something is not there."""
        return tuple(check for check in self.checks if check.status == "skipped" and check.found == need.value)

    def raise_if_failed(self) -> None:
        """Raise what failed.

        Raises:
            NetworkError: a check failed.
        """
        failed = self._failed()
        if failed:
            names = ", ".join(check.name for check in failed)
            raise NetworkError(
                f"{len(failed)} of {len(self.checks)} checks failed: {names}.",
                fix="Begin with the first: others may follow from it. Then run the doctor again.",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "store": self.store,
            "url": self.url,
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
        }

    def _failed(self) -> list[CheckResult]:
        return [check for check in self.checks if check.status == "failed"]


def doctor(store: str | Path, *, endpoint_url: str | None = None, url: str | None = None) -> Diagnosis:
    """Examine a bucket and the CDN before it, by trying things out below ``models/_doctor-…/``, which is removed again.

    Args:
        store: address that releases are published to: ``s3://bucket/prefix``, or a folder.
        endpoint_url: of an S3 service other than Amazon's; by default what boto3 finds in its own settings.
        url: below which its ``models/…`` are served to browsers; None looks at the store alone.

    Returns:
        What was found. Checks that failed do not raise: see :meth:`Diagnosis.raise_if_failed`.

    Raises:
        UsageError: an address is none.
        MissingComponentError: what the store needs is not installed.
        NetworkError: the settings that boto3 finds cannot be used.
    """
    if url is not None:
        site_address(url)
    opened = open_store(str(store), endpoint_url=endpoint_url)
    return Diagnosis(opened.address, url, examine(opened, url))
