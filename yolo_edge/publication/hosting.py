"""The file ``_headers``, from which Netlify and Cloudflare Pages take what to serve each file of a folder with.

The form is a line with a path from the top, then one indented line a header
(https://developers.cloudflare.com/pages/configuration/headers/, https://docs.netlify.com/manage/routing/headers/).
``*`` stands for anything, once a path at most, ``:name`` for one part of a path. Cloudflare Pages reads
:data:`MOST_RULES` paths alone, so patterns stand for all versions at once. Where two paths match, both hosts send the
values of both: so no two paths of one header match the same file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from pathlib import PurePosixPath

from yolo_edge.publication.layout import CHANNELS, models_prefix
from yolo_edge.publication.store import Headers

HEADERS_FILE = "_headers"
"""Its name, at the top of a folder that is deployed; never an object."""

MOST_RULES = 100
"""What Cloudflare Pages reads of it: the rules after them count for nothing there."""

_FOR_EVERY_PAGE = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_NAME_PARTS = 2  # models/<name>
_DOCUMENT_PARTS = 4  # models/<name>/<version>/manifest.json, models/<name>/channels/<channel>.json
_FILE_PARTS = 6  # models/<name>/<version>/<release16>/<variant>/model.json, or deeper
_ANY_RELEASE = f"/{models_prefix()}:name/:version/:release"

_Pattern = Callable[[str], str]
_Rule = tuple[str, str]
_Values = Mapping[str, str | None]  # key → value of one header; None for objects without it


def headers_file(objects: Mapping[str, Headers]) -> str:
    """Return the text of the file.

    Args:
        objects: key → what it is served with, of all objects of a folder.
    """
    rules: dict[str, dict[str, str]] = defaultdict(dict)
    for header in ("Content-Type", "Content-Encoding", "Cache-Control"):
        values = {key: headers.named().get(header) for key, headers in objects.items()}
        for path, value in (_by_place if header == "Cache-Control" else _by_ending)(values):
            rules[path][header] = value
    if any(key.startswith(models_prefix()) for key in objects):
        rules[f"/{models_prefix()}*"] |= _FOR_EVERY_PAGE
    ordered = sorted(rules.items(), key=lambda rule: ("*" not in rule[0] and ":" not in rule[0], rule[0]))
    return "".join(
        f"{path}\n" + "".join(f"  {name}: {value}\n" for name, value in named.items()) for path, named in ordered
    )


def count_rules(text: str) -> int:
    """Return how many rules a file has; see :data:`MOST_RULES`."""
    return sum(line.startswith("/") for line in text.splitlines())


def _alike(values: _Values, pattern: _Pattern) -> tuple[list[_Rule], list[_Values]]:
    """Return paths with the value of all their objects, and the groups of objects that do not have one value.

    Args:
        values: of one header.
        pattern: key → path. All objects of one path are among ``values``.
    """
    groups: dict[str, dict[str, str | None]] = defaultdict(dict)
    for key, value in values.items():
        groups[pattern(key)][key] = value
    rules: list[_Rule] = []
    mixed: list[_Values] = []
    for path, group in groups.items():
        value, *others = set(group.values())
        if others:
            mixed.append(group)
        elif value is not None:
            rules.append((path, value))
    return rules, mixed


def _by_ending(values: _Values) -> list[_Rule]:
    """Sum up a header that depends on the kind of a file.

    Where not all of a kind are alike, by beginnings of their keys or file by file, whichever takes fewer rules.
    """
    rules, mixed = _alike(values, _ending)
    for group in mixed:
        by_beginning = _by_beginning(group, PurePosixPath(next(iter(group))).suffix)
        by_file = _by_file(group)
        rules += by_beginning if len(by_beginning) <= len(by_file) else by_file
    return rules


def _by_beginning(group: _Values, end: str) -> list[_Rule]:
    """Sum up as ``/models/lite/1.1*.bin``: the shortest beginnings of keys whose objects are alike.

    So the many versions that are alike share a few rules, and the few others have theirs.

    Args:
        group: not all alike.
        end: of all keys of the group, and of no other key that begins as they do.
    """
    length = len(_beginning(group, end)) + 1

    def path(key: str) -> str:
        stem = key.removesuffix(end)
        return f"/{stem[:length]}*{end}" if len(stem) >= length else _exactly(key)

    rules, mixed = _alike(group, path)
    return rules + [rule for part in mixed for rule in _by_beginning(part, end)]


def _by_file(group: _Values) -> list[_Rule]:
    """Sum up as ``/models/:name/:version/:release/int8/model.json``: each file in all releases that are alike.

    Args:
        group: all objects of one kind.
    """
    rules, kinds = _alike(group, _ending_in_releases)
    for kind in kinds:
        more, files = _alike(kind, _file)
        rules += more
        for file in files:
            end = _inside(next(iter(file)))
            start = _beginning(file, end)
            is_alone = not any(key.endswith(end) and key.startswith(start) for key in group.keys() - file.keys())
            rules += _by_beginning(file, end) if is_alone else _alike(file, _exactly)[0]
    return rules


def _by_place(values: _Values) -> list[_Rule]:
    """Sum up what depends on where an object lies: channel, record, or file of a release."""
    named_like_channels = {key.split("/")[-1] for key in values if _is_channel(key)}

    def place(key: str) -> str:
        parts = key.split("/")
        if not key.startswith(models_prefix()):
            return _exactly(key)
        if _is_channel(key):
            return f"/{models_prefix()}:name/{CHANNELS}/:channel"
        if len(parts) == _DOCUMENT_PARTS and parts[-1] not in named_like_channels:
            return f"/{models_prefix()}:name/:version/{parts[-1]}"
        # One part more than needed: at Netlify a last /* stands for nothing too, and this one may not match a channel.
        return f"{_ANY_RELEASE}/:part/*" if _is_released(key) else _exactly(key)

    rules, mixed = _alike(values, place)
    return rules + [rule for group in mixed for rule in _alike(group, _exactly)[0]]


def _exactly(key: str) -> str:
    return f"/{key}"


def _ending(key: str) -> str:
    """``/models/*.bin``: all files of a kind."""
    suffix = PurePosixPath(key).suffix
    return f"/{models_prefix()}*{suffix}" if suffix and key.startswith(models_prefix()) else _exactly(key)


def _ending_in_releases(key: str) -> str:
    """``/models/:name/:version/:release/:part/*.json``: those of releases alone, no records and no channels."""
    return f"{_ANY_RELEASE}/:part/*{PurePosixPath(key).suffix}" if _is_released(key) else _exactly(key)


def _file(key: str) -> str:
    """``/models/:name/:version/:release/int8/model.json``: the same file of all releases."""
    return _ANY_RELEASE + _inside(key) if _is_released(key) else _exactly(key)


def _inside(key: str) -> str:
    """Return the path inside a release, with a slash before it."""
    return "/" + "/".join(key.split("/")[_DOCUMENT_PARTS:])


def _beginning(keys: Iterable[str], end: str) -> str:
    """Return what keys begin with in common, without their ends."""
    stems = [key.removesuffix(end) for key in keys]
    first, last = min(stems), max(stems)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return first[: len(list(alike))]


def _is_released(key: str) -> bool:
    return key.startswith(models_prefix()) and key.count("/") + 1 >= _FILE_PARTS


def _is_channel(key: str) -> bool:
    parts = key.split("/")
    return key.startswith(models_prefix()) and len(parts) == _DOCUMENT_PARTS and parts[_NAME_PARTS] == CHANNELS
