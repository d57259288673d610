"""Examines a real bucket, and the CDN before it, by writing scratch objects and looking at what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

from yolo_edge.console import progress
from yolo_edge.errors import YoloEdgeError
from yolo_edge.publication.checks import caching, delivery, rights, service
from yolo_edge.publication.checks.check import Check, Finding, Status
from yolo_edge.publication.checks.subject import Need, Subject
from yolo_edge.publication.store import Store

CHECKS: tuple[Check, ...] = (*rights.CHECKS, *service.CHECKS, *delivery.CHECKS, *caching.CHECKS)
"""In the order they are made. What comes first may take away the ground of what follows."""


@dataclass(frozen=True)
class CheckResult:
    """What became of a check.

    Attributes:
        name: of the check.
        status: ``ok``, ``warning`` (works, but costs something), ``failed``, or ``skipped``.
        found: what was seen, or why it was skipped.
        advice: the setting that mends it; None where there is nothing to mend.
    """

    name: str
    status: Status
    found: str
    advice: str | None


def examine(store: Store, url: str | None = None) -> tuple[CheckResult, ...]:
    """Make every check that applies. Scratch objects below ``models/_doctor-…/`` are removed, whatever happens.

    Args:
        store: to look at, with the credentials that it was opened with.
        url: below which its ``models/…`` are served to browsers; None looks at the store alone.

    Returns:
        One result a check, and one for the cleaning up.

    Raises:
        UsageError: the address is none.
    """
    subject = Subject(store, url)
    results: list[CheckResult] = []
    try:
        with progress(f"Examining {store.address}", len(CHECKS), "checks") as advance:
            for check in CHECKS:
                results.append(_named(check.name, _ask(check, subject)))
                advance(1)
    finally:
        left = subject.clean()
    return (*results, _named("cleaning up", _cleaned(left, subject)))


def _ask(check: Check, subject: Subject) -> Finding:
    lacking = next((need for need in Need if need in check.needs & subject.lacks), None)
    if lacking is not None:
        return Finding("skipped", lacking.value)
    try:
        return check.ask(subject)
    except YoloEdgeError as error:
        return Finding("failed", error.what, error.fix)


def _cleaned(left: YoloEdgeError | None, subject: Subject) -> Finding:
    if left is None:
        return Finding("ok", "all scratch objects are removed")
    if Need.WRITING in subject.lacks:
        return Finding("skipped", Need.WRITING.value)
    return Finding("warning", f"scratch objects stay below {subject.prefix} ({left.what})", "Remove them by hand.")


def _named(name: str, finding: Finding) -> CheckResult:
    return CheckResult(name, finding.status, finding.found, finding.advice)
