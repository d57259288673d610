"""Engine ``tensorflow``: ONNX → onnx2tf → TensorFlow SavedModel → tensorflowjs → graph model.

The chain that Ultralytics used up to 8.4.82, kept as an independent oracle for the ``direct`` engine. It runs in a
child process, offline, its noise captured in a log file that the error message names.

The chain itself lowers float32. Quantized kernels are then put in place of the float ones they were made from, which
are found by their bytes; a kernel that onnx2tf rewrote (the attention's depthwise convolution, which it splits into one
convolution a channel) stays float32, and so do biases.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from yolo_edge.cache import cache_root
from yolo_edge.console import progress
from yolo_edge.errors import MissingComponentError, ModelError
from yolo_edge.files import make_directory
from yolo_edge.lowering.context import stored_form
from yolo_edge.lowering.direct import INPUT_NAME
from yolo_edge.lowering.engine import Engine
from yolo_edge.quantization.codes import Encodings
from yolo_edge.tfjs.graph import GraphModel, Node, Weight, node_name
from yolo_edge.tfjs.manifest import read_model

if TYPE_CHECKING:
    import onnx

_PACKAGES = ("tensorflow", "tensorflowjs", "onnx2tf")
_SECONDS = 1800

Kernel = npt.NDArray[Any]
_LAYOUTS: tuple[Callable[[Kernel], Kernel], ...] = (
    lambda kernel: kernel.transpose(2, 3, 1, 0),
    lambda kernel: kernel.transpose(2, 3, 0, 1),
)


def require() -> None:
    """Check that the ``[tf]`` extra is installed.

    Raises:
        MissingComponentError: it is not.
    """
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise MissingComponentError(
            f"The tensorflow engine needs {', '.join(missing)}.",
            fix="pip install 'yolo-edge[tf]' (Python 3.11 or 3.12).",
        )


def lower(model: onnx.ModelProto, encodings: Encodings) -> GraphModel:
    """Lower a slimmed ONNX model of static shape through TensorFlow.

    Args:
        model: input ``[1, 3, H, W]`` float32; one output.
        encodings: quantized forms of initializers, one scale a tensor.

    Raises:
        MissingComponentError: the ``[tf]`` extra is not installed.
        ModelError: the chain failed; the message names its log file.
    """
    require()
    with tempfile.TemporaryDirectory(prefix="yolo-edge-tensorflow-") as scratch:
        workspace = Path(scratch)
        (workspace / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        _run_chain(workspace)
        graph = read_model(workspace / "tfjs")
    graph = _with_contract_names(graph, model.graph.output[0].name)
    return _with_encodings(graph, model, encodings)


def _run_chain(workspace: Path) -> None:
    log = workspace / "tensorflow.log"
    command = [sys.executable, "-m", "yolo_edge.lowering.tensorflow_chain", str(workspace)]
    with progress("Lowering through onnx2tf, TensorFlow and tensorflowjs"), log.open("wb") as sink:
        try:
            code = subprocess.run(
                command,
                cwd=workspace,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                timeout=_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    if code:
        kept = cache_root() / "logs" / "tensorflow.log"
        make_directory(kept.parent)
        kept.write_bytes(log.read_bytes())
        lines = kept.read_text(errors="replace").strip().splitlines()
        reason = lines[-1].strip()[:300] if code > 0 and lines else f"it took longer than {_SECONDS} s, or was ended"
        raise ModelError(
            f"The TensorFlow chain failed: {reason}", fix=f"Its whole output is in {kept}. Or use --engine direct."
        )


def _with_contract_names(graph: GraphModel, output_name: str) -> GraphModel:
    """Rename input and output to those of the decode contract."""
    ((_, image),) = graph.inputs.items()
    ((_, result),) = graph.outputs.items()
    names = {image.node: INPUT_NAME, result.node: output_name}

    def renamed(reference: str) -> str:
        node = node_name(reference)
        return reference.replace(node, names[node], 1) if node in names else reference

    nodes = tuple(
        Node(names.get(node.name, node.name), node.op, tuple(map(renamed, node.inputs)), node.attributes)
        for node in graph.nodes
    )
    return replace(
        graph,
        nodes=nodes,
        inputs={INPUT_NAME: replace(image, node=INPUT_NAME)},
        outputs={output_name: replace(result, node=output_name)},
    )


def _with_encodings(graph: GraphModel, model: onnx.ModelProto, encodings: Encodings) -> GraphModel:
    from onnx import numpy_helper

    float_kernels = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name in encodings and len(tensor.dims) == 4
    }
    known = {
        np.ascontiguousarray(arrange(kernel)).tobytes(): (name, arrange)
        for name, kernel in float_kernels.items()
        for arrange in _LAYOUTS
    }

    def encoded(weight: Weight) -> Weight:
        if weight.values.ndim != 4 or weight.values.tobytes() not in known:
            return weight
        name, arrange = known[weight.values.tobytes()]
        values, stored = stored_form(encodings[name])
        return Weight(weight.name, np.ascontiguousarray(arrange(values)).reshape(weight.values.shape), stored, name)

    return replace(graph, weights=tuple(map(encoded, graph.weights)))


ENGINE = Engine("tensorflow", lower, require)
