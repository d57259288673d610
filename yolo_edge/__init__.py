"""yolo-edge: takes Ultralytics YOLO pose weights to every browser.

Each verb of the command line is a function of the same name here::

    import yolo_edge

    result = yolo_edge.convert("yolo11n-pose", "models/pose", quantize="int8")
    print(result.manifest.wire_bytes)
    yolo_edge.predict("models/pose", ["photo.jpg"], output="out.png")

The rooms of the house, in the order data flows through them: ``checkpoint`` (weights → ONNX), ``pose`` (what a pose
head means), ``photos`` (sets of photos and labels), ``quantization`` (weights → codes), ``lowering`` (ONNX → graph
model), ``tfjs`` (the file format), ``bundle`` (the directory that is shipped), ``runtime`` (runs it), ``speed`` (what a
frame takes), ``validation`` (what a variant loses), ``publication`` (releases in a store). Verbs are imported on first
use, so that importing the package costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yolo_edge.verbs.bench import bench
    from yolo_edge.verbs.benchmark import fetch_benchmark, list_benchmarks
    from yolo_edge.verbs.channel import canary, promote, rollback
    from yolo_edge.verbs.collect import collect, retire
    from yolo_edge.verbs.convert import convert
    from yolo_edge.verbs.demo import demo
    from yolo_edge.verbs.doctor import doctor
    from yolo_edge.verbs.frontier import frontier
    from yolo_edge.verbs.inspect import inspect
    from yolo_edge.verbs.models import models
    from yolo_edge.verbs.predict import predict
    from yolo_edge.verbs.publish import publish
    from yolo_edge.verbs.quantize import quantize
    from yolo_edge.verbs.release import release
    from yolo_edge.verbs.releases import channels, history, releases
    from yolo_edge.verbs.sizes import sizes
    from yolo_edge.verbs.validate import validate
    from yolo_edge.verbs.verify import verify

__all__ = [
    "__version__",
    "bench",
    "canary",
    "channels",
    "collect",
    "convert",
    "demo",
    "doctor",
    "fetch_benchmark",
    "frontier",
    "history",
    "inspect",
    "list_benchmarks",
    "models",
    "predict",
    "promote",
    "publish",
    "quantize",
    "release",
    "releases",
    "retire",
    "rollback",
    "sizes",
    "validate",
    "verify",
]

# onnxruntime 1.31 on Linux writes a device id into the user's cache directory and reports to its maker on import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_VERBS = {name: f"yolo_edge.verbs.{name}" for name in __all__ if not name.startswith("_")}
_SHARED_MODULES = {
    "benchmark": ("fetch_benchmark", "list_benchmarks"),
    "channel": ("canary", "promote", "rollback"),
    "collect": ("collect", "retire"),
    "releases": ("channels", "history", "releases"),
}
_VERBS |= {name: f"yolo_edge.verbs.{module}" for module, names in _SHARED_MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("yolo-edge")
    if name in _VERBS:
        return getattr(import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'yolo_edge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
