"""What Netlify and Cloudflare Pages make of ``_headers``, by their rules of matching."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_edge.publication.hosting import MOST_RULES, count_rules, headers_file
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


def brotli_of_everything_since_the_second(number: int, file: str) -> str | None:
    return "br" if number and file.endswith((".bin", ".json", ".js")) else None


def brotli_of_the_first(number: int, file: str) -> str | None:
    return None if number else "br"


def brotli_of_json(number: int, file: str) -> str | None:
    """While records and channels are never compressed."""
    return "br" if file.endswith(".json") else None


def brotli_of_a_few(number: int, file: str) -> str | None:
    return "br" if number % 50 in (3, 4) and file.endswith(".bin") else None


MIXTURES = (
    *(brotli_since_the_second, brotli_of_one_file, brotli_of_everything_since_the_second),
    *(brotli_of_the_first, brotli_of_json, brotli_of_a_few),
)


@pytest.mark.parametrize("host", [cloudflare, netlify])
@pytest.mark.parametrize("encoding", [lambda number, file: None, *MIXTURES])
@pytest.mark.parametrize("more", [{}, {"models/lite/channels/manifest.json": CHANNEL_HEADERS}])
def test_each_file_gets_what_it_was_stored_with_and_other_origins_may_read_it(host, encoding, more):
    objects = store_of(12, encoding) | more
    require_served(objects, headers_file(objects), host)


def require_served(objects: dict[str, Headers], text: str, host: Callable[[str], re.Pattern[str]]) -> None:
    for key, headers in objects.items():
        sent = served(text, f"/{key}", host)
        assert sent.pop("Access-Control-Allow-Origin") == "*"
        assert sent.pop("X-Content-Type-Options") == "nosniff"
        assert sent == headers.named(), key


@pytest.mark.parametrize("host", [cloudflare, netlify])
@given(
    names=st.lists(st.sampled_from(["lite", "lit", "l"]), min_size=1, max_size=2, unique=True),
    encoded=st.sets(st.tuples(st.integers(0, 12), st.sampled_from(FILES)), max_size=40),
)
@settings(max_examples=40)
def test_no_mixture_gives_a_file_the_headers_of_another(host, names, encoded):
    plain = store_of(13)
    store = store_of(13, lambda number, file: "br" if (number, file) in encoded else None)
    objects = {key.replace("/lite/", f"/{names[-1]}/"): headers for key, headers in plain.items()}
    objects |= {key.replace("/lite/", f"/{names[0]}/"): headers for key, headers in store.items()}
    require_served(objects, headers_file(objects), host)


@pytest.mark.parametrize("encoding", MIXTURES)
@pytest.mark.parametrize("versions", [40, 99])
def test_few_versions_that_differ_from_the_others_take_few_rules(encoding, versions):
    assert count_rules(headers_file(store_of(versions, encoding))) < MOST_RULES / 2


def test_rules_grow_with_kinds_of_files_not_with_versions():
    few, many = (count_rules(headers_file(store_of(versions))) for versions in (2, 200))
    assert few == many < MOST_RULES / 5


def test_what_lies_elsewhere_has_a_rule_of_its_own():
    text = headers_file({"a/b.json": Headers("application/json", "no-cache", "br")})
    assert text == "/a/b.json\n  Content-Type: application/json\n  Content-Encoding: br\n  Cache-Control: no-cache\n"
