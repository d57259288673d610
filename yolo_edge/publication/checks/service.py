"""What a service must do for publishing to be safe: conditions, headers, checksums."""

from __future__ import annotations

from yolo_edge.publication.checks.check import ON_SERVICE, Check, Finding
from yolo_edge.publication.checks.subject import Need, Subject, channel, loader, model, shard
from yolo_edge.publication.conditions import STALE_ETAG
from yolo_edge.publication.store import sha256_hex

_ONCE = {"If-None-Match": "*"}  # so that policies which ask for a condition are content
_REFUSED = 412
_ANOTHER_SERVICE = (
    "Two publishers could overwrite each other: use a service with conditional writes, such as Amazon S3, Cloudflare "
    "R2 or SeaweedFS."
)


def _create_only(subject: Subject) -> Finding:
    key, headers = subject.key("create-only.json"), channel().headers
    first, second = (subject.probe.put(key, content, headers, conditions=_ONCE) for content in (b"{}", b"[]"))
    if not first.done:
        return Finding("failed", f"an object that is not there yet was refused ({first})", _ANOTHER_SERVICE)
    if second.status != _REFUSED:
        return Finding("failed", f"If-None-Match: * of an object that is there: {second}, not 412", _ANOTHER_SERVICE)
    return Finding("ok", f"If-None-Match: * refuses to replace ({second})")


def _compare_and_swap(subject: Subject) -> Finding:
    key, headers = subject.key("compare-and-swap.json"), channel().headers
    first = subject.store.put_once(key, b'{"seq":1}', headers)
    stale = subject.probe.put(key, b'{"seq":2}', headers, conditions={"If-Match": STALE_ETAG})
    if stale.status != _REFUSED:
        return Finding("failed", f"If-Match with a stale tag: {stale}, not 412", _ANOTHER_SERVICE)
    right = subject.probe.put(key, b'{"seq":3}', headers, conditions={"If-Match": first.etag})
    if not right.done:
        return Finding("failed", f"If-Match with the right tag was refused ({right})", _ANOTHER_SERVICE)
    return Finding("ok", f"If-Match refuses a stale tag ({stale}) and takes the right one")


def _headers(subject: Subject) -> Finding:
    wrong: list[str] = []
    for name, sample in {"shard": shard(), "loader": loader(), "channel": channel()}.items():
        found = subject.store.head(subject.write(f"headers-{name}", sample))
        there = found.headers.named() if found else {}
        wrong += [
            f"{header} of a {sample.suffix} is {there.get(header, 'not set')!r}, not {value!r}"
            for header, value in sample.headers.named().items()
            if there.get(header) != value
        ]
        wrong += [f"{header} of a {sample.suffix} was added" for header in there.keys() - sample.headers.named().keys()]
    if not wrong:
        return Finding("ok", "Content-Type, Cache-Control and Content-Encoding come back as they were written")
    if any("aws-chunked" in told for told in wrong):
        advice = "Update the service: it takes a part of the request's transport for the object's encoding."
    else:
        advice = "Look for a proxy between here and the store that changes headers."
    return Finding("failed", "; ".join(wrong), advice)


def _checksum(subject: Subject) -> Finding:
    sample = model()
    key = subject.key("checksum.json")
    wrong = sha256_hex(b"other bytes")
    reply = subject.probe.put(key, sample.stored, sample.headers, conditions=_ONCE, sha256=wrong)
    if reply.done:
        return Finding(
            "failed",
            f"bytes that are not those of x-amz-checksum-sha256 were taken ({reply})",
            "What breaks on the way would be published: use a service that checks SHA-256, and no proxy that drops it.",
        )
    return Finding("ok", f"bytes that do not fit their checksum are refused ({reply})")


CHECKS = (
    Check("create only", ON_SERVICE, _create_only),
    Check("compare and swap", ON_SERVICE, _compare_and_swap),
    Check("headers", frozenset({Need.WRITING}), _headers),
    Check("checksum", ON_SERVICE, _checksum),
)
