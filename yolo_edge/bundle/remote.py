"""A converted directory that is served by HTTP: fetched whole, checked against its manifest while it arrives.

A server is not trusted: names are plain file names, no answer is read further than the manifest's size of it, and
compressed answers are unpacked no further either.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

import brotli

from yolo_edge.addresses import is_this_machine, refuse_plain_http, web_address
from yolo_edge.bundle.manifest import Manifest, read_manifest
from yolo_edge.console import progress
from yolo_edge.errors import ModelError, NetworkError, UsageError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.tfjs.manifest import MODEL_FILE

TIMEOUT = 15.0
"""Seconds to wait for a connection, and between two blocks of an answer."""

MANIFEST_BYTES = 1 << 20
"""Largest ``manifest.json`` that is read."""

TOTAL_BYTES = 2 << 30
"""Largest sum of the files of a directory that is fetched."""

_BLOCK = 1 << 16
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HTML = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


@dataclass(frozen=True)
class Delivery:
    """How a server sent a file.

    Attributes:
        wire_bytes: length of the body as it was sent, compressed or not.
        content_encoding: ``br``, ``gzip``, or None for a plain body.
        content_type: the header, None where there is none.
        cache_control: likewise.
    """

    wire_bytes: int
    content_encoding: str | None
    content_type: str | None
    cache_control: str | None


def is_address(source: str) -> bool:
    """Tell whether a source is an address rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def fetch_directory(address: str, target: Path) -> tuple[Manifest, dict[str, Delivery]]:
    """Fetch ``manifest.json`` and every file that it lists.

    The query of the address, if it has one, is put after every file's address, as TF.js does with shards.

    Args:
        address: http(s) address of the directory, its ``model.json`` or its ``manifest.json``. Plain http can be
            changed on its way, so it is taken from this machine alone (``localhost``, 127.0.0.0/8, ::1).
        target: an empty directory for the files. Their hashes are left for
            :func:`yolo_edge.bundle.manifest.verify_directory` to check.

    Returns:
        The manifest, and how each file was sent, by name, ``manifest.json`` first.

    Raises:
        UsageError: the address is none, or of plain http and another machine.
        NetworkError: the server cannot be reached, answers an error or a web page, or breaks off.
        ModelError: the manifest is damaged or newer, names files elsewhere, or a file is longer than it says.
    """
    base = _directory_of(address)
    deliveries = {MANIFEST_FILE: _fetch(base.of(MANIFEST_FILE), target / MANIFEST_FILE, MANIFEST_BYTES, None)}
    manifest = read_manifest(target)
    _check_names(manifest, base.of(MANIFEST_FILE))
    total = sum(record.bytes for record in manifest.files.values())
    with progress(f"Fetching {base.prefix}", total, "bytes") as advance:
        for name, record in manifest.files.items():
            deliveries[name] = _fetch(base.of(name), target / name, record.bytes, record.bytes)
            advance(record.bytes)
    return manifest, deliveries


def fetch_file(address: str, target: Path, size: int, *, exact: bool = True) -> Delivery:
    """Fetch one file, unpacked.

    Args:
        address: https, or plain http of this machine.
        target: a path that does not exist yet.
        size: how many bytes it has, or may have at most.
        exact: whether fewer are an error.

    Returns:
        How it was sent.

    Raises:
        UsageError: the address is none, or of plain http and another machine.
        NetworkError: the server cannot be reached, answers an error or a web page, or breaks off.
        ModelError: it is longer.
    """
    _checked(address)
    return _fetch(address, target, size, size if exact else None)


@dataclass(frozen=True)
class _Base:
    """What stands before and after the names of files."""

    prefix: str
    query: str

    def of(self, name: str) -> str:
        return urljoin(self.prefix, name) + self.query


def _directory_of(address: str) -> _Base:
    parts = _checked(address)
    folder, _, last = parts.path.rpartition("/")
    path = folder if last in (MODEL_FILE, MANIFEST_FILE, "") else parts.path
    return _Base(f"{parts.scheme}://{parts.netloc}{path}/", f"?{parts.query}" if parts.query else "")


def _checked(address: str) -> SplitResult:
    fix = "Give the https address of a converted directory, or of its model.json."
    parts = web_address(address, fix=fix)
    refuse_plain_http(parts, fix=fix)
    return parts


