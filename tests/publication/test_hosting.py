"""What Netlify and Cloudflare Pages make of ``_headers``, by their rules of matching."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from yolo_edge.publication.hosting import MOST_RULES, headers_file
from yolo_edge.publication.layout import (
    CHANNEL_HEADERS,
    RECORD_HEADERS,
    channel_key,
    file_headers,
    record_key,
    retirement_key,
)
from yolo_edge.publication.store import Headers

FILES = (
    *("int8/model.json", "int8/group1-shard1of1.bin", "int8/LICENSE.md", "int8/quantization.yaml"),
    *("report/report.json", "web/index.js", "web/index.d.ts", "web/parts/index.js"),
)


def cloudflare(rule: str) -> re.Pattern[str]:
    """One splat, which takes slashes too; a placeholder is one part of a path."""
    assert rule.count("*") <= 1, "Cloudflare Pages ignores such a rule"
    names = re.findall(r":([A-Za-z]\w*)", rule)
    assert len(names) == len(set(names)), "Cloudflare Pages ignores such a rule"
    return re.compile(re.sub(r":[A-Za-z]\w*", "[^/]+", re.escape(rule).replace(r"\*", ".*")))


def netlify(rule: str) -> re.Pattern[str]:
    """A part that is an asterisk may stand for nothing; one inside a part takes slashes too."""
    pattern = ""
    for part in rule.strip("/").split("/"):
        if part == "*":
            pattern += "(/.*)?"
        else:
            pattern += "/" + ("[^/]+" if part.startswith(":") else re.escape(part).replace(r"\*", ".*"))
    return re.compile(pattern + "/?", re.IGNORECASE)


def served(text: str, path: str, host: Callable[[str], re.Pattern[str]]) -> dict[str, str]:
    """What a host sends with a path. Values of several rules that match are joined by commas."""
    sent: dict[str, str] = {}
    matches = False
    for line in text.splitlines():
        if not line.startswith(" "):
            matches = host(line).fullmatch(path) is not None
        elif matches:
            name, _, value = line.strip().partition(": ")
            sent[name] = f"{sent[name]}, {value}" if name in sent else value
    return sent


def store_of(
    versions: int, encoding: Callable[[int, str], str | None] = lambda number, file: None
) -> dict[str, Headers]:
    """The objects of a folder with so many versions, of which the first is retired, and two channels."""
    objects = {channel_key("lite", name): CHANNEL_HEADERS for name in ("stable", "latest")}
    objects[retirement_key("lite", "1.0.0")] = RECORD_HEADERS
    for number in range(versions):
        version = f"1.{number}.0"
        objects[record_key("lite", version)] = RECORD_HEADERS
        for file in FILES:
            objects[f"models/lite/{version}/{number:016x}/{file}"] = file_headers(file, encoding(number, file))
    return objects


def brotli_since_the_second(number: int, file: str) -> str | None:
    return "br" if number and file.endswith(".bin") else None


def brotli_of_one_file(number: int, file: str) -> str | None:
    return "br" if file == "web/index.js" else None


@pytest.mark.parametrize("host", [cloudflare, netlify])
@pytest.mark.parametrize("encoding", [lambda number, file: None, brotli_since_the_second, brotli_of_one_file])
@pytest.mark.parametrize("more", [{}, {"models/lite/channels/manifest.json": CHANNEL_HEADERS}])
def test_each_file_gets_what_it_was_stored_with_and_other_origins_may_read_it(host, encoding, more):
    objects = store_of(3, encoding) | more
    text = headers_file(objects)
    for key, headers in objects.items():
        sent = served(text, f"/{key}", host)
        assert sent.pop("Access-Control-Allow-Origin") == "*"
        assert sent.pop("X-Content-Type-Options") == "nosniff"
        assert sent == headers.named(), key


def test_rules_grow_with_kinds_of_files_not_with_versions():
    few, many = (len(re.findall(r"(?m)^/", headers_file(store_of(versions)))) for versions in (2, 200))
    assert few == many < MOST_RULES / 5


def test_what_lies_elsewhere_has_a_rule_of_its_own():
    text = headers_file({"a/b.json": Headers("application/json", "no-cache", "br")})
    assert text == "/a/b.json\n  Content-Type: application/json\n  Content-Encoding: br\n  Cache-Control: no-cache\n"
