"""What a cache before the store keeps: that it keeps at all, how long, and never without leave for other origins."""

from __future__ import annotations

from yolo_edge.publication.checks.check import ON_SITE, Check, Finding, Remedy
from yolo_edge.publication.checks.delivery import BROWSER_ENCODINGS
from yolo_edge.publication.checks.site import WebAnswer, edge_of
from yolo_edge.publication.checks.subject import Sample, Subject, channel, model, shard
from yolo_edge.publication.negotiation import directives

STATUS_HEADERS = ("cf-cache-status", "cache-status", "x-cache", "x-cache-status", "x-proxy-cache")
"""Where caches say what they did: Cloudflare, RFC 9211, CloudFront and Fastly, nginx by custom."""

ATTEMPTS = 4
"""Requests for one object: edges of several layers, or several machines, need more than two to hit."""

_FIRST_ORIGIN, _SECOND_ORIGIN = "https://first.example", "https://second.example"

_CORS = Remedy(
    {
        "Cloudflare": "apply configs/infra/cloudflare/response-headers.json, which sets Access-Control-Allow-Origin: * "
        "on every answer, and purge the cache.",
        "CloudFront": "attach configs/infra/cloudfront/response-headers-policy.json, and invalidate /models/*.",
        "nginx": "use configs/infra/nginx/edge.conf, which hides the origin's CORS headers and always adds its own; "
        "empty the cache.",
    }
)
_PREFLIGHT = Remedy(
    {
        "Cloudflare": "apply configs/infra/r2/cors.json to the bucket.",
        "CloudFront": "allow OPTIONS on the behaviour, and apply configs/infra/aws/cors.json to the bucket.",
        "nginx": "use configs/infra/nginx/edge.conf, which answers OPTIONS itself.",
    }
)
_CACHED = Remedy(
    {
        "Cloudflare": "apply configs/infra/cloudflare/cache-rule.json: by default .bin is cached and .json is not.",
        "CloudFront": "attach configs/infra/cloudfront/cache-policy.json to the behaviour models/*.",
        "nginx": "use configs/infra/nginx/edge.conf (proxy_cache).",
    }
)
_LIFETIME = Remedy(
    {
        "Cloudflare": "apply configs/infra/cloudflare/cache-rule.json, whose browser_ttl and edge_ttl respect the "
        "origin.",
        "CloudFront": "remove Cache-Control from the response headers policy.",
        "nginx": "use configs/infra/nginx/edge.conf, without expires and add_header Cache-Control.",
    }
)


def _cors(subject: Subject) -> Finding:
    site = subject.site
    key = subject.write("cors-plain-first", model())
    without = site.get(key)
    answers = {
        "after a request without Origin": (site.get(key, Origin=_FIRST_ORIGIN), _FIRST_ORIGIN),
    }
    key = subject.write("cors-origin-first", model())
    answers["first of all"] = (site.get(key, Origin=_FIRST_ORIGIN), _FIRST_ORIGIN)
    site.get(key)
    answers["after one of another origin"] = (site.get(key, Origin=_SECOND_ORIGIN), _SECOND_ORIGIN)
    refused = [when for when, (answer, origin) in answers.items() if _allowed_origin(answer) not in ("*", origin)]
    advice = _CORS.at(edge_of(without.headers))
    if "first of all" in refused:
        return Finding("failed", "other origins may not read: no Access-Control-Allow-Origin", advice)
    if refused:
        return Finding("failed", f"a cached copy forbids what was allowed: asked {' and '.join(refused)}", advice)
    if _allowed_origin(without) is None and "origin" not in without.headers.get("vary", "").lower():
        found = "allowed, but without Origin neither that nor Vary: Origin is said, and a cache may give it to pages"
        return Finding("warning", found, advice)
    return Finding("ok", f"Access-Control-Allow-Origin: {_allowed_origin(answers['first of all'][0])}, in every order")


def _cors_of_missing(subject: Subject) -> Finding:
    answer = subject.site.get(f"{subject.prefix}missing-cors{model().suffix}", Origin=_FIRST_ORIGIN)
    if _allowed_origin(answer) in ("*", _FIRST_ORIGIN):
        return Finding("ok", f"pages see the status ({answer.status})")
    found = f"no Access-Control-Allow-Origin with {answer.status}: pages see a network failure in its place"
    return Finding("warning", found, _CORS.at(edge_of(answer.headers)))


def _preflight(subject: Subject) -> Finding:
    site = subject.site
    answer = site.ask(
        "OPTIONS",
        site.base + subject.write("preflight", model()),
        Origin=_FIRST_ORIGIN,
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="cache-control",
    )
    named = answer.headers.get("access-control-allow-headers", "").lower()
    is_fine = 200 <= answer.status < 300 and _allowed_origin(answer) in ("*", _FIRST_ORIGIN)
    if is_fine and ("*" in named or "cache-control" in named):
        return Finding("ok", f"answered with {answer.status}, headers {named}")
    found = f"answered with {answer.status}, headers {named or 'none'}: pages that send headers of their own fail"
    return Finding("warning", found, _PREFLIGHT.at(edge_of(answer.headers)))


def _is_kept(subject: Subject, sample: Sample) -> Finding:
    key = subject.write("kept", sample)
    seen: list[str] = []
    for _ in range(ATTEMPTS):
        answer = subject.site.get(key, Accept_Encoding=BROWSER_ENCODINGS)
        seen.append(cache_status(answer.headers) or "no word")
        if _is_hit(answer.headers):
            return Finding("ok", " → ".join(seen))
    advice = _CACHED.at(edge_of(answer.headers))
    if set(seen) == {"no word"}:
        return Finding("warning", f"no header tells whether a cache has it ({', '.join(STATUS_HEADERS)}, age)", advice)
    return Finding("failed", " → ".join(seen), advice)


def _lifetimes(subject: Subject) -> Finding:
    wrong, edge = [], None
    for name, sample in {"shard": shard(), "model": model(), "channel": channel()}.items():
        answer = subject.site.get(subject.write(f"lifetime-{name}", sample), Accept_Encoding=BROWSER_ENCODINGS)
        found, wanted = answer.headers.get("cache-control"), sample.headers.cache_control
        if directives(found) != directives(wanted):
            wrong.append(f"a {name} says {found or 'nothing'!r}, not {wanted!r}")
            edge = edge_of(answer.headers)
    if wrong:
        return Finding("failed", "; ".join(wrong), _LIFETIME.at(edge))
    return Finding("ok", "Cache-Control as it was written: releases for a year, channels for seconds")


def cache_status(headers: dict[str, str]) -> str | None:
    """Return what a cache says it did, in its own words; None if it says nothing."""
    for name in STATUS_HEADERS:
        if name in headers:
            return headers[name]
    return f"age {headers['age']}" if "age" in headers else None


def _is_hit(headers: dict[str, str]) -> bool:
    status = (cache_status(headers) or "").lower()
    return "hit" in status or headers.get("age", "0").strip() not in ("", "0")


def _allowed_origin(answer: WebAnswer) -> str | None:
    return answer.headers.get("access-control-allow-origin")


CHECKS = (
    Check("other origins", ON_SITE, _cors),
    Check("other origins, missing", ON_SITE, _cors_of_missing),
    Check("preflight", ON_SITE, _preflight),
    Check("cached .bin", ON_SITE, lambda subject: _is_kept(subject, shard())),
    Check("cached .json", ON_SITE, lambda subject: _is_kept(subject, model())),
    Check("cache-control", ON_SITE, _lifetimes),
)
