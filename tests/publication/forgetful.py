"""A small server that speaks S3 as far as a store does, and can be told what to do wrong.

Services that ignore conditional writes exist, but none that could be run here does, so this one stands in for them, and
for all else that a real service cannot be brought to do.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_KEPT = ("content-type", "cache-control", "content-encoding", "x-amz-meta-sha256", "x-amz-checksum-sha256")
_EMPTY_LISTING = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"


@dataclass
class Service:
    """What the server does.

    Attributes:
        honours: what it does not ignore: two conditions and a checksum.
        refuses: methods, and ``LIST``, that it answers with 403.
        lets_strangers: what it does for those without credentials.
        encoding: what it adds to the ``Content-Encoding`` of objects.
        skew: seconds that its clock is ahead.
        objects: path → headers and bytes.
        requests: method and path of each.
    """

    honours: set[str] = field(default_factory=lambda: {"If-None-Match", "If-Match", "checksum"})
    refuses: set[str] = field(default_factory=set)
    lets_strangers: set[str] = field(default_factory=lambda: {"GET", "HEAD"})
    encoding: str = ""
    skew: float = 0.0
    objects: dict[str, tuple[dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    endpoint: str = ""


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """The server on a port of its own; its address is ``service.endpoint``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self._is_refused("PUT"):
                return
            stated = self.headers["x-amz-checksum-sha256"]
            if "checksum" in service.honours and stated != base64.b64encode(hashlib.sha256(data).digest()).decode():
                self._answer(400)
            elif self._is_lost():
                self._answer(412)
            else:
                kept = {name: self.headers[name] for name in _KEPT if self.headers[name]}
                kept["etag"] = f'"{hashlib.md5(data).hexdigest()}"'
                if "content-encoding" in kept:
                    kept["content-encoding"] += service.encoding
                service.objects[self.path] = kept, data
                self._answer(200, {"etag": kept["etag"]})

        def do_GET(self) -> None:
            is_listing = "list-type=" in self.path
            if self._is_refused("LIST" if is_listing else self.command):
                return
            kept, data = service.objects.get(self.path.partition("?")[0], (None, b""))
            if is_listing:
                self._answer(200, {"content-type": "application/xml"}, _EMPTY_LISTING)
            elif self.path.count("/") == 1:
                self._answer(200)  # the bucket
            elif kept is None:
                self._answer(403 if "LIST" in service.refuses else 404)  # as Amazon does
            else:
                self._answer(200, kept | {"last-modified": "Tue, 24 Nov 2026 12:00:00 GMT"}, data)

        do_HEAD = do_GET

        def do_DELETE(self) -> None:
            if not self._is_refused("DELETE"):
                service.objects.pop(self.path, None)
                self._answer(204)

        def _is_lost(self) -> bool:
            """Tell whether a condition does not hold."""
            found = service.objects.get(self.path)
            tag = found[0]["etag"] if found else None
            if self.headers["If-Match"] and "If-Match" in service.honours:
                return self.headers["If-Match"] != tag
            return bool(found and self.headers["If-None-Match"] and "If-None-Match" in service.honours)

        def _is_refused(self, what: str) -> bool:
            service.requests.append((self.command, self.path))
            is_stranger = self.headers["Authorization"] is None
            refused = what in service.refuses or (is_stranger and what not in service.lets_strangers)
            if refused:
                self._answer(403)
            return refused

        def _answer(self, status: int, headers: dict[str, str] | None = None, data: bytes = b"") -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + service.skew)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
