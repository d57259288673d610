"""An ONNX pose model as a differentiable torch function.

Sensitivities need gradients, which onnxruntime does not give. The graph is walked node by node; only the operations
that raw YOLO pose exports hold are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yolo_edge.errors import UnsupportedOperationError

if TYPE_CHECKING:
    import onnx
    import torch

Tensor = Any
Operation = Callable[[list[Any], dict[str, Any], int], Any]


@dataclass(frozen=True)
class Convolution:
    """One convolution of the graph.

    Attributes:
        kernel: name of the kernel's initializer.
        strides: vertical and horizontal.
        pads: top, left, bottom, right.
        dilations: vertical and horizontal.
        groups: number of groups.
    """

    kernel: str
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    groups: int


class DifferentiableModel:
    """A pose model whose weights can be replaced and differentiated.

    Attributes:
        convolutions: every convolution, in graph order.
        weights: float initializers by name, torch float32.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        import torch
        from onnx import helper, numpy_helper

        self._nodes: list[tuple[str, str, list[str], list[str], dict[str, Any]]] = []
        self.weights: dict[str, torch.Tensor] = {}
        self.convolutions: list[Convolution] = []
        for tensor in model.graph.initializer:
            self.weights[tensor.name] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for node in model.graph.node:
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            if node.op_type == "Constant":
                self.weights[node.output[0]] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
                continue
            if node.op_type not in _OPERATIONS:
                raise UnsupportedOperationError(
                    f"ONNX node '{node.name}' is a {node.op_type}, which calibration cannot differentiate.",
                    fix="Quantize the raw export (without --end2end), or use --quantize float16.",
                )
            self._nodes.append((node.op_type, node.name, list(node.input), list(node.output), attributes))
            if node.op_type == "Conv":
                self.convolutions.append(_convolution(node, attributes))
        (self._input,) = [value.name for value in model.graph.input if value.name not in self.weights]
        self._output = model.graph.output[0].name
        self._last_use = self._find_last_uses()

    def __call__(
        self,
        images: Tensor,
        overrides: Mapping[str, Tensor] | None = None,
        observe: Callable[[Convolution, Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Run the model.

        Args:
            images: float32 ``[B, 3, H, W]``, RGB 0-1. Any H and W of the export's aspect work only where the graph
                holds no constant of that size: use the exported size.
            overrides: weights to use in place of the model's own.
            observe: called with each convolution, its input and its output; what it returns replaces the output.

        Returns:
            The output tensor ``[B, C, N]``.
        """
        overrides = overrides or {}
        values: dict[str, Tensor] = {self._input: images}
        convolutions = iter(self.convolutions)
        for position, (op_type, _, inputs, outputs, attributes) in enumerate(self._nodes):
            arguments = [
                overrides[name] if name in overrides else values[name] if name in values else self.weights.get(name)
                for name in inputs
            ]
            result = _OPERATIONS[op_type](arguments, attributes, len(outputs))
            if op_type == "Conv" and observe is not None:
                result = observe(next(convolutions), arguments[0], result)
            for name, value in zip(outputs, result if isinstance(result, (tuple, list)) else (result,), strict=True):
                values[name] = value
            for name in self._last_use[position]:
                values.pop(name, None)
        return values[self._output]

    def _find_last_uses(self) -> list[list[str]]:
        last: dict[str, int] = {}
        for position, (_, _, inputs, _, _) in enumerate(self._nodes):
            last.update(dict.fromkeys(inputs, position))
        uses: list[list[str]] = [[] for _ in self._nodes]
        for name, position in last.items():
            if name not in self.weights and name != self._output:
                uses[position].append(name)
        return uses


def _convolution(node: onnx.NodeProto, attributes: dict[str, Any]) -> Convolution:
    strides, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0, 0, 0, 0])
    dilations = attributes.get("dilations", [1, 1])
    return Convolution(
        kernel=node.input[1],
        strides=(strides[0], strides[1]),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        dilations=(dilations[0], dilations[1]),
        groups=attributes.get("group", 1),
    )


def padded(images: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    """Pad the last two dimensions with zeros: top, left, bottom, right."""
    from torch.nn import functional

    top, left, bottom, right = pads
    return functional.pad(images, (left, right, top, bottom)) if any(pads) else images


def _conv(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    from torch.nn import functional

    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    images, kernel = arguments[:2]
    bias = arguments[2] if len(arguments) > 2 else None
    if (top, left) == (bottom, right):
        padding: tuple[int, int] = (top, left)
    else:
        images, padding = padded(images, (top, left, bottom, right)), (0, 0)
    return functional.conv2d(
        images,
        kernel,
        bias,
        tuple(attributes.get("strides", [1, 1])),
        padding,
        tuple(attributes.get("dilations", [1, 1])),
        attributes.get("group", 1),
    )


def _max_pool(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    from torch.nn import functional

    pads = attributes.get("pads", [0, 0, 0, 0])
    return functional.max_pool2d(
        arguments[0], tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", [1, 1])), tuple(pads[:2])
    )


def _reshape(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    shape = [int(size) for size in arguments[1]]
    if shape[0] == 1:
        shape[0] = arguments[0].shape[0]  # exported for a batch of one, run with any
    return arguments[0].reshape(shape)


def _split(arguments: list[Any], attributes: dict[str, Any], count: int) -> Tensor:
    axis = attributes.get("axis", 0)
    if len(arguments) > 1 and arguments[1] is not None:
        return arguments[0].split([int(size) for size in arguments[1]], axis)
    return arguments[0].chunk(count, axis)


def _slice(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    value = arguments[0]
    starts, ends = arguments[1].tolist(), arguments[2].tolist()
    axes = arguments[3].tolist() if len(arguments) > 3 else range(len(starts))
    for axis, start, end in zip(axes, starts, ends, strict=True):
        size = value.shape[axis]
        first, last = (min(max(bound + size if bound < 0 else bound, 0), size) for bound in (start, end))
        value = value.narrow(axis, first, last - first)
    return value


def _resize(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    from torch.nn import functional

    factors = arguments[2]
    scale = [float(factor) for factor in factors[2:]] if factors is not None and factors.numel() else None
    size = None if scale else [int(side) for side in arguments[3][2:]]
    return functional.interpolate(arguments[0], size=size, scale_factor=scale, mode="nearest")


def _concat(arguments: list[Any], attributes: dict[str, Any], _: int) -> Tensor:
    import torch

    return torch.cat(arguments, attributes["axis"])


_OPERATIONS: dict[str, Operation] = {
    "Add": lambda a, k, n: a[0] + a[1],
    "Concat": _concat,
    "Conv": _conv,
    "Div": lambda a, k, n: a[0] / a[1],
    "Identity": lambda a, k, n: a[0],
    "LeakyRelu": lambda a, k, n: __import__("torch").nn.functional.leaky_relu(a[0], k.get("alpha", 0.01)),
    "MatMul": lambda a, k, n: a[0] @ a[1],
    "MaxPool": _max_pool,
    "Mul": lambda a, k, n: a[0] * a[1],
    "Relu": lambda a, k, n: a[0].relu(),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda a, k, n: a[0].sigmoid(),
    "Slice": _slice,
    "Softmax": lambda a, k, n: a[0].softmax(k.get("axis", -1)),
    "Split": _split,
    "Sub": lambda a, k, n: a[0] - a[1],
    "Transpose": lambda a, k, n: a[0].permute(*k["perm"]),
}
