"""An edge that does something wrong: it asks a good one, and spoils what came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.publication.web import Answer, ask

_HOP_BY_HOP = ("content-length", "connection", "date", "server")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


Spoil = Callable[[Request, Answer], Answer]


@contextmanager
def spoiling(base: str, spoil: Spoil) -> Iterator[str]:
    """An edge before the edge ``base``; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            passed = {name.lower(): value for name, value in self.headers.items()}
            sent = {name.replace("-", "_"): passed[name] for name in passed if name not in ("host", "connection")}
            answer = spoil(Request(self.command, self.path, passed), ask(base + self.path[1:], self.command, **sent))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_OPTIONS = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
