"""What a pose head's output tensor means: family, layout, classes, keypoints, strides.

Everything here is read from the ONNX graph and the metadata that the export wrote into it, never from a file name.

Families (how the head was built; the exported graph already holds the decoding, so a reader of its output needs only
the layout):

======  ===========================================================  =================================================
family  told by                                                      box and keypoint decoding inside the graph
======  ===========================================================  =================================================
v8      DFL (box distances as a softmax over bins), no depthwise     keypoint = (2·raw + anchor − 0.5)·stride
v11     DFL, class branch of depthwise convolutions (YOLO11, 12)     keypoint = (2·raw + anchor − 0.5)·stride
26      no DFL (``reg_max`` 1, YOLO26)                               keypoint = (raw + anchor)·stride
======  ===========================================================  =================================================

Source: ``ultralytics/nn/modules/head.py``, classes ``Detect``, ``Pose`` and ``Pose26`` of ultralytics 8.4.

Layouts (``N`` anchors, ``nc`` classes, ``K`` keypoints of ``D`` values):

* ``raw``: ``[1, 4+nc+K·D, N]``, channels first: box centre x, y, width, height; class scores after sigmoid; keypoints
  x, y and, where ``D`` is 3, visibility after sigmoid. Needs non-maximum suppression.
* ``end2end``: ``[1, M, 6+K·D]``: box corners x1, y1, x2, y2; score; class index; keypoints. Sorted by falling score, no
  suppression needed.

All coordinates are pixels of the letterboxed input image, origin top left.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from yolo_edge.errors import ModelError
from yolo_edge.pose.skeleton import bones, keypoint_names

if TYPE_CHECKING:
    import onnx

Layout = Literal["raw", "end2end"]

_LARGEST_STRIDES = ("16", "32", "64", "128")

_NOT_POSE = "Convert a YOLO pose model (.pt), or an ONNX file that Ultralytics or yolo-edge exported from one."


@dataclass(frozen=True)
class PoseHead:
    """The meaning of a pose model's input and output.

    Attributes:
        family: one of :data:`FAMILIES`.
        layout: ``raw`` or ``end2end``, see the module docstring.
        image_size: input height and width in pixels.
        classes: class names by index.
        keypoint_count: K, keypoints a person.
        keypoint_dimensions: D, values a keypoint: 2 (x, y) or 3 (x, y, visibility 0-1).
        keypoint_names: one name a keypoint.
        skeleton: pairs of keypoint indices to join when drawing.
        strides: pixels per anchor cell of each detection level.
        output_shape: shape of the output tensor.
        licence: licence of the weights as the checkpoint states it.
    """

    family: str
    layout: Layout
    image_size: tuple[int, int]
    classes: tuple[str, ...]
    keypoint_count: int
    keypoint_dimensions: int
    keypoint_names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    output_shape: tuple[int, int, int]
    licence: str

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the TF.js graph model's input, ``[1, H, W, 3]``."""
        return (1, *self.image_size, 3)


@dataclass(frozen=True)
class GraphFacts:
    """What the family registry looks at."""

    has_distribution_focal_loss: bool
    has_depthwise_convolution: bool


@dataclass(frozen=True)
class HeadFamily:
    """A kind of pose head, told apart by what its graph holds."""

    name: str
    description: str
    matches: Callable[[GraphFacts], bool]


FAMILIES: dict[str, HeadFamily] = {
    family.name: family
    for family in (
        HeadFamily(
            "v8",
            "YOLOv8: distribution focal loss, plain convolutions",
            lambda facts: facts.has_distribution_focal_loss and not facts.has_depthwise_convolution,
        ),
        HeadFamily(
            "v11",
            "YOLO11 and YOLO12: distribution focal loss, depthwise class branch",
            lambda facts: facts.has_distribution_focal_loss and facts.has_depthwise_convolution,
        ),
        HeadFamily(
            "26",
            "YOLO26: direct box distances, optional end-to-end output",
            lambda facts: not facts.has_distribution_focal_loss,
        ),
    )
}


def read_head(model: onnx.ModelProto, source: str) -> PoseHead:
    """Read the meaning of a pose model from its ONNX graph and metadata.

    Args:
        model: a loaded ONNX model.
        source: the file name to put into error messages.

    Raises:
        ModelError: dynamic shapes, another task than pose, metadata missing or at odds with the graph.
    """
    height, width = _image_size(model, source)
    output_shape = _output_shape(model, source)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    _check_task(metadata, source)
    classes = _classes(metadata, source)
    count, dimensions = _keypoint_shape(metadata, source)
    strides = _strides(metadata, (height, width), output_shape, source)
    layout = _layout(output_shape, len(classes), count * dimensions, strides, (height, width), source)
    names = _metadata_literal(metadata, "kpt_names")
    return PoseHead(
        family=_family(model, source),
        layout=layout,
        image_size=(height, width),
        classes=classes,
        keypoint_count=count,
        keypoint_dimensions=dimensions,
        keypoint_names=given_keypoint_names(names, count),
        skeleton=bones(count),
        strides=strides,
        output_shape=output_shape,
        licence=metadata.get("license", "unknown"),
    )


def _static_shape(value: onnx.ValueInfoProto, source: str) -> tuple[int, ...]:
    shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    if not shape or any(size <= 0 for size in shape):
        named = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        raise ModelError(
            f"{source} has a dynamic shape: '{value.name}' is {named}.",
            fix="Export it again with a fixed size (dynamic=False), or convert the .pt directly.",
        )
    return shape


