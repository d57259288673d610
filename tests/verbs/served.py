"""A converted directory on a server of this machine, which can be told to misbehave."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli


@dataclass
class Answer:
    """What is sent for a file; ``length`` is what is announced, where that is not the body's."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


Change = Callable[[Answer], Answer]
CONTENT_TYPES = {".json": "application/json", ".bin": "application/octet-stream"}


def encoded(name: str, content: bytes) -> tuple[str, bytes]:
    """Shards come as Brotli, json as gzip."""
    return ("br", brotli.compress(content, quality=1)) if name.endswith(".bin") else ("gzip", gzip.compress(content))


@contextmanager
def serving(directory: Path, changes: dict[str, Change] | None = None, *, plain: bool = False) -> Iterator[str]:
    """Serve a directory under ``/models/pose/``; yields its address, which ends in a slash."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = directory / self.path.rsplit("/", 1)[1].split("?")[0]
            answer = Answer(b"not found", 404)
            if self.path.startswith("/models/pose/") and path.is_file():
                answer = Answer(
                    path.read_bytes(), headers={"Content-Type": CONTENT_TYPES.get(path.suffix, "text/plain")}
                )
                answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            if changes and path.name in changes:
                answer = changes[path.name](answer)
            elif not plain and answer.status == 200:
                answer.headers["Content-Encoding"], answer.body = encoded(path.name, answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.length or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/models/pose/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
