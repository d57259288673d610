"""A web server on 127.0.0.1 that counts what is asked of it and misbehaves on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.web.scripts import HERE, WEB
from yolo_edge.runtime.loopback import served_files

TYPES = {
    ".bin": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
}
PAGE = b"<!doctype html><title>Not found</title><h1>Nothing here</h1>"


@dataclass
class Answer:
    """What goes out; a rule may change it.

    Attributes:
        status: of HTTP.
        content_type: of the body.
        body: the bytes.
        cut: how many of them are sent before the connection ends; None for all.
        seconds: waited before.
        bytes_per_second: at most; None for no limit.
    """

    status: int
    content_type: str
    body: bytes
    cut: int | None = None
    seconds: float = 0.0
    bytes_per_second: float | None = None


Rule = Callable[[Answer], None]


@dataclass
class Site:
    """A running server.

    Attributes:
        folders: first part of a path → folder that it shows.
        rules: end of a path → what is done to the answer.
        requests: paths and bytes sent, in order.
    """

    folders: dict[str, Path]
    packages: dict[str, Path]
    rules: dict[str, Rule] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    def sent(self, end: str = "", start: str = "/store/") -> int:
        """Bytes of the bodies that were sent, of paths with this start and end."""
        return sum(size for path, size in self.requests if path.startswith(start) and path.endswith(end))

    def answer(self, path: str) -> Answer:
        first, _, rest = path.lstrip("/").partition("/")
        file = self.packages.get(path.lstrip("/"))
        if file is None and first in self.folders:
            file = self.folders[first] / rest
        if file is None or not file.is_file():
            answer = Answer(HTTPStatus.NOT_FOUND, "text/html; charset=utf-8", PAGE)
        else:
            answer = Answer(HTTPStatus.OK, TYPES.get(file.suffix, "application/octet-stream"), file.read_bytes())
        for end, rule in list(self.rules.items()):
            if path.endswith(end):
                rule(answer)
        return answer


def missing(answer: Answer) -> None:
    answer.status = HTTPStatus.NOT_FOUND


def page_instead(answer: Answer) -> None:
    answer.status, answer.content_type, answer.body = HTTPStatus.OK, TYPES[".html"], PAGE


def broken_off(answer: Answer) -> None:
    answer.cut = len(answer.body) // 2


def shortened(answer: Answer) -> None:
    answer.body = answer.body[: len(answer.body) // 2]


def tampered(answer: Answer) -> None:
    answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


def down(answer: Answer) -> None:
    answer.cut = 0


def slow(bytes_per_second: float) -> Rule:
    def rule(answer: Answer) -> None:
        answer.bytes_per_second = bytes_per_second

    return rule


def replaced(body: bytes) -> Rule:
    def rule(answer: Answer) -> None:
        answer.status, answer.content_type, answer.body = HTTPStatus.OK, TYPES[".json"], body

    return rule


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            answer = site.answer(path)
            time.sleep(answer.seconds)
            if answer.cut == 0:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            body = answer.body if answer.cut is None else answer.body[: answer.cut]
            site.requests.append((path, len(body)))
            step = 1 << 16
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                if answer.bytes_per_second:
                    time.sleep(min(step, len(body)) / answer.bytes_per_second)
            if answer.cut is not None:
                self.close_connection = True

        def log_message(self, *words: object) -> None:
            pass

    return Handler


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that gives up a download is no fault."""


@contextmanager
def serve(folders: dict[str, Path], packages: Path) -> Iterator[Site]:
    """Serve folders, the modules of ``yolo_edge/web`` as ``web/``, this folder as ``lab/``, and TF.js as ``tfjs/``."""
    site = Site({"web": WEB, "lab": HERE, **folders}, served_files(packages))
    server = QuietServer(("127.0.0.1", 0), handler(site))
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