def _image_size(model: onnx.ModelProto, source: str) -> tuple[int, int]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ModelError(f"{source} has {len(inputs)} inputs, a YOLO pose model has one (images).", fix=_NOT_POSE)
    shape = _static_shape(inputs[0], source)
    if len(shape) != 4 or shape[:2] != (1, 3):
        raise ModelError(f"{source} has an input of shape {list(shape)}, expected [1, 3, H, W].", fix=_NOT_POSE)
    return shape[2], shape[3]


def _output_shape(model: onnx.ModelProto, source: str) -> tuple[int, int, int]:
    if len(model.graph.output) != 1:
        names = [value.name for value in model.graph.output]
        raise ModelError(f"{source} has outputs {names}, a YOLO pose model has one.", fix=_NOT_POSE)
    shape = _static_shape(model.graph.output[0], source)
    if len(shape) != 3 or shape[0] != 1:
        raise ModelError(f"{source} has an output of shape {list(shape)}, expected [1, channels, N].", fix=_NOT_POSE)
    return shape[0], shape[1], shape[2]


def _check_task(metadata: dict[str, str], source: str) -> None:
    task = metadata.get("task")
    if task is None:
        raise ModelError(f"{source} has no 'task' in its metadata, so it is not a known YOLO export.", fix=_NOT_POSE)
    if task != "pose":
        raise ModelError(f"{source} is a YOLO {task} model, not a pose model.", fix=_NOT_POSE)


def _metadata_literal(metadata: dict[str, str], key: str) -> Any:
    text = metadata.get(key)
    if text is None:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _classes(metadata: dict[str, str], source: str) -> tuple[str, ...]:
    names = _metadata_literal(metadata, "names")
    if isinstance(names, dict) and sorted(names) == list(range(len(names))) and names:
        return tuple(str(names[i]) for i in range(len(names)))
    raise ModelError(
        f"{source} does not name its classes in its metadata (names={metadata.get('names')!r}).", fix=_NOT_POSE
    )


def _keypoint_shape(metadata: dict[str, str], source: str) -> tuple[int, int]:
    shape = _metadata_literal(metadata, "kpt_shape")
    match shape:
        case [int(count), 2 | 3 as dimensions] if count > 0:
            return count, int(dimensions)
    raise ModelError(
        f"{source} does not give its keypoint shape in its metadata (kpt_shape={metadata.get('kpt_shape')!r}).",
        fix=_NOT_POSE,
    )


def given_keypoint_names(names: Any, count: int) -> tuple[str, ...]:
    """Names the checkpoint gives (a list, or Ultralytics' {class index: list}), else the known set's."""
    if isinstance(names, dict) and names:
        names = names[min(names)]
    if isinstance(names, list | tuple) and len(names) == count:
        return tuple(str(name) for name in names)
    return keypoint_names(count)


def anchor_count(image_size: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Return the number of anchors of a raw head: one a cell of each level."""
    return sum((image_size[0] // stride) * (image_size[1] // stride) for stride in strides)


def _strides(
    metadata: dict[str, str], image_size: tuple[int, int], output_shape: tuple[int, int, int], source: str
) -> tuple[int, ...]:
    """What the metadata lists (our export), else levels that double and end at the metadata's largest stride."""
    match _metadata_literal(metadata, "strides"):
        case [*listed] if listed and all(isinstance(stride, int) and stride > 0 for stride in listed):
            return tuple(listed)
    stated = metadata.get("stride", "32")
    if stated not in _LARGEST_STRIDES:
        raise ModelError(
            f"{source} gives {stated!r} as its largest stride, expected one of {', '.join(_LARGEST_STRIDES)}.",
            fix=_NOT_POSE,
        )
    largest = int(stated)
    candidates = [tuple(largest >> i for i in reversed(range(levels))) for levels in (3, 4, 5, 2)]
    for strides in candidates:
        if anchor_count(image_size, strides) == output_shape[2]:
            return strides
    return candidates[0]


def _layout(
    output_shape: tuple[int, int, int],
    class_count: int,
    keypoint_values: int,
    strides: tuple[int, ...],
    image_size: tuple[int, int],
    source: str,
) -> Layout:
    raw_channels, end2end_channels = 4 + class_count + keypoint_values, 6 + keypoint_values
    if output_shape[1:] == (raw_channels, anchor_count(image_size, strides)):
        return "raw"
    if output_shape[2] == end2end_channels:
        return "end2end"
    raise ModelError(
        f"{source} has an output of shape {list(output_shape)}, but {class_count} classes and {keypoint_values} "
        f"keypoint values at {image_size[0]}x{image_size[1]} px make [1, {raw_channels}, "
        f"{anchor_count(image_size, strides)}] or [1, M, {end2end_channels}].",
        fix=_NOT_POSE,
    )


def _graph_facts(model: onnx.ModelProto) -> GraphFacts:
    import numpy as np
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    has_bins = has_depthwise = False
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        shape = tuple(weights[node.input[1]].dims)
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        has_depthwise |= groups == shape[0] > 1 and shape[1] == 1
        if shape[0] == 1 and shape[2:] == (1, 1) and shape[1] > 1:
            kernel = numpy_helper.to_array(weights[node.input[1]]).ravel()
            has_bins |= bool(np.array_equal(kernel, np.arange(kernel.size)))
    return GraphFacts(has_distribution_focal_loss=has_bins, has_depthwise_convolution=has_depthwise)


def _family(model: onnx.ModelProto, source: str) -> str:
    facts = _graph_facts(model)
    for family in FAMILIES.values():
        if family.matches(facts):
            return family.name
    raise ModelError(f"{source} has a pose head of an unknown family.", fix=_NOT_POSE)
