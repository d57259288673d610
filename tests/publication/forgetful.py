"""A small server that speaks S3 as far as a store does, and can be told what to do wrong.

Services that ignore conditional writes exist, but none that could be run here does, so this one stands in for them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_KEPT = ("content-type", "cache-control", "content-encoding", "x-amz-meta-sha256", "x-amz-checksum-sha256")


@dataclass
class Service:
    """What the server does.

    Attributes:
        honours: the conditions that it does not ignore.
        refuses: methods that it answers with 403.
        objects: path → headers and bytes.
        requests: method and path of each.
    """

    honours: set[str] = field(default_factory=lambda: {"If-None-Match", "If-Match"})
    refuses: set[str] = field(default_factory=set)
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
            if self._is_refused():
                return
            found = service.objects.get(self.path)
            tag = found[0]["etag"] if found else None
            wanted = self.headers["If-Match"] if "If-Match" in service.honours else None
            if (wanted and wanted != tag) or (
                found and self.headers["If-None-Match"] and "If-None-Match" in service.honours
            ):
                self._answer(412)
                return
            kept = {name: self.headers[name] for name in _KEPT if self.headers[name]}
            kept["etag"] = f'"{hashlib.md5(data).hexdigest()}"'
            service.objects[self.path] = kept, data
            self._answer(200, {"etag": kept["etag"]})

        def do_GET(self) -> None:
            if self._is_refused():
                return
            kept, data = service.objects.get(self.path.partition("?")[0], (None, b""))
            if kept is None:
                self._answer(404)
            else:
                self._answer(200, kept | {"last-modified": "Tue, 24 Nov 2026 12:00:00 GMT"}, data)

        do_HEAD = do_GET

        def do_DELETE(self) -> None:
            if self._is_refused():
                return
            service.objects.pop(self.path, None)
            self._answer(204)

        def _is_refused(self) -> bool:
            service.requests.append((self.command, self.path))
            if self.command in service.refuses:
                self._answer(403)
            return self.command in service.refuses

        def _answer(self, status: int, headers: dict[str, str] | None = None, data: bytes = b"") -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

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
