"""A small edge on the loopback: serves a store as a CDN in front of it would, for demos and tests.

It answers cross-origin requests the same whether ``Origin`` came or not, passes on what is stored as Brotli, compresses
JSON and text itself, and keeps what may be kept. It is no server for the open web: nothing but 127.0.0.1 reaches it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from yolo_edge.errors import UsageError, YoloEdgeError
from yolo_edge.publication.layout import models_prefix
from yolo_edge.publication.negotiation import accepts_brotli, cache_seconds, names_etag
from yolo_edge.publication.store import Headers, Store, check_key, sha256_hex

MEMORY_BYTES = 1 << 30
"""What is kept at most; the longest unused goes first."""

_QUALITY = 5  # of Brotli on the fly: what Cloudflare is near to, and 100 times as fast as 11
_COMPRESSED_TYPES = ("application/json", "application/javascript", "text/")
_STATIC_CACHING = "no-cache"
_STATIC_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_ALWAYS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_IDLE_SECONDS = 30  # after which a connection that is kept open is closed

Static = Mapping[str, bytes] | Path


@contextmanager
def serve_store(store: Store, *, port: int = 0, static: Static | None = None) -> Iterator[str]:
    """Serve what a store holds below ``models/``, as long as the block runs.

    Args:
        store: of any kind; read alone.
        port: on 127.0.0.1; 0 takes a free one.
        static: what is served besides, from the same origin: path (``index.html``, ``demo/app.js``) → bytes, or a
            folder. ``/`` is ``index.html``.

    Yields:
        The base address, with a slash at its end: ``http://127.0.0.1:…/``. ``models/…`` is below it.

    Raises:
        UsageError: the port cannot be had.
    """
    try:
        server = _Server(("127.0.0.1", port), _Cache(store), static)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be served: {error.strerror}.", fix="Choose another one, or 0 for any."
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class _Form:
    """One of the two forms that an object is sent in."""

    body: bytes
    encoding: str | None

    @property
    def etag(self) -> str:
        return f'"{sha256_hex(self.body)[:32]}"'


class _Entry:
    """What is served under a path, in both its forms, of which each is made once."""

    def __init__(self, data: bytes, headers: Headers) -> None:
        self.headers = headers
        self.fetched = time.monotonic()
        self.bytes = len(data)
        self._stored = _Form(data, headers.content_encoding)
        self._other: _Form | None = None
        self.varies = headers.content_encoding == "br" or (
            headers.content_encoding is None and headers.content_type.startswith(_COMPRESSED_TYPES)
        )

    @property
    def age(self) -> float:
        return time.monotonic() - self.fetched

    def form(self, brotli_is_fine: bool) -> _Form:
        """Return what to send: the stored bytes, or those packed or unpacked."""
        if not self.varies or brotli_is_fine == (self._stored.encoding == "br"):
            return self._stored
        if self._other is None:
            import brotli

            data = self._stored.body
            if brotli_is_fine:
                self._other = _Form(brotli.compress(data, quality=_QUALITY), "br")
            else:
                self._other = _Form(brotli.decompress(data), None)
        return self._other


class _Cache:
    """Keeps what a store answered, for as long as its ``Cache-Control`` lets a shared cache."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> tuple[_Entry | None, str]:
        """Return an object and how it was come by: ``HIT``, ``MISS`` or ``STALE``; None if there is none."""
        with self._lock:
            kept = self._entries.get(key)
            if kept is not None:
                self._entries.move_to_end(key)
        fresh, stale_if_error = cache_seconds(kept.headers.cache_control) if kept else (0, 0)
        if kept is not None and kept.age < fresh:
            return kept, "HIT"
        try:
            found = self._store.get(key)
        except YoloEdgeError:
            if kept is not None and kept.age < fresh + stale_if_error:
                return kept, "STALE"
            raise
        entry = _Entry(found[0], found[1].headers) if found else None
        self._keep(key, entry)
        return entry, "MISS"

    def _keep(self, key: str, entry: _Entry | None) -> None:
        with self._lock:
            self._entries.pop(key, None)
            if entry is None or cache_seconds(entry.headers.cache_control) == (0, 0):
                return
            self._entries[key] = entry
            while sum(kept.bytes for kept in self._entries.values()) > MEMORY_BYTES:
                self._entries.popitem(last=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # browsers open many connections at once; one that does not fit waits for a second

    def __init__(self, address: tuple[str, int], cache: _Cache, static: Static | None) -> None:
        self.cache = cache
        self.static = static
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that leave before the end."""

    def static_entry(self, path: str) -> _Entry | None:
        """Return a file that is served besides the store."""
        data = _static_bytes(self.static, path)
        if data is None:
            return None
        return _Entry(data, Headers(_STATIC_TYPES.get(Path(path).suffix, "application/octet-stream"), _STATIC_CACHING))


def _static_bytes(static: Static | None, path: str) -> bytes | None:
    if static is None:
        return None
    if not isinstance(static, Path):
        return static.get(path)
    file = (static / path).resolve()
    if not file.is_relative_to(static.resolve()) or not file.is_file():  # a link may lead out of the folder
        return None
    return file.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer with an object, or a file besides the store."""
        try:
            entry, how = self._find()
        except YoloEdgeError:
            self._refuse(HTTPStatus.BAD_GATEWAY, "the store does not answer")
            return
        if entry is None:
            self._refuse(HTTPStatus.NOT_FOUND, "not found")
            return
        form = entry.form(accepts_brotli(self.headers.get("Accept-Encoding")))
        headers = {"ETag": form.etag, "X-Cache": how, "Age": str(int(entry.age))}
        if entry.headers.cache_control:
            headers["Cache-Control"] = entry.headers.cache_control
        if entry.varies:
            headers["Vary"] = "Accept-Encoding"
        if names_etag(self.headers.get("If-None-Match"), form.etag):
            self._answer(HTTPStatus.NOT_MODIFIED, headers)
            return
        headers["Content-Type"] = entry.headers.content_type
        if form.encoding:
            headers["Content-Encoding"] = form.encoding
        self._answer(HTTPStatus.OK, headers, form.body)

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self.do_GET()

    def do_OPTIONS(self) -> None:
        """Answer what a browser asks before a request that is not simple."""
        self._answer(HTTPStatus.NO_CONTENT, _PREFLIGHT)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what no reader sends. A body that came with it is not read, so nothing more is taken."""
        self.close_connection = True
        is_method = code == HTTPStatus.NOT_IMPLEMENTED
        status = HTTPStatus.METHOD_NOT_ALLOWED if is_method else HTTPStatus(code)
        self._refuse(status, "read only" if is_method else status.phrase.lower(), {"Allow": "GET, HEAD, OPTIONS"})

    def _find(self) -> tuple[_Entry | None, str]:
        path = urlsplit(self.path).path.removeprefix("/") or "index.html"
        try:
            check_key(path)
        except UsageError:
            return None, "MISS"
        if path.startswith(models_prefix()):
            return self.server.cache.get(path)
        return self.server.static_entry(path), "MISS"

    def _refuse(self, status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None) -> None:
        told = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        self._answer(status, told | dict(headers or {}), f"{why}\n".encode())

    def _answer(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (_ALWAYS | dict(headers)).items():
            self.send_header(name, value)
        if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of requests."""
