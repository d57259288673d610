"""Lowering engines by name.

==========  ==========================================================================================================
name        how it goes from ONNX to a TF.js graph model
==========  ==========================================================================================================
direct      a table of op rules; needs numpy and onnx alone; carries every quantization scheme
tensorflow  onnx2tf → TensorFlow SavedModel → tensorflowjs; the ``[tf]`` extra; an independent oracle for ``direct``
==========  ==========================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from yolo_edge.errors import UsageError
from yolo_edge.quantization.codes import Encodings
from yolo_edge.tfjs.graph import GraphModel

if TYPE_CHECKING:
    import onnx

_MODULES = {
    "direct": "yolo_edge.lowering.direct",
    "tensorflow": "yolo_edge.lowering.tensorflow",
}

ENGINE_NAMES = tuple(_MODULES)


@dataclass(frozen=True)
class Engine:
    """A way from ONNX to a graph model.

    Attributes:
        name: what ``--engine`` takes.
        lower: ONNX model and quantized weights → graph model.
        require: raises MissingComponentError when what the engine needs is not installed; cheap, called at the door.
    """

    name: str
    lower: Callable[[onnx.ModelProto, Encodings], GraphModel]
    require: Callable[[], None] = lambda: None


def find_engine(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        UsageError: there is no such engine.
    """
    if name not in _MODULES:
        raise UsageError(f"There is no lowering engine {name!r}.", fix=f"Choose one of {', '.join(ENGINE_NAMES)}.")
    engine: Engine = import_module(_MODULES[name]).ENGINE
    return engine
