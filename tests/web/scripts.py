"""Runs the Node scripts of this folder on the modules of ``yolo_edge/web``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yolo_edge
from yolo_edge.runtime.packages import find_node

HERE = Path(__file__).parent
WEB = Path(yolo_edge.__file__).parent / "web"


def run_script(name: str, *arguments: str | Path) -> Any:
    """Run a script with ``WEB`` and further arguments; return the JSON on its stdout."""
    command = [find_node().path, "--expose-gc", HERE / name, WEB, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name} failed\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)
