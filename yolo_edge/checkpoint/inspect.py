"""Say what a checkpoint holds, without torch: read from the symbolic tree of its pickle.

The family is found by the same registry as for ONNX graphs (:data:`yolo_edge.pose.head.FAMILIES`), from the layers the
checkpoint holds; a file name is never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.checkpoint.allowlist import ELEMENT_BYTES
from yolo_edge.checkpoint.safety import CheckedCheckpoint, examine_checkpoint
from yolo_edge.checkpoint.symbols import Global, Instance, Pairs, Persistent
from yolo_edge.errors import CheckpointError
from yolo_edge.pose.head import FAMILIES, GraphFacts

TASK_OF_HEAD = {
    "Pose": "pose",
    "Pose26": "pose",
    "Detect": "detect",
    "v10Detect": "detect",
    "WorldDetect": "detect",
    "YOLOEDetect": "detect",
    "RTDETRDecoder": "detect",
    "Segment": "segment",
    "Segment26": "segment",
    "YOLOESegment": "segment",
    "YOLOESegment26": "segment",
    "SemanticSegment": "semantic segmentation",
    "OBB": "oriented detection",
    "OBB26": "oriented detection",
    "Classify": "classify",
    "Depth": "depth",
}
"""Class of an ultralytics head (``ultralytics/nn/modules/head.py``, version 8.4) → the task that it is for."""


@dataclass(frozen=True)
class LayerSize:
    """One top-level layer of a network.

    Attributes:
        index: its place in the network; what names it in an ONNX graph has no number, so it is text.
        kind: class or operation, e.g. ``C3k2``.
        parameters: number of trainable values.
        bytes: size of its tensors as stored, trainable or not.
    """

    index: str
    kind: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class CheckpointDescription:
    """What a ``.pt`` file holds.

    Attributes:
        path: the file.
        sha256: of the file, lowercase hex.
        bytes: its size.
        task: ``pose``, ``detect`` …; ``unknown`` for a head class that yolo-edge does not know.
        head: class of the last layer.
        family: a name of :data:`yolo_edge.pose.head.FAMILIES`; None for a task other than pose.
        has_end2end_branch: whether the head can be exported end to end.
        classes: class names by index.
        keypoint_shape: keypoints a person, and values a keypoint (2 or 3); None for a task other than pose.
        image_size: side in pixels that it was trained at; None when the checkpoint does not say.
        licence: as the checkpoint states it, ``unknown`` when it does not.
        ultralytics_version: of the training.
        date: of the training's end, as the checkpoint states it.
        parameters: number of trainable values.
        layers: sizes by top-level layer.
    """

    path: Path
    sha256: str
    bytes: int
    task: str
    head: str
    family: str | None
    has_end2end_branch: bool
    classes: tuple[str, ...]
    keypoint_shape: tuple[int, int] | None
    image_size: int | None
    licence: str
    ultralytics_version: str | None
    date: str | None
    parameters: int
    layers: tuple[LayerSize, ...]


def describe_checkpoint(path: Path, *, trust: bool = False) -> CheckpointDescription:
    """Describe a checkpoint. Nothing in it is run and torch is not imported.

    Args:
        path: the ``.pt`` file.
        trust: describe a file that the safety check refuses, too.

    Raises:
        UnsafeCheckpointError: the safety check refuses the file.
        CheckpointError: the file is missing, damaged, or holds no Ultralytics network.
    """
    return describe_checked(examine_checkpoint(path, trust=trust))


def describe_checked(checked: CheckedCheckpoint) -> CheckpointDescription:
    """Describe a checkpoint that was examined before; see :func:`describe_checkpoint`."""
    try:
        return _described(checked)
    except RecursionError as error:  # a file made to be nested so; no network is
        raise _no_network(checked.file.path) from error


def _described(checked: CheckedCheckpoint) -> CheckpointDescription:
    checkpoint, path = checked.root, checked.file.path
    if not isinstance(checkpoint, Pairs):
        raise _no_network(path)
    network = checkpoint.get("ema") or checkpoint.get("model")
    layers = _children(_attribute(_modules(network), "model"))
    if not layers:
        raise _no_network(path)
    head = layers[-1][1]
    head_kind = _kind(head)
    task = TASK_OF_HEAD.get(head_kind, "unknown")
    is_pose = task == "pose"
    sizes = tuple(_layer_size(index, layer) for index, layer in layers)
    return CheckpointDescription(
        path=path,
        sha256=checked.report.sha256,
        bytes=checked.report.size,
        task=task,
        head=head_kind,
        family=_family(network, head) if is_pose else None,
        has_end2end_branch=any(name == "one2one_cv2" for name, _ in _children(head)),
        classes=_classes(network),
        keypoint_shape=_keypoint_shape(head) if is_pose else None,
        image_size=_image_size(checkpoint.get("train_args")),
        licence=_licence(checkpoint.get("license")),
        ultralytics_version=_text(checkpoint.get("version")),
        date=_text(checkpoint.get("date")),
        parameters=sum(layer.parameters for layer in sizes),
        layers=sizes,
    )


def _no_network(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no Ultralytics network.",
        fix="Give a checkpoint that Ultralytics training saved, not a bare state dictionary.",
    )


# The symbolic tree. A torch module's state is its __dict__, with the dictionaries _modules, _parameters and _buffers.


def _attribute(holder: Any, name: str) -> Any:
    """Look a name up in a dictionary, an ordered dictionary, or an object's state."""
    if isinstance(holder, Pairs):
        return holder.get(name)
    if isinstance(holder, Instance):
        found = holder.items.get(name)
        return found if found is not None else _attribute(holder.state, name)
    return None


