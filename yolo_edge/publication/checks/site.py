"""Requests to a site as a browser sends them, with nothing decoded, followed or kept."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.parse import urlsplit

from yolo_edge.addresses import is_this_machine, site_address
from yolo_edge.errors import NetworkError

TIMEOUT = 15.0
"""Seconds to wait for a connection, and between two blocks of an answer."""

ANSWER_BYTES = 4 << 20
"""The most that is read of an answer; scratch objects are far smaller."""

_AGENT = "yolo-edge-doctor"


@dataclass(frozen=True)
class WebAnswer:
    """What a site answered.

    Attributes:
        status: of HTTP.
        headers: by their lowercase names.
        body: as it came, compressed or not.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def encoding(self) -> str | None:
        """Name how the body is compressed; None for plain bytes."""
        named = self.headers.get("content-encoding", "").strip().lower()
        return None if named in ("", "identity") else named

    @property
    def is_page(self) -> bool:
        """Tell whether a page for people came."""
        return "html" in self.headers.get("content-type", "").lower()

    def content(self) -> bytes | None:
        """Return the body as a browser would see it; None if it is not what its encoding says."""
        return _decoded(self.body, self.encoding)


class Site:
    """What serves a store to browsers.

    Args:
        url: the address below which ``models/…`` are served.

    Attributes:
        base: the address, with a slash at its end.

    Raises:
        UsageError: it is no address of a site.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(site_address(url))
        self.base = url.rstrip("/") + "/"
        self.is_https = parts.scheme == "https"
        self.is_here = is_this_machine(parts.hostname or "")
        self._opener = urllib.request.build_opener(
            _NoRedirects(), *([urllib.request.ProxyHandler({})] if self.is_here else [])
        )

    def get(self, key: str, **headers: str) -> WebAnswer:
        """Ask for an object; ``Accept_Encoding="br"`` sends the header ``Accept-Encoding``."""
        return self.ask("GET", self.base + key, **headers)

    def ask(self, method: str, address: str, **headers: str) -> WebAnswer:
        """Send one request.

        Raises:
            NetworkError: there was no answer.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, method=method, headers={"User-Agent": _AGENT, **named})
        try:
            try:
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return WebAnswer(answer.status, _by_name(answer.headers), answer.read(ANSWER_BYTES))
            except urllib.error.HTTPError as refusal:  # an answer like any other
                with refusal:
                    return WebAnswer(refusal.code, _by_name(refusal.headers), refusal.read(ANSWER_BYTES))
        except urllib.error.URLError as error:
            raise NetworkError(
                f"{address} could not be reached: {error.reason}.", fix="Check the address and the network."
            ) from error
        except (HTTPException, OSError) as error:
            raise NetworkError(f"{address} broke off: {type(error).__name__}.", fix="Try again.") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Take a redirection as the answer."""


def edge_of(headers: dict[str, str]) -> str | None:
    """Name what stands between browsers and the store, as far as its headers tell."""
    if "cf-ray" in headers:
        return "Cloudflare"
    if "x-amz-cf-id" in headers:
        return "CloudFront"
    return "nginx" if headers.get("server", "").startswith("nginx") else None


def _by_name(headers: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        known = found.get(name.lower())
        found[name.lower()] = f"{known}, {value}" if known else value  # as browsers join headers that come twice
    return found


def _decoded(body: bytes, encoding: str | None) -> bytes | None:
    import gzip
    import zlib

    import brotli

    try:
        if encoding is None:
            return body
        if encoding == "br":
            return bytes(brotli.decompress(body))
        return gzip.decompress(body) if encoding == "gzip" else None
    except (brotli.error, OSError, EOFError, zlib.error):
        return None