def _check_names(manifest: Manifest, address: str) -> None:
    for name in manifest.files:
        if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST_FILE:
            raise ModelError(
                f"{address} names the file {name!r}, which is no plain file name.",
                fix="Use a model from a source you trust.",
            )
    total = sum(record.bytes for record in manifest.files.values())
    if total > TOTAL_BYTES or any(record.bytes < 0 for record in manifest.files.values()):
        raise ModelError(f"{address} lists {total:,} bytes.", fix=f"Models of up to {TOTAL_BYTES:,} are fetched.")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to where the user might have pointed."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """See :class:`urllib.request.HTTPRedirectHandler`."""
        fix = "Give the address that it should lead to, of https."
        try:
            parts = _checked(newurl)
        except UsageError as error:
            raise NetworkError(f"{req.full_url} leads elsewhere: {error.what}", fix=fix) from error
        if req.type == "https" and parts.scheme != "https":
            raise NetworkError(f"{req.full_url} leads to {newurl}, which is plain http.", fix=fix)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(address: str, target: Path, limit: int, expected: int | None) -> Delivery:
    """Write one answer to ``target``.

    Args:
        address: of the file.
        target: a path that does not exist yet.
        limit: the most bytes to write.
        expected: the bytes it must have, where they are known.
    """
    request = urllib.request.Request(address, headers={"Accept-Encoding": "br, gzip", "User-Agent": "yolo-edge"})
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if is_this_machine(urlsplit(address).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
            delivery, length = _save(answer, address, target, limit)
    except urllib.error.HTTPError as error:
        error.close()
        raise NetworkError(
            f"{address} answered {error.code} {error.reason}.",
            fix="Check the address, and that every file of the directory was uploaded.",
        ) from error
    except urllib.error.URLError as error:
        raise NetworkError(
            f"{address} could not be reached: {_plain(error.reason)}.", fix="Check the address and the network."
        ) from error
    except (HTTPException, OSError) as error:
        raise NetworkError(f"{address} broke off: {_plain(error)}.", fix="Try again.") from error
    if expected is not None and length < expected:
        raise NetworkError(
            f"{address} answered {length:,} bytes, the manifest says {expected:,}.",
            fix="Upload the file again, and purge it from the CDN's cache.",
        )
    return delivery


def _save(answer: HTTPResponse, address: str, target: Path, limit: int) -> tuple[Delivery, int]:
    """Unpack an answer into ``target``; return how it was sent, and the bytes written."""
    encoding = (answer.headers.get("Content-Encoding") or "").strip().lower() or None
    content_type = answer.headers.get("Content-Type")
    if encoding not in _DECODERS:
        raise NetworkError(
            f"{address} is sent with Content-Encoding {encoding}, which was not asked for.",
            fix="Let the server compress with br or gzip, or not at all.",
        )
    body, written = _Body(answer), 0
    with target.open("wb") as file:
        for block in _DECODERS[encoding](body, limit + 1, address):
            if written == 0 and _HTML.match(block):
                raise NetworkError(
                    f"{address} answered a web page (status {answer.status}) in place of the file.",
                    fix="Check the address: servers of single-page apps answer so where a file is missing.",
                )
            written += len(block)
            if written > limit:
                raise ModelError(
                    f"{address} is longer than the {limit:,} bytes it may have: it is not the manifest's file.",
                    fix="Upload the whole directory again, and purge the CDN's cache.",
                )
            file.write(block)
    announced = answer.headers.get("Content-Length")
    if announced and announced.isdecimal() and body.received < int(announced):
        raise NetworkError(f"{address} broke off after {body.received:,} of {announced} bytes.", fix="Try again.")
    return Delivery(body.received, encoding, content_type, answer.headers.get("Cache-Control")), written


class _Body:
    """Counts the bytes of an answer as they are read, block by block."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.received = 0

    def __iter__(self) -> Iterator[bytes]:
        while block := self._answer.read(_BLOCK):
            self.received += len(block)
            yield block


class _Decoder(Protocol):
    def __call__(self, body: _Body, most: int, address: str) -> Iterator[bytes]: ...


def _identity(body: _Body, most: int, address: str) -> Iterator[bytes]:
    yield from body


def _gunzipped(body: _Body, most: int, address: str) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    try:
        for block in body:
            yield decoder.decompress(block, most)
    except zlib.error as error:
        raise NetworkError(f"{address} is not the gzip it says it is: {error}.", fix="Upload it again.") from error
    if not decoder.eof:
        raise NetworkError(f"{address} broke off within its gzip.", fix="Try again.")


def _unbrotlied(body: _Body, most: int, address: str) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    try:
        for block in body:
            yield decoder.process(block, output_buffer_limit=most)
            while not decoder.can_accept_more_data():
                yield decoder.process(b"", output_buffer_limit=most)
        while rest := decoder.process(b"", output_buffer_limit=most):
            yield rest
    except brotli.error as error:
        raise NetworkError(f"{address} is not the Brotli it says it is: {error}.", fix="Upload it again.") from error
    if not decoder.is_finished():
        raise NetworkError(f"{address} broke off within its Brotli.", fix="Try again.")


_DECODERS: dict[str | None, _Decoder] = {None: _identity, "identity": _identity, "gzip": _gunzipped, "br": _unbrotlied}


def _plain(reason: object) -> str:
    strerror = getattr(reason, "strerror", None)
    return str(strerror or reason or type(reason).__name__)
