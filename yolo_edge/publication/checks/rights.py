"""Who may do what: the clock that signatures are made with, rights that are missing, rights that are too wide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from yolo_edge.errors import NetworkError, YoloEdgeError
from yolo_edge.publication.checks.check import ON_SERVICE, Check, Finding, Remedy
from yolo_edge.publication.checks.subject import Need, Subject, model

SKEW_REFUSED = 900.0
"""Seconds between two clocks beyond which S3 takes no signature (``RequestTimeTooSkewed``,
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

_SKEW_WARNED = 60.0

_MISSING = Remedy(
    {
        "Amazon S3": "attach configs/infra/aws/publisher-policy.json to the user or role.",
        "R2": "give the API token 'Object Read & Write' on this bucket.",
    }
)
_TOO_WIDE = Remedy(
    {
        "Amazon S3": "put configs/infra/aws/bucket-policy.json in place of the bucket's policy: it lets strangers read "
        "models/* and nothing else.",
        "R2": "give no r2.dev address and no Worker out that writes; connect a custom domain, which reads alone.",
    }
)


def _clock(subject: Subject) -> Finding:
    before = datetime.now(UTC)
    try:
        reply = subject.probe.list(subject.prefix, as_stranger=True)  # is answered whatever the credentials
    except NetworkError:
        subject.lacks |= {Need.CONTACT, Need.WRITING}
        raise
    if reply.date is None:
        return Finding("warning", "the service does not say what time it is")
    half_way = before + (datetime.now(UTC) - before) / 2
    skew = (half_way - reply.date.astimezone(UTC)).total_seconds()
    side = "ahead of" if skew > 0 else "behind"
    found = f"this machine is {abs(skew):.0f} s {side} the service" if abs(skew) > 1 else "within a second"
    if abs(skew) <= _SKEW_WARNED:
        return Finding("ok", found)
    advice = "Set the clock of this machine (timedatectl set-ntp true): beyond 15 minutes, nothing signed is taken."
    return Finding("failed" if abs(skew) > SKEW_REFUSED else "warning", found, advice)


def _rights(subject: Subject) -> Finding:
    store = subject.store
    errors: dict[str, YoloEdgeError] = {}

    def holds(right: str, request: Callable[[], object]) -> None:
        try:
            request()
        except YoloEdgeError as error:
            errors[right] = error

    key = subject.key("rights.json")
    holds("s3:PutObject", lambda: store.put_once(key, model().stored, model().headers))
    if "s3:PutObject" in errors:
        subject.lacks.add(Need.WRITING)
    else:
        holds("s3:GetObject", lambda: store.get(key))
    holds("s3:ListBucket", lambda: list(store.list(subject.prefix)))
    if "s3:ListBucket" not in errors:  # what is missing may still look forbidden
        holds("s3:ListBucket", lambda: store.head(subject.prefix + "missing.json"))
    holds("s3:DeleteObject", lambda: store.delete(key))
    if not errors:
        return Finding("ok", "may write, read, list and delete")
    found = f"refused: {', '.join(errors)} ({next(iter(errors.values())).what})"
    if Need.SERVICE in subject.lacks:
        return Finding("failed", found, next(iter(errors.values())).fix)
    advice = _MISSING.at(subject.service)
    if set(errors) == {"s3:DeleteObject"}:
        return Finding("warning", found, f"Publishing does without, collecting what is left over does not. {advice}")
    return Finding("failed", found, f"{next(iter(errors.values())).fix} {advice}")


def _strangers_list(subject: Subject) -> Finding:
    reply = subject.probe.list("", as_stranger=True)
    if reply.done:
        return Finding("failed", f"anyone may list the bucket ({reply})", _TOO_WIDE.at(subject.service))
    return Finding("ok", f"listing as a stranger is refused ({reply})")


def _strangers_write(subject: Subject) -> Finding:
    sample = model()
    victim = subject.write("strangers-delete", sample)
    replies = {
        "write": subject.probe.put(
            subject.key("strangers-write.json"),
            sample.stored,
            sample.headers,
            conditions={"If-None-Match": "*"},
            as_stranger=True,
        ),
        "delete": subject.probe.delete(victim, as_stranger=True),
    }
    allowed = [what for what, reply in replies.items() if reply.done]
    if allowed:
        found = f"anyone may {' and '.join(allowed)} objects of models/"
        return Finding("failed", found, _TOO_WIDE.at(subject.service))
    told = ", ".join(dict.fromkeys(str(reply) for reply in replies.values()))
    return Finding("ok", f"writing and deleting as a stranger is refused ({told})")


CHECKS = (
    Check("clock", frozenset({Need.SERVICE}), _clock),
    Check("rights", frozenset({Need.CONTACT}), _rights),
    Check("strangers list", frozenset({Need.SERVICE, Need.CONTACT}), _strangers_list),
    Check("strangers write", ON_SERVICE, _strangers_write),
)
