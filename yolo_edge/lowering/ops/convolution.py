"""Convolutions: dense, depthwise and grouped, with the bias fused.

Source of the kernel layouts: TensorFlow's ``conv2d`` (``[height, width, in, out]``) and ``depthwise_conv2d``
(``[height, width, in, multiplier]``). ONNX has ``[out, in/groups, height, width]``, and output channel
``in·multiplier + m`` of a depthwise convolution is the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.lowering.context import KernelLayout, LoweringContext, Operation
from yolo_edge.lowering.layout import NHWC, Permutation
from yolo_edge.lowering.rules import lowers
from yolo_edge.tfjs.graph import (
    Attribute,
    integer_attribute,
    integers_attribute,
    string_attribute,
    strings_attribute,
    type_attribute,
)


@dataclass(frozen=True)
class _Window:
    """Stride, dilation and padding of a 2-D convolution."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == (1, 1) and self.strides == (1, 1) and not any(self.pads)

    def attributes(self) -> dict[str, Attribute]:
        return {
            "data_format": string_attribute("NHWC"),
            "strides": integers_attribute([1, *self.strides, 1]),
            "dilations": integers_attribute([1, *self.dilations, 1]),
            **self._padding(),
        }

    def _padding(self) -> dict[str, Attribute]:
        if not any(self.pads):
            return {"padding": string_attribute("VALID")}
        half = tuple(d * (k // 2) for d, k in zip(self.dilations, self.kernel, strict=True))
        if self.strides == (1, 1) and all(k % 2 for k in self.kernel) and self.pads == half * 2:
            return {"padding": string_attribute("SAME")}
        top, left, bottom, right = self.pads
        edges = integers_attribute([0, 0, top, bottom, left, right, 0, 0])
        return {"padding": string_attribute("EXPLICIT"), "explicit_paddings": edges}


@lowers("Conv", attributes=("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"))
def lower_conv(context: LoweringContext, operation: Operation) -> None:
    """``Conv`` → ``_FusedConv2D``, ``FusedDepthwiseConv2dNative``, or one convolution a group."""
    source, kernel_name = operation.inputs[:2]
    if not context.is_constant(kernel_name):
        raise operation.refuse("a kernel that is computed at run time")
    kernel = context.constants[kernel_name]
    if kernel.ndim != 4:
        raise operation.refuse(f"a {kernel.ndim - 2}-dimensional convolution")
    window = _window(operation, kernel)
    groups = operation.attributes.get("group", 1)
    channels = context.shape(source)[1]
    bias_name = operation.inputs[2] if len(operation.inputs) > 2 else ""
    if bias_name and not context.is_constant(bias_name):
        raise operation.refuse("a bias that is computed at run time")
    layout = _layout(context, source, window, groups)
    reference = context.laid_out(source, layout)
    bias = context.bias(bias_name) if bias_name and groups in (1, channels) else None
    if groups == 1:
        kernel_node = context.kernel(kernel_name, KernelLayout(kernel.shape, (2, 3, 1, 0)))
        result = _emit(context, "_FusedConv2D", "Conv2D", [reference, kernel_node], bias, window)
    elif groups == channels:
        shape = (groups, len(kernel) // groups, *kernel.shape[2:])
        kernel_node = context.kernel(kernel_name, KernelLayout(shape, (2, 3, 0, 1)))
        inputs = [reference, kernel_node]
        result = _emit(context, "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative", inputs, bias, window)
    else:
        result = _grouped(context, operation, reference, window)
    context.bind(operation.outputs[0], result, layout)


def _window(operation: Operation, kernel: npt.NDArray[Any]) -> _Window:
    attributes = operation.attributes
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise operation.refuse(f"auto_pad={attributes['auto_pad']!r}")
    return _Window(
        kernel=(kernel.shape[2], kernel.shape[3]),
        strides=tuple(attributes.get("strides", (1, 1))),
        dilations=tuple(attributes.get("dilations", (1, 1))),
        pads=tuple(attributes.get("pads", (0, 0, 0, 0))),
    )


def _layout(context: LoweringContext, source: str, window: _Window, groups: int) -> Permutation:
    """A pointwise convolution takes any layout with the batch first and the channels last: the DFL stays in place."""
    permutation = NHWC if context.is_constant(source) else context.value(source).permutation
    keeps = window.is_pointwise and groups == 1 and permutation[0] == 0 and permutation[-1] == 1
    return permutation if keeps else NHWC


def _emit(
    context: LoweringContext, fused: str, plain: str, inputs: list[str], bias: str | None, window: _Window
) -> str:
    if bias is None:
        return context.emit(plain, inputs, **window.attributes())
    return context.emit(
        fused,
        [*inputs, bias],
        fused_ops=strings_attribute(["BiasAdd"]),
        num_args=integer_attribute(1),
        epsilon={"f": 0.0},
        **window.attributes(),
    )


def _grouped(context: LoweringContext, operation: Operation, reference: str, window: _Window) -> str:
    """One convolution a group: TF.js has no grouped convolution.

    Such a kernel stays unquantized here: its slices would need a code tensor each.
    """
    kernel, groups = context.constants[operation.inputs[1]], operation.attributes["group"]
    encoding = context.encodings.get(operation.inputs[1])
    kernel = encoding.decoded() if encoding is not None else kernel
    bias = context.constants[operation.inputs[2]] if len(operation.inputs) > 2 and operation.inputs[2] else None
    batch, channels, height, width = context.shape(operation.inputs[0])
    size = channels // groups
    results = []
    for group, part in enumerate(np.split(kernel, groups)):
        begin = context.constant(np.array([0, 0, 0, group * size]))
        extent = context.constant(np.array([batch, height, width, size]))
        piece = context.emit("Slice", [reference, begin, extent], Index=type_attribute("int32"))
        part_bias = None if bias is None else context.constant(np.split(bias, groups)[group])
        part_kernel = context.constant(part.transpose(2, 3, 1, 0))
        results.append(_emit(context, "_FusedConv2D", "Conv2D", [piece, part_kernel], part_bias, window))
    axis = context.constant(np.array(3))
    return context.emit("ConcatV2", [*results, axis], N=integer_attribute(groups), Tidx=type_attribute("int32"))
