"""Quantization schemes by name, and what the names mean.

=========  ==========================================================================================================
name       what a convolution kernel becomes
=========  ==========================================================================================================
float32    stays as it is
float16    IEEE half precision; half the bytes, no loss that a keypoint shows
int8       one uint8 code a weight with one scale a tensor, in the stock TF.js weights manifest; a quarter of the bytes
=========  ==========================================================================================================

Biases, anchors and other constants stay float32 in every scheme: quantizing them costs pixels and saves 60 kB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from yolo_edge.errors import UsageError
from yolo_edge.quantization.codes import Encodings

if TYPE_CHECKING:
    import onnx

_MODULES = {
    "float32": "yolo_edge.quantization.schemes.float32",
    "float16": "yolo_edge.quantization.schemes.float16",
    "int8": "yolo_edge.quantization.schemes.int8",
}

SCHEME_NAMES = tuple(_MODULES)


@dataclass(frozen=True)
class Scheme:
    """A way to quantize the weights of a model.

    Attributes:
        name: what ``--quantize`` takes.
        encode: ONNX model → quantized form of each initializer it changes.
    """

    name: str
    encode: Callable[[onnx.ModelProto], Encodings]


def find_scheme(name: str) -> Scheme:
    """Return the scheme of a name.

    Raises:
        UsageError: there is no such scheme.
    """
    if name not in _MODULES:
        raise UsageError(f"There is no quantization scheme {name!r}.", fix=f"Choose one of {', '.join(SCHEME_NAMES)}.")
    scheme: Scheme = import_module(_MODULES[name]).SCHEME
    return scheme
