"""Operations on image tensors that are no convolution: pooling and resizing."""

from __future__ import annotations

import numpy as np

from yolo_edge.lowering.context import LoweringContext, Operation
from yolo_edge.lowering.layout import NHWC
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import flag_attribute, integers_attribute, string_attribute

_POOL_ATTRIBUTES = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides")


@lowers("MaxPool", attributes=_POOL_ATTRIBUTES)
def lower_max_pool(context: LoweringContext, operation: Operation) -> None:
    """``MaxPool`` without padding, or of stride 1 and an odd kernel with half of it as padding."""
    attributes = operation.attributes
    kernel = list(attributes["kernel_shape"])
    strides, pads = list(attributes.get("strides", [1, 1])), list(attributes.get("pads", [0] * 4))
    dilations = attributes.get("dilations", [1, 1])
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise operation.refuse(f"auto_pad={attributes['auto_pad']!r}")
    if attributes.get("ceil_mode") or any(d != 1 for d in dilations) or len(kernel) != 2 or len(operation.outputs) > 1:
        raise operation.refuse("a pooling with ceil_mode, dilations, indices, or of other than two dimensions")
    is_same = strides == [1, 1] and all(k % 2 for k in kernel) and pads == [k // 2 for k in kernel] * 2
    if any(pads) and not is_same:
        raise operation.refuse(f"pooling with pads {pads}, kernel {kernel} and strides {strides}")
    result = context.emit(
        "MaxPool",
        [context.laid_out(operation.inputs[0], NHWC)],
        data_format=string_attribute("NHWC"),
        ksize=integers_attribute([1, *kernel, 1]),
        strides=integers_attribute([1, *strides, 1]),
        padding=string_attribute("SAME" if is_same else "VALID"),
    )
    context.bind(operation.outputs[0], result, NHWC)


@lowers(
    "Resize",
    attributes=(
        "antialias",
        "coordinate_transformation_mode",
        "cubic_coeff_a",
        "exclude_outside",
        "extrapolation_value",
        "keep_aspect_ratio_policy",
        "mode",
        "nearest_mode",
    ),
)
def lower_resize(context: LoweringContext, operation: Operation) -> None:
    """Nearest neighbour upsampling by a whole factor, as ``nn.Upsample`` exports it."""
    attributes = operation.attributes
    (batch, channels, height, width) = context.shape(operation.inputs[0])
    target = context.shape(operation.outputs[0])
    mode = (attributes.get("mode", b"nearest"), attributes.get("coordinate_transformation_mode", b"half_pixel"))
    is_whole = target[:2] == (batch, channels) and target[2] % height == 0 and target[3] % width == 0
    if mode != (b"nearest", b"asymmetric") or attributes.get("nearest_mode") != b"floor" or not is_whole:
        raise operation.refuse(f"a resize of mode {mode} from {height}x{width} to {target[2]}x{target[3]}")
    result = context.emit(
        "ResizeNearestNeighbor",
        [context.laid_out(operation.inputs[0], NHWC), context.constant(np.array(target[2:]))],
        align_corners=flag_attribute(False),
        half_pixel_centers=flag_attribute(False),
    )
    context.bind(operation.outputs[0], result, NHWC)
