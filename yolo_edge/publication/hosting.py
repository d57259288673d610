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
from pathlib import PurePosixPath

from yolo_edge.publication.layout import CHANNELS, models_prefix
from yolo_edge.publication.store import Headers

HEADERS_FILE = "_headers"
"""Its name, at the top of a folder that is deployed; never an object."""

MOST_RULES = 100
"""What Cloudflare Pages reads of it."""

_FOR_EVERY_PAGE = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_NAME_PARTS = 2  # models/<name>
_DOCUMENT_PARTS = 4  # models/<name>/<version>/manifest.json, models/<name>/channels/<channel>.json
_FILE_PARTS = 6  # models/<name>/<version>/<release16>/<variant>/model.json, or deeper

_Pattern = Callable[[str], str]


def headers_file(objects: Mapping[str, Headers]) -> str:
    """Return the text of the file.

    Args:
        objects: key → what it is served with, of all objects of a folder.
    """
    rules: dict[str, dict[str, str]] = defaultdict(dict)
    for header in ("Content-Type", "Content-Encoding", "Cache-Control"):
        values = {key: headers.named().get(header) for key, headers in objects.items()}
        ladder = _by_place(objects) if header == "Cache-Control" else _BY_ENDING
        for path, value in _summed_up(values, ladder):
            rules[path][header] = value
    if any(key.startswith(models_prefix()) for key in objects):
        rules[f"/{models_prefix()}*"] |= _FOR_EVERY_PAGE
    ordered = sorted(rules.items(), key=lambda rule: ("*" not in rule[0] and ":" not in rule[0], rule[0]))
    return "".join(
        f"{path}\n" + "".join(f"  {name}: {value}\n" for name, value in named.items()) for path, named in ordered
    )


def _summed_up(values: Mapping[str, str | None], ladder: tuple[_Pattern, ...]) -> Iterable[tuple[str, str]]:
    """Yield paths with the value of all their objects, each object under one path, on the highest rung that fits.

    Args:
        values: key → value of one header; None for objects without it.
        ladder: key → path, wider ones first. All keys of one path are among ``values``.
    """
    pattern, narrower = ladder[0], ladder[1:]
    groups: dict[str, dict[str, str | None]] = defaultdict(dict)
    for key, value in values.items():
        groups[pattern(key)][key] = value
    for path, group in groups.items():
        value, *others = set(group.values())
        if others:
            yield from _summed_up(group, narrower)
        elif value is not None:
            yield path, value


def _exactly(key: str) -> str:
    return f"/{key}"


def _ending(key: str) -> str:
    """``/models/*.bin``: all files of a kind."""
    suffix = PurePosixPath(key).suffix
    return f"/{models_prefix()}*{suffix}" if suffix and key.startswith(models_prefix()) else _exactly(key)


def _ending_in_release(key: str) -> str:
    """``/models/lite/1.0.0/0123456789abcdef/*.bin``: those of one release."""
    parts = key.split("/")
    suffix = PurePosixPath(key).suffix
    is_file = suffix and key.startswith(models_prefix()) and len(parts) >= _FILE_PARTS
    return f"/{'/'.join(parts[:_DOCUMENT_PARTS])}/*{suffix}" if is_file else _exactly(key)


_BY_ENDING = (_ending, _ending_in_release, _exactly)


def _by_place(keys: Iterable[str]) -> tuple[_Pattern, ...]:
    """Return the ladder for what depends on where an object lies: channel, record, or file of a release."""
    named_like_channels = {key.split("/")[-1] for key in keys if _is_channel(key)}

    def place(key: str) -> str:
        parts = key.split("/")
        if not key.startswith(models_prefix()):
            return _exactly(key)
        if _is_channel(key):
            return f"/{models_prefix()}:name/{CHANNELS}/:channel"
        if len(parts) == _DOCUMENT_PARTS and parts[-1] not in named_like_channels:
            return f"/{models_prefix()}:name/:version/{parts[-1]}"
        # One part more than needed: at Netlify a last /* stands for nothing too, and this one may not match a channel.
        return f"/{models_prefix()}:name/:version/:release/:part/*" if len(parts) >= _FILE_PARTS else _exactly(key)

    return place, _exactly


def _is_channel(key: str) -> bool:
    parts = key.split("/")
    return key.startswith(models_prefix()) and len(parts) == _DOCUMENT_PARTS and parts[_NAME_PARTS] == CHANNELS
