"""Where things lie in a store, what they are served with, and the one way to write a document.

::

    models/<name>/channels/<channel>.json                     which version a channel is at: the one mutable object
    models/<name>/<version>/manifest.json                     the commit record: the version is there once this is
    models/<name>/<version>/retired.json                      says that the version was withdrawn
    models/<name>/<version>/<release16>/<variant>/model.json  the files, with whatever else the variant holds
    models/<name>/<version>/<release16>/publishing-<nonce>.json  somebody is writing this release
    models/<name>/<version>/collecting-<release16>.json       somebody is deleting it

``release16`` is the beginning of a sha256 over the table of files, so other files never meet at one key. A version is a
version of https://semver.org without build metadata, which orders nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from yolo_edge.errors import UsageError
from yolo_edge.publication.store import Headers

IMMUTABLE = "public, max-age=31536000, immutable"
"""Cache-Control of all that never changes: a year is what HTTP caches take for ever (RFC 9111, RFC 8246)."""

SHORT_LIVED = "public, max-age=30, s-maxage=10, stale-while-revalidate=60, stale-if-error=86400"
"""Cache-Control of channel files: a promotion is seen within 40 s, in the worst case 160; an outage of the store for a
day is not."""

NOT_CACHED = "no-store"

JSON_TYPE = "application/json"
RECORD_FILE = "manifest.json"
RETIREMENT_FILE = "retired.json"
LEASE_STEM = "publishing-"
REPORT_FILE = "report/report.json"
WEB_DIRECTORY = "web"

_TOP = "models"
CHANNELS = "channels"
"""What stands in the place of a version in the keys of channel files."""

_RELEASE_DIGITS = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LONGEST_VERSION = 64

_TYPES = {
    ".json": JSON_TYPE,
    ".bin": "application/octet-stream",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".yaml": "application/yaml",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def check_name(value: str, what: str) -> str:
    """Return the name of a model, channel or variant unchanged.

    Raises:
        UsageError: it is not 1 to 64 of ``a-z 0-9 -``, or begins with a dash.
    """
    if not _NAME.fullmatch(value):
        raise UsageError(
            f"{value!r} cannot be the name of a {what}.",
            fix="Use 1 to 64 lowercase letters, digits and dashes, beginning with a letter or digit.",
        )
    return value


def check_version(value: str) -> str:
    """Return a version unchanged.

    Raises:
        UsageError: it is no semantic version, is longer than 64 characters, or has build metadata.
    """
    import semver

    fix = "Give a semantic version: 1.2.0, or 1.2.0-rc.1."
    if len(value) > _LONGEST_VERSION or not semver.Version.is_valid(value):
        raise UsageError(f"{value!r} is not a version.", fix=fix)
    if "+" in value:
        raise UsageError(
            f"{value} has build metadata, by which versions are not told apart (semver.org, 10).",
            fix="Leave out the + and what follows, or raise the version.",
        )
    return value


def version_order(value: str) -> Any:
    """Return what sorts versions by precedence."""
    import semver

    return semver.Version.parse(value)


def name_prefix(name: str) -> str:
    """Return what the keys of a model begin with."""
    return f"{_TOP}/{name}/"


def version_prefix(name: str, version: str) -> str:
    """Return what the keys of a version begin with."""
    return f"{_TOP}/{name}/{version}/"


def record_key(name: str, version: str) -> str:
    """Return the key of a commit record."""
    return version_prefix(name, version) + RECORD_FILE


def retirement_key(name: str, version: str) -> str:
    """Return the key of the mark of a version that was withdrawn."""
    return version_prefix(name, version) + RETIREMENT_FILE


def collection_key(name: str, version: str, base: str) -> str:
    """Return the key of the mark that a release is being deleted.

    Args:
        name: of the model.
        version: of the model.
        base: of the release, with a slash at its end.
    """
    return f"{version_prefix(name, version)}collecting-{base.rstrip('/')}.json"


def channel_key(name: str, channel: str) -> str:
    """Return the key of a channel file."""
    return f"{_TOP}/{name}/{CHANNELS}/{channel}.json"


def channels_prefix(name: str) -> str:
    """Return what the keys of a model's channel files begin with."""
    return f"{_TOP}/{name}/{CHANNELS}/"


def base_of(release: str) -> str:
    """Return the directory of a release's files, relative to its commit record."""
    return release[:_RELEASE_DIGITS] + "/"


def record_path(version: str) -> str:
    """Return the path of a commit record, relative to a channel file of the same model."""
    return f"../{version}/{RECORD_FILE}"


def split_key(key: str) -> tuple[str, str, str] | None:
    """Return model, version or ``channels``, and the rest of a key; None for a key of another form."""
    top, _, rest = key.partition("/")
    parts = rest.split("/", maxsplit=2)
    if top != _TOP or len(parts) != len(("name", "version", "rest")) or not _NAME.fullmatch(parts[0]):
        return None
    return parts[0], parts[1], parts[2]


def models_prefix() -> str:
    """Return what all keys begin with."""
    return f"{_TOP}/"


def file_headers(path: str, content_encoding: str | None) -> Headers:
    """Return what a file of a release is served with."""
    content_type = _TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
    return Headers(content_type, IMMUTABLE, content_encoding)


RECORD_HEADERS = Headers(JSON_TYPE, IMMUTABLE)
CHANNEL_HEADERS = Headers(JSON_TYPE, SHORT_LIVED)
LEASE_HEADERS = Headers(JSON_TYPE, NOT_CACHED)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Write a document in the one form that it is hashed and signed in: RFC 8785.

    The numbers are integers and decimals of at most two places, which Python and JavaScript write alike.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_of_document(document: Mapping[str, Any]) -> str:
    """Return the lowercase hex sha256 of a document in canonical form."""
    return hashlib.sha256(canonical(document)).hexdigest()
