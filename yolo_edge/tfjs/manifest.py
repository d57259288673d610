"""Read and write the TF.js graph model format: ``model.json`` and its weight shards.

Law: ``read_model(directory)`` gives back the nodes, weights and signature that ``write_model(model, directory)`` was
given, bit for bit.

Source of the format: ``tfjs-core/src/io/types.ts`` (``ModelJSON``, ``WeightsManifestConfig``) of TF.js 4.22. The
weights manifest knows float32, int32 and bool values, and per-tensor ``uint8``, ``uint16``, ``float16`` quantization.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from yolo_edge.errors import ModelError
from yolo_edge.tfjs.graph import Captured, GraphModel, Initializer, Node, Stored, TensorInfo, Weight, type_name

MODEL_FILE = "model.json"
SHARD_BYTES = 4 * 1024 * 1024
"""Largest shard: browsers cache files of this size well, and every store takes them in a single request."""

_DTYPE_OF = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool"}
_PRODUCER_VERSION = 1882  # GraphDef version of TensorFlow 2.17, the last that changed an operation used here


def serialize_model(model: GraphModel) -> dict[str, bytes]:
    """Return the files of a graph model by name, ``model.json`` first.

    The shards are of equal size, the last one smaller: TF.js reads zeros where the last shard is the largest.
    """
    blob = b"".join(np.ascontiguousarray(weight.values).tobytes() for weight in model.stored_weights())
    count = max(1, -(-len(blob) // SHARD_BYTES))
    shards = {
        f"group1-shard{index + 1}of{count}.bin": blob[index * SHARD_BYTES : (index + 1) * SHARD_BYTES]
        for index in range(count)
    }
    captured = model.initializer.outputs if model.initializer else {}
    resources = {name: {"resourceId": number} for number, name in enumerate(captured, start=1)}
    document = {
        "format": "graph-model",
        "generatedBy": model.producer,
        "convertedBy": "yolo-edge",
        "signature": {
            "inputs": {key: info.to_json() for key, info in model.inputs.items()}
            | {
                name: TensorInfo(name, "float32", captured[name].shape).to_json() | resource
                for name, resource in resources.items()
            },
            "outputs": {key: info.to_json() for key, info in model.outputs.items()},
        },
        "modelTopology": {
            "node": [node.to_json() for node in model.nodes],
            "library": {},
            "versions": {"producer": _PRODUCER_VERSION},
        },
        "weightsManifest": [
            {"paths": list(shards), "weights": [_weight_json(weight) for weight in model.stored_weights()]}
        ],
    }
    if model.initializer:
        document["modelInitializer"] = {
            "node": [node.to_json() for node in model.initializer.nodes],
            "versions": {"producer": _PRODUCER_VERSION},
        }
        document["initializerSignature"] = {
            "inputs": {},
            "outputs": {
                captured[name].node: {"name": f"{captured[name].node}:0", "dtype": type_name("float32")} | resource
                for name, resource in resources.items()
            },
        }
    return {MODEL_FILE: json.dumps(document, separators=(",", ":")).encode(), **shards}


def write_model(model: GraphModel, directory: Path) -> tuple[str, ...]:
    """Write ``model.json`` and the shards into an existing directory.

    Returns:
        The names of the files written, ``model.json`` first.
    """
    files = serialize_model(model)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return tuple(files)


def read_model(directory: Path) -> GraphModel:
    """Read a TF.js graph model directory, ours or another tool's.

    Raises:
        ModelError: ``model.json`` or a shard is missing, damaged, or not a graph model.
    """
    document = read_model_json(directory)
    try:
        topology, signature = document["modelTopology"], document.get("signature", {})
        weights = tuple(weight for group in document["weightsManifest"] for weight in _read_group(group, directory))
        initializer = _read_initializer(document, weights)
        decoded_first = {weight.name for weight in initializer.weights} if initializer else set()
        images = {key: info for key, info in signature.get("inputs", {}).items() if "resourceId" not in info}
        return GraphModel(
            nodes=_read_nodes(topology),
            weights=tuple(weight for weight in weights if weight.name not in decoded_first),
            inputs=_read_infos(images),
            outputs=_read_infos(signature.get("outputs", {})),
            producer=document.get("generatedBy") or "unknown",
            initializer=initializer,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{directory / MODEL_FILE} is not a TF.js graph model: {type(error).__name__} {error}.",
            fix="Convert the weights again.",
        ) from error


def read_model_json(directory: Path) -> dict[str, Any]:
    """Return the parsed ``model.json`` of a directory.

    Raises:
        ModelError: it is missing, not JSON, or not of a graph model.
    """
    path = directory / MODEL_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{directory} has no {MODEL_FILE}.", fix="Give a directory made by yolo-edge.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", fix="Convert the weights again.") from error
    if not isinstance(document, dict) or document.get("format") != "graph-model":
        raise ModelError(f"{path} is not a TF.js graph model.", fix="Layers models are not supported.")
    return document


def _weight_json(weight: Weight) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": weight.name, "shape": list(weight.values.shape), "dtype": weight.dtype}
    if weight.stored is None:
        return spec
    quantization: dict[str, Any] = {"dtype": weight.stored.dtype, "original_dtype": "float32"}
    if weight.stored.dtype != "float16":
        quantization |= {"scale": weight.stored.scale, "min": weight.stored.minimum}
    return spec | {"quantization": quantization}


def _read_group(group: dict[str, Any], directory: Path) -> Iterable[Weight]:
    blob = b"".join(_read_shard(directory, path) for path in group["paths"])
    offset = 0
    for spec in group["weights"]:
        quantization = spec.get("quantization")
        stored = None
        if quantization:
            stored = Stored(quantization["dtype"], quantization.get("scale", 1.0), quantization.get("min", 0.0))
        dtype = np.dtype(stored.dtype if stored else spec["dtype"])
        count = int(np.prod(spec["shape"], dtype=np.int64))
        if offset + count * dtype.itemsize > len(blob):
            raise ModelError(
                f"The shards of {directory} hold {len(blob)} bytes, too few for weight '{spec['name']}'.",
                fix="A shard is cut short: fetch or convert it again.",
            )
        values = np.frombuffer(blob, dtype, count, offset).reshape(spec["shape"])
        offset += count * dtype.itemsize
        yield Weight(spec["name"], values, stored)


def _read_shard(directory: Path, name: str) -> bytes:
    path = directory / name
    if path.parent != directory:
        raise ModelError(
            f"{directory / MODEL_FILE} names the shard {name!r}, outside its own directory.",
            fix="Use a model from a source you trust.",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"Shard {path} cannot be read: {error.strerror}.", fix="Convert the weights again.") from error


def _read_nodes(topology: dict[str, Any]) -> tuple[Node, ...]:
    return tuple(
        Node(node["name"], node["op"], tuple(node.get("input", ())), node.get("attr", {})) for node in topology["node"]
    )


def _read_initializer(document: dict[str, Any], weights: tuple[Weight, ...]) -> Initializer | None:
    if not document.get("modelInitializer"):
        return None
    nodes = _read_nodes(document["modelInitializer"])
    constants = {node.name for node in nodes if node.op == "Const"}
    made = {info["resourceId"]: name for name, info in document["initializerSignature"]["outputs"].items()}
    outputs = {
        key: Captured(made[info["resourceId"]], tuple(int(dim["size"]) for dim in info["tensorShape"]["dim"]))
        for key, info in document["signature"]["inputs"].items()
        if "resourceId" in info
    }
    return Initializer(nodes, tuple(weight for weight in weights if weight.name in constants), outputs)


def _read_infos(infos: dict[str, Any]) -> dict[str, TensorInfo]:
    return {
        key: TensorInfo(
            node=info["name"].split(":")[0],
            dtype=_DTYPE_OF.get(info.get("dtype", "DT_FLOAT"), "float32"),
            shape=tuple(int(dim["size"]) for dim in info.get("tensorShape", {}).get("dim", ())),
        )
        for key, info in infos.items()
    }
