"""The web server behind pages that run models: 127.0.0.1 only, one page, one secret path.

Everything lies below ``/<token>/``, a random name, so that no other program or user of the machine can read the model
or the photo. Served are named files, as the page and the TensorFlow.js bundles that it names, and what lies in named
folders, as the model's; nothing else.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from yolo_edge.errors import ModelError
from yolo_edge.runtime.packages import SCRIPTS

_PAGE_FILES = ("page.html", "page.mjs", "adapter.mjs", "engine.mjs", "session.mjs")
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
_HEADERS = {
    # Cross-origin isolation, without which there is no SharedArrayBuffer and so no wasm threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    # Nothing may be fetched from elsewhere, whatever a model.json says. TF.js compiles wasm and starts blob workers.
    "Content-Security-Policy": "default-src 'self' 'unsafe-eval' 'unsafe-inline' blob: data:",
    "Cache-Control": "no-store",
}


def served_files(packages: Path) -> dict[str, Path]:
    """Return what the ``browser`` runtime serves beside the model: path below the token → file.

    Args:
        packages: ``node_modules`` with TensorFlow.js.
    """
    return {**{name: SCRIPTS / name for name in _PAGE_FILES}, **tfjs_files(packages)}


def tfjs_files(packages: Path) -> dict[str, Path]:
    """Return the TensorFlow.js bundles, to be served below ``tfjs/``: path → file.

    Args:
        packages: ``node_modules``.
    """
    files = {}
    scope = packages / "@tensorflow"
    for name in ("core", "converter", "backend-cpu", "backend-wasm", "backend-webgl", "backend-webgpu"):
        files[f"tfjs/tf-{name}.min.js"] = scope / f"tfjs-{name}" / "dist" / f"tf-{name}.min.js"
    for variant in ("", "-simd", "-threaded-simd"):
        binary = f"tfjs-backend-wasm{variant}.wasm"
        files[f"tfjs/{binary}"] = scope / "tfjs-backend-wasm" / "dist" / binary
    return files


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a page that is closed in the middle of an answer is no fault, and stderr belongs to the user."""


class LoopbackServer:
    """Serves from a thread of its own until :meth:`close`.

    Args:
        folders: first part of a path → the directory that is served there.
        files: path → file.

    Attributes:
        base_url: what every address begins with, ``/`` at its end.
        page_url: where the ``browser`` runtime's page is.
        input: what the page gets when it fetches ``input``.
        output: what the page posted last to ``output``.
        missing: files of a folder that were asked for and are not there. TensorFlow.js does not look at the HTTP
            status of a shard: it would take the text of the 404 for weights.
    """

    def __init__(self, folders: Mapping[str, Path], files: Mapping[str, Path]) -> None:
        self.input = b""
        self.output = b""
        self.missing: list[str] = []
        self._folders = {name: folder.resolve() for name, folder in folders.items()}
        self._files = dict(files)
        self._token = secrets.token_urlsafe(16)
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/{self._token}/"
        self.page_url = f"{self.base_url}page.html"
        self._thread = threading.Thread(target=self._server.serve_forever, name="yolo-edge-loopback", daemon=True)
        self._thread.start()

    def refuse_missing(self, source: Path) -> None:
        """Refuse a model of whose folder a file was asked for in vain; what was missed is forgotten then.

        Raises:
            ModelError: ``source`` lacks a file.
        """
        lost, self.missing = sorted(set(self.missing)), []
        if lost:
            raise ModelError(
                f"{source} lacks {', '.join(lost)}, which its model.json names.",
                fix="Convert the model again, or copy the whole directory.",
            )

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def find(self, url: str) -> bytes | Path | None:
        """Return what a request path stands for: bytes, a file, or None where there is nothing."""
        prefix = f"/{self._token}/"
        path = unquote(urlsplit(url).path)
        if not path.startswith(prefix):
            return None
        name = path.removeprefix(prefix)
        if name == "input":
            return self.input
        first, _, rest = name.partition("/")
        folder = self._folders.get(first)
        if folder is not None:
            file = (folder / rest).resolve()
            if file.is_relative_to(folder) and file.is_file():
                return file
            self.missing.append(rest)
            return None
        return self._files.get(name)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = owner.find(self.path)
                if found is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                body = found if isinstance(found, bytes) else found.read_bytes()
                suffix = "" if isinstance(found, bytes) else found.suffix
                self._answer(HTTPStatus.OK, body, _CONTENT_TYPES.get(suffix, "application/octet-stream"))

            def do_POST(self) -> None:
                if urlsplit(self.path).path != f"/{owner._token}/output":
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                owner.output = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self._answer(HTTPStatus.NO_CONTENT, b"", "application/octet-stream")

            def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
                self.send_response(status)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: stderr belongs to the user."""

        return Handler
