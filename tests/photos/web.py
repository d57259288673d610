"""A web server on the loopback that knows ranges, and can be told to misbehave."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Site(http.server.ThreadingHTTPServer):
    """Serves files from memory.

    Attributes:
        files: path → content.
        cut: path → after how many bytes to break off, one entry an answer.
        refused: path → statuses to answer with, one entry an answer, before the file is given.
        requests: path and Range of every request.
        knows_ranges: whether a range is answered with a part.
        held: paths whose answers stop after their first byte, until they are taken out.
        holding: given once for each answer that is held.
    """

    request_queue_size = 32  # eight threads at once overflow the usual 5, and try again a second later

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, list[int]] = {}
        self.refused: dict[str, list[int]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.knows_ranges = True
        self.held: set[str] = set()
        self.holding = threading.Semaphore(0)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet about clients that were killed."""

    def asked(self) -> list[str]:
        return sorted(path for path, _ in self.requests)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        content = self.server.files.get(self.path)
        statuses = self.server.refused.get(self.path, [])
        if content is None or statuses:
            self.send_error(statuses.pop(0) if statuses else 404)
            return
        tag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        is_part = self.server.knows_ranges and wanted is not None and self.headers.get("If-Range") == tag
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if is_part else 0
        if start >= len(content) > 0 and is_part:
            self.send_error(416)
            return
        self.send_response(206 if is_part else 200)
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        if self.path in self.server.held:
            self.wfile.write(content[start : start + 1])
            self.server.holding.release()
            while self.path in self.server.held:
                time.sleep(0.01)
            return
        cuts = self.server.cut.get(self.path, [])
        self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""


@contextmanager
def serving() -> Iterator[Site]:
    """A running site."""
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
