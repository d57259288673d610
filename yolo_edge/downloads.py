"""Files from the web: one answer at a time, and downloads that go on where they were cut off."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol

from yolo_edge.console import Advance
from yolo_edge.files import explained

TIMEOUT = 5.0
"""Seconds to wait for a connection, and between two blocks of an answer."""

ATTEMPTS = 4
"""How often a download that breaks off is taken up again."""

_BLOCK = 1 << 16
_PAUSE = 0.2  # seconds before the second attempt, twice as long before each further one
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers that may be another one a moment later
_PARTIAL_CONTENT, _NOT_SATISFIABLE = 206, 416


class DownloadError(Exception):
    """A place did not give the file; the message says what it answered.

    Attributes:
        status: the HTTP status of a refusal; None where there was no such answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_final(self) -> bool:
        """Whether asking again would bring the same answer."""
        return self.status is not None and self.status not in _PASSING


class Answer(Protocol):
    """What both an HTTP answer and a member of a zip archive offer."""

    def read(self, amount: int, /) -> bytes:
        """Return up to ``amount`` bytes, none at the end."""


@contextmanager
def answer_to(url: str, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT) -> Iterator[HTTPResponse]:
    """Ask for an address; the context yields the answer, to be read inside it.

    Raises:
        DownloadError: it was not reached, refused, or broke off inside the block.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        raise DownloadError(f"answered {error.code} {error.reason}", status=error.code) from error
    except urllib.error.URLError as error:
        raise DownloadError(f"could not be reached ({plain(error.reason)})") from error
    except (HTTPException, OSError) as error:
        raise DownloadError(f"broke off ({plain(error)})") from error


def blocks(answer: Answer, most_bytes: int | None = None) -> Iterator[bytes]:
    """Yield what an answer gives, and stop once more than ``most_bytes`` have come."""
    received = 0
    while (most_bytes is None or received <= most_bytes) and (block := answer.read(_BLOCK)):
        yield block
        received += len(block)


def download(url: str, target: Path, advance: Advance, *, timeout: float = TIMEOUT) -> None:
    """Download a file of any size, taking up again what was cut off, in this call or an earlier one.

    What has come lies in a hidden sibling of ``target`` until it is whole. It is taken up only if the server says, by
    ETag or Last-Modified, that the file is still the same one.

    Args:
        url: its address.
        target: the file to make; its directory exists.
        advance: called with the number of bytes that came since the last call, those of an earlier call first.
        timeout: seconds to wait for a connection, and between two blocks.

    Raises:
        DownloadError: the file did not come whole. What came is kept for the next call.
        OutputError: it cannot be written.
    """
    partial = _Partial(target, advance)
    for attempt in range(ATTEMPTS):
        try:
            partial.fetch(url, timeout)
            break
        except DownloadError as error:
            if error.is_final or attempt == ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE * 2**attempt)
    partial.finish()


def plain(reason: object) -> str:
    """Return what an operating system's or library's error says, without numbers and classes."""
    strerror = getattr(reason, "strerror", None)
    return str(strerror or reason or type(reason).__name__)


class _Partial:
    """What has come of a file, and the server's word for which version of it that is."""

    def __init__(self, target: Path, advance: Advance) -> None:
        self._target = target
        self._content = target.with_name(f".{target.name}.partial")
        self._version = target.with_name(f".{target.name}.version")
        self._advance = advance
        self._told = 0

    def fetch(self, url: str, timeout: float) -> None:
        """Ask for the file, or for its rest, and write what comes."""
        held = self._content.stat().st_size if self._content.is_file() and self._version.is_file() else 0
        headers = {"Range": f"bytes={held}-", "If-Range": self._version.read_text()} if held else {}
        with self._kept_fitting(), answer_to(url, headers, timeout) as answer:
            if answer.status == _PARTIAL_CONTENT and _range_of(answer)[0] != held:
                raise self._restarted("sent another part of the file than it was asked for")
            self._write(answer, held if answer.status == _PARTIAL_CONTENT else 0)

    @contextmanager
    def _kept_fitting(self) -> Iterator[None]:
        """Start over where the server has no rest to what has come."""
        try:
            yield
        except DownloadError as error:
            if error.status == _NOT_SATISFIABLE:
                raise self._restarted(str(error)) from error
            raise

    def finish(self) -> None:
        """Make it the file."""
        with explained(self._target):
            self._content.replace(self._target)
            self._version.unlink(missing_ok=True)

    def _write(self, answer: HTTPResponse, start: int) -> None:
        length = _range_of(answer)[1] if start else answer.length
        with explained(self._target):
            if not start:
                self._remember_version(answer)
            file = self._content.open("ab" if start else "wb", buffering=0)
        with file:
            received = self._tell(start)
            for block in blocks(answer):
                with explained(self._target):
                    file.write(block)
                received = self._tell(received + len(block))
        if length is not None and received < length:
            raise DownloadError(f"broke off after {received:,} of {length:,} bytes")
        if length is not None and received > length:
            raise self._restarted(f"gave {received:,} bytes, {length:,} were announced")

    def _remember_version(self, answer: HTTPResponse) -> None:
        tag = answer.headers.get("ETag", "")
        version = tag if tag.startswith('"') else answer.headers.get("Last-Modified")  # W/"…" is no word for bytes
        if version:
            self._version.write_text(version)
        else:
            self._version.unlink(missing_ok=True)

    def _tell(self, received: int) -> int:
        self._advance(received - self._told)
        self._told = received
        return received

    def _restarted(self, reason: str) -> DownloadError:
        self._version.unlink(missing_ok=True)
        return DownloadError(reason)


def _range_of(answer: HTTPResponse) -> tuple[int | None, int | None]:
    """First byte and whole length that a partial answer states (RFC 9110, 14.4)."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not found:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
