"""What a browser receives from the site: the object itself, its headers, its encoding, what comes in its absence."""

from __future__ import annotations

from urllib.parse import urlsplit

from yolo_edge.errors import NetworkError
from yolo_edge.publication.checks.check import ON_SITE, Check, Finding, Remedy
from yolo_edge.publication.checks.site import WebAnswer, edge_of
from yolo_edge.publication.checks.subject import Need, Sample, Subject, channel, loader, model, shard

BROWSER_ENCODINGS = "gzip, deflate, br"
"""What Safari sends as ``Accept-Encoding`` over https; other browsers take zstd too."""

_REDIRECTS = (301, 302, 307, 308)

_HTTPS = Remedy(
    {
        "Cloudflare": "turn on 'Always Use HTTPS' (SSL/TLS, Edge Certificates).",
        "CloudFront": "set the viewer protocol policy of the behaviour to redirect-to-https.",
        "nginx": "answer port 80 with 'return 301 https://$host$request_uri;'.",
    }
)
_READING = Remedy(
    {
        "Cloudflare": "connect the bucket to this domain (R2, Settings, Custom Domains).",
        "CloudFront": "let the distribution read, by an origin access control and "
        "configs/infra/cloudfront/bucket-policy.json.",
        "nginx": "check ORIGIN in configs/infra/nginx/edge.conf, and that the bucket lets strangers read models/* "
        "(configs/infra/aws/bucket-policy.json).",
    }
)
_ABSENCE = Remedy(
    {
        "Cloudflare": "serve no page in place of what is missing: take Workers and Pages off models/*.",
        "CloudFront": "grant the distribution s3:ListBucket (configs/infra/cloudfront/bucket-policy.json), without "
        "which S3 says 403, and remove error pages that answer 200.",
        "nginx": "use configs/infra/nginx/edge.conf, which answers 404 where S3 says 403.",
    }
)
_TYPES = Remedy(
    {
        "Cloudflare": "remove rules that set Content-Type on models/*.",
        "CloudFront": "remove Content-Type from the response headers policy.",
        "nginx": "use configs/infra/nginx/edge.conf; default_type and types have no place in a proxy.",
    }
)
_NOSNIFF = Remedy(
    {
        "Cloudflare": "apply configs/infra/cloudflare/response-headers.json.",
        "CloudFront": "attach configs/infra/cloudfront/response-headers-policy.json.",
        "nginx": "use configs/infra/nginx/edge.conf.",
    }
)
_ENCODING = Remedy(
    {
        "Cloudflare": "turn off what rewrites bodies on models/* (Compression Rules, Workers, Email Obfuscation).",
        "CloudFront": "use configs/infra/cloudfront/cache-policy.json, which forwards Accept-Encoding: br.",
        "nginx": "use configs/infra/nginx/edge.conf, without gunzip and without proxy_hide_header Content-Encoding.",
    }
)
_COMPRESSION = Remedy(
    {
        "Cloudflare": "application/json is compressed by default: remove Compression Rules, and no-transform.",
        "CloudFront": "set Compress on the behaviour, with configs/infra/cloudfront/cache-policy.json.",
        "nginx": "use configs/infra/nginx/edge.conf (gzip_types application/json).",
    }
)


def _https(subject: Subject) -> Finding:
    site = subject.site
    if site.is_here:
        return Finding("skipped", "the site is on this machine, where browsers take plain http")
    if not site.is_https:
        return Finding("failed", "the address is plain http, which no https page may load from", _HTTPS.at(None))
    address = f"http://{urlsplit(site.base).hostname}/{urlsplit(site.base).path.lstrip('/')}"
    try:
        answer = site.ask("GET", address)
    except NetworkError:
        return Finding("ok", "plain http is not answered")
    target = answer.headers.get("location", "")
    if answer.status in _REDIRECTS and target.startswith("https://"):
        return Finding("ok", f"plain http leads to https ({answer.status})")
    return Finding("warning", f"plain http is answered with {answer.status}", _HTTPS.at(edge_of(answer.headers)))


