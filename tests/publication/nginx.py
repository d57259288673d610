"""nginx with the shipped configuration, on the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "configs" / "infra" / "nginx" / "edge.conf"

_START_SECONDS = 20
_MAIN = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{}}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/edge.conf;
}}
"""


def find_nginx() -> str | None:
    """The program, also where only root has it on the path."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def running(program: str, origin: str, directory: Path, *, changes: dict[str, str] | None = None) -> Iterator[str]:
    """nginx before ``origin``; yields its address. ``changes`` are made to the configuration."""
    port = _free_port()
    configuration = TEMPLATE.read_text(encoding="utf-8")
    values = {"${LISTEN}": f"127.0.0.1:{port}", "${ORIGIN}": origin, "${CACHE}": str(directory / "cache")}
    for old, new in (values | (changes or {})).items():
        assert old in configuration, f"{TEMPLATE} has no {old!r}"
        configuration = configuration.replace(old, new)
    (directory / "edge.conf").write_text(configuration, encoding="utf-8")
    main = directory / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""  # so that the worker may write to the directory
    main.write_text(_MAIN.format(directory=directory, user=user), encoding="utf-8")
    with (directory / "output").open("wb") as output:
        command = [program, "-p", str(directory), "-c", str(main), "-e", "stderr"]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait_until_ready(process, port, directory / "output")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start: {output.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
