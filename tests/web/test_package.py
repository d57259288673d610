"""``yolo-edge-web`` as it ships: its size, its version, what npm packs, and its types."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib

import brotli
import pytest

from tests.web.scripts import WEB

ROOT = WEB.parents[1]
LARGEST = 12_000
"""Bytes of all modules after Brotli, each by itself, as a CDN sends them."""


def test_all_modules_together_are_small():
    sizes = {path.name: len(brotli.compress(path.read_bytes(), quality=11)) for path in sorted(WEB.glob("*.js"))}
    assert sum(sizes.values()) <= LARGEST, sizes


def test_the_version_is_that_of_the_python_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    package = json.loads((WEB / "package.json").read_text())
    assert package["version"] == project["project"]["version"]
    assert package["license"] == project["project"]["license"]
    assert "web/*" in project["tool"]["setuptools"]["package-data"]["yolo_edge"]
    assert (WEB / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_npm_packs_all_of_it(tmp_path):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "pack", "--json", "--dry-run", WEB]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    [packed] = json.loads(done.stdout)
    assert {file["path"] for file in packed["files"]} == {path.name for path in WEB.iterdir() if path.is_file()}


def test_types_are_given_for_what_is_exported():
    text = (WEB / "index.js").read_text()
    exported = set(re.findall(r"\w+", " ".join(re.findall(r"^export \{(.*?)\}", text, re.MULTILINE))))
    exported |= set(re.findall(r"^export async function (\w+)", text, re.MULTILINE))
    types = (WEB / "index.d.ts").read_text()
    assert exported == set(re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE))


def test_every_error_code_has_a_message_and_a_type():
    messages = set(re.findall(r"^  '?([a-z-]+)'?: '", (WEB / "errors.js").read_text(), re.MULTILINE))
    types = (WEB / "index.d.ts").read_text()
    typed = set(re.findall(r"'([a-z-]+)'", types[types.index("type ErrorCode") : types.index("/** Every error")]))
    thrown = {code for path in WEB.glob("*.js") for code in re.findall(r"PoseError\('([a-z-]+)'", path.read_text())}
    assert messages == typed and thrown <= messages