def _public_read(subject: Subject) -> Finding:
    sample = model()
    key = subject.write("read", sample)
    try:
        answer = subject.site.get(key, Accept_Encoding=BROWSER_ENCODINGS)
    except NetworkError:
        subject.lacks.add(Need.SITE)
        raise
    advice = _READING.at(edge_of(answer.headers))
    if answer.status != 200:
        return Finding("failed", f"an object just written is answered with {answer.status}", advice)
    if answer.content() != sample.content:
        what = "a page" if answer.is_page else f"{len(answer.body):,} other bytes"
        return Finding("failed", f"{what} came for an object just written", advice)
    head = subject.site.ask("HEAD", subject.site.base + subject.write("head", sample))
    if head.status != 200 or head.body:
        return Finding("failed", f"GET reads, HEAD is answered with {head.status}", advice)
    return Finding("ok", "an object just written is read, byte for byte")


def _absence(subject: Subject) -> Finding:
    name = "missing"
    answer = subject.site.get(f"{subject.prefix}{name}{model().suffix}", Origin="https://app.example")
    advice = _ABSENCE.at(edge_of(answer.headers))
    if answer.status != 404:
        what = "a page" if answer.is_page else "an answer"
        return Finding("failed", f"what is not there is answered with {what} of {answer.status}, not 404", advice)
    again = subject.site.get(subject.write(name, model()))
    if again.status == 404:
        return Finding("warning", "404, which is kept: an object asked for too early stays missing for a while", advice)
    if answer.is_page:
        return Finding("warning", f"404 with a page of {len(answer.body):,} bytes", advice)
    return Finding("ok", "404, and found once it is there")


def _types(subject: Subject) -> Finding:
    wrong = []
    for sample, answer in _received(subject, "type"):
        wanted, found = sample.headers.content_type, answer.headers.get("content-type", "none")
        if _media_type(found) != _media_type(wanted):
            wrong.append((f"a {sample.suffix} comes as {found!r}, not {wanted!r}", answer))
    if wrong:
        return Finding("failed", "; ".join(told for told, _ in wrong), _TYPES.at(edge_of(wrong[0][1].headers)))
    return Finding("ok", "as they were written: .json, .bin and .js")


def _nosniff(subject: Subject) -> Finding:
    answer = subject.site.get(subject.write("nosniff", loader()))
    found = answer.headers.get("x-content-type-options")
    if found == "nosniff":
        return Finding("ok", "X-Content-Type-Options: nosniff")
    return Finding("warning", f"X-Content-Type-Options is {found or 'not set'}", _NOSNIFF.at(edge_of(answer.headers)))


def _shards(subject: Subject) -> Finding:
    sample = shard()
    key = subject.write("encoding", sample)
    answer = subject.site.get(key, Accept_Encoding=BROWSER_ENCODINGS)
    plain = subject.site.get(key, Accept_Encoding="identity")
    advice = _ENCODING.at(edge_of(answer.headers))
    if answer.content() != sample.content:
        return Finding("failed", f"bytes that do not decode, sent as {answer.encoding or 'plain'}", advice)
    if plain.content() != sample.content:
        return Finding("failed", "clients without Brotli get bytes that do not decode", advice)
    if answer.encoding != "br":
        more = len(answer.body) / len(sample.stored)
        found = f"stored as br, received as {answer.encoding or 'plain bytes'}, {more:.1f} times as long"
        return Finding("failed", found, advice)
    if answer.body != sample.stored:
        return Finding("warning", f"packed anew: {len(answer.body):,} bytes, stored {len(sample.stored):,}", advice)
    return Finding("ok", "br passes through unchanged, and decodes")


def _json(subject: Subject) -> Finding:
    sample = model()
    answer = subject.site.get(subject.write("compression", sample), Accept_Encoding=BROWSER_ENCODINGS)
    found = f"{answer.encoding or 'not compressed'}: {len(answer.body):,} of {len(sample.content):,} bytes travel"
    if answer.encoding is None:
        return Finding("warning", found, _COMPRESSION.at(edge_of(answer.headers)))
    return Finding("ok", found)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _received(subject: Subject, name: str) -> list[tuple[Sample, WebAnswer]]:
    samples = {"shard": shard(), "model": model(), "loader": loader(), "channel": channel()}
    return [
        (sample, subject.site.get(subject.write(f"{name}-{kind}", sample), Accept_Encoding=BROWSER_ENCODINGS))
        for kind, sample in samples.items()
    ]


CHECKS = (
    Check("https", frozenset({Need.URL}), _https),
    Check("public read", ON_SITE, _public_read),
    Check("missing objects", ON_SITE, _absence),
    Check("content types", ON_SITE, _types),
    Check("nosniff", ON_SITE, _nosniff),
    Check("shards as br", ON_SITE, _shards),
    Check("json compressed", ON_SITE, _json),
)
