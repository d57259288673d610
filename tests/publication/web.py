"""Plain requests, as a browser's: nothing is decoded, no redirection is followed."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

import brotli


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def decoded(self) -> bytes:
        return brotli.decompress(self.body) if self.headers.get("content-encoding") == "br" else self.body


def ask(address: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request; ``Accept_Encoding="br"`` is the header ``Accept-Encoding``."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.putrequest(method, parts.path or "/", skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()