def _modules(module: Any) -> Any:
    return _attribute(module, "_modules")


def _children(module: Any) -> list[tuple[str, Any]]:
    return [(name, child) for name, child in _named(_modules(module)) if isinstance(child, Instance)]


def _named(dictionary: Any) -> list[tuple[str, Any]]:
    """The pairs of a dictionary whose key is text; a key set twice counts once, with its last value."""
    if isinstance(dictionary, Instance):
        dictionary = dictionary.items
    if not isinstance(dictionary, Pairs):
        return []
    return list({key: value for key, value in dictionary.pairs if isinstance(key, str)}.items())


def _kind(module: Instance) -> str:
    return module.made_by.name


def _walk(module: Instance) -> Iterator[Instance]:
    """Yield a module and all modules inside it, each once, however they refer to each other."""
    seen: set[int] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting.extend(child for _, child in _children(current))


@dataclass(frozen=True)
class _Tensor:
    elements: int
    bytes: int


def _tensor(value: Any) -> _Tensor | None:
    """Read a tensor, or the parameter around one; the arguments are those of torch's ``_rebuild_tensor_v2``."""
    if not isinstance(value, Instance) or not value.arguments:
        return None
    if value.made_by.name == "_rebuild_parameter":
        return _tensor(value.arguments[0])
    match tuple(value.arguments):
        case (Persistent(identity=(_, Global(name=storage), *_)), _, tuple() as shape, *_) if all(
            isinstance(size, int) for size in shape
        ):
            elements = math.prod(shape)
            return _Tensor(elements, elements * ELEMENT_BYTES.get(storage, 4))
    return None


def _layer_size(index: str, layer: Instance) -> LayerSize:
    parameters = size = 0
    for module in _walk(layer):
        for group in ("_parameters", "_buffers"):
            for _, value in _named(_attribute(module, group)):
                tensor = _tensor(value)
                if tensor is not None:
                    size += tensor.bytes
                    parameters += tensor.elements if group == "_parameters" else 0
    return LayerSize(index, _kind(layer), parameters, size)


# What the network means


def _family(network: Instance, head: Instance) -> str | None:
    facts = GraphFacts(
        has_distribution_focal_loss=any(_kind(module) == "DFL" for module in _walk(head)),
        has_depthwise_convolution=any(_is_depthwise(module) for module in _walk(network)),
    )
    return next((family.name for family in FAMILIES.values() if family.matches(facts)), None)


def _is_depthwise(module: Instance) -> bool:
    groups, channels = _attribute(module, "groups"), _attribute(module, "out_channels")
    return isinstance(groups, int) and groups > 1 and groups == channels


def _classes(network: Any) -> tuple[str, ...]:
    names = _attribute(network, "names")
    if isinstance(names, Pairs):
        numbered = {index: name for index, name in names.pairs if isinstance(index, int)}
        names = [numbered[index] for index in sorted(numbered)]
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _keypoint_shape(head: Instance) -> tuple[int, int] | None:
    match _attribute(head, "kpt_shape"):
        case [int(count), int(values)]:
            return count, values
    return None


def _image_size(arguments: Any) -> int | None:
    size = _attribute(arguments, "imgsz")
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return size if isinstance(size, int) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _licence(value: Any) -> str:
    """Ultralytics writes ``AGPL-3.0 License (https://ultralytics.com/license)``."""
    return _text(value) or "unknown"
