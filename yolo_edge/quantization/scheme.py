"""Quantization schemes by name, and what the names mean.

=========  ==========================================================================================================
name       what a convolution kernel becomes
=========  ==========================================================================================================
float32    stays as it is
float16    IEEE half precision; half the bytes, no loss that a keypoint shows
int8       one code a weight with one scale a tensor, in the stock TF.js weights manifest; a quarter of the bytes.
           Rounded by error feedback; the most sensitive layers have 16 bits a code
int4       at most 16 levels an output channel, two codes a byte, sensitive layers at 8 bits; decoded once when the
           model first runs. An eighth of the bytes, also where nothing compresses them
rd         rate-distortion: codes whose step per output channel is chosen by sensitivity, so that the compressed model
           meets a byte budget with the least harm; decoded once when the model first runs
=========  ==========================================================================================================

Biases are half floats with int8, int4 and rd; other constants keep every bit: quantizing them costs pixels and saves
little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.errors import UsageError
from yolo_edge.quantization.codes import Encodings
from yolo_edge.quantization.photos import DEFAULT_SAMPLES
from yolo_edge.quantization.plan import Plan

if TYPE_CHECKING:
    import onnx

    from yolo_edge.pose.head import PoseHead

_MODULES = {
    "float32": "yolo_edge.quantization.schemes.float32",
    "float16": "yolo_edge.quantization.schemes.float16",
    "int8": "yolo_edge.quantization.schemes.int8",
    "int4": "yolo_edge.quantization.schemes.int4",
    "rd": "yolo_edge.quantization.schemes.rd",
}

SCHEME_NAMES = tuple(_MODULES)
BUILTIN_PHOTOS = "builtin"
"""What ``--calibration`` takes for the photos that the installed packages ship: the default."""

NO_PHOTOS = "none"
"""What ``--calibration`` takes for ``int8`` to round to nearest."""


@dataclass(frozen=True)
class QuantizationRequest:
    """What a scheme is asked for, beyond the model.

    Attributes:
        head: what the model's output means; calibration needs it.
        calibration: photos (folder, COCO json, Ultralytics yaml), ``"builtin"`` (also None), or ``"none"``.
        samples: how many inputs to compose of the photos, and the most photos to read.
        seed: of the choice of photos and of the method.
        max_bytes: budget on the wire for the whole model; ``rd`` alone has one.
        plan: decisions to repeat in place of a search.
        measure: encodings → bytes on the wire of the whole model; a search for a budget needs it.
    """

    head: PoseHead | None = None
    calibration: str | Path | None = None
    samples: int = DEFAULT_SAMPLES
    seed: int = 0
    max_bytes: int | None = None
    plan: Plan | None = None
    measure: Callable[[Encodings], int] | None = None


@dataclass(frozen=True)
class Quantized:
    """What a scheme made.

    Attributes:
        encodings: quantized form of each initializer it changed.
        plan: its decisions, where it made any.
    """

    encodings: Encodings
    plan: Plan | None = None


@dataclass(frozen=True)
class Scheme:
    """A way to quantize the weights of a model.

    Attributes:
        name: what ``--quantize`` takes.
        encode: ONNX model and request → quantized weights.
        options: which of ``calibration``, ``max_bytes`` and ``plan`` it understands.
        is_packed: whether its kernels are decoded by an initializer graph, which only the direct engine writes.
        rounds_to_nearest: whether it can do so where there are no photos (``--calibration none``).
    """

    name: str
    encode: Callable[[onnx.ModelProto, QuantizationRequest], Quantized]
    options: frozenset[str] = frozenset()
    is_packed: bool = False
    rounds_to_nearest: bool = False

    @property
    def needs_photos(self) -> bool:
        """Whether nothing can be made without calibration."""
        return "calibration" in self.options and not self.rounds_to_nearest


def find_scheme(name: str) -> Scheme:
    """Return the scheme of a name.

    Raises:
        UsageError: there is no such scheme.
    """
    if name not in _MODULES:
        raise UsageError(f"There is no quantization scheme {name!r}.", fix=f"Choose one of {', '.join(SCHEME_NAMES)}.")
    scheme: Scheme = import_module(_MODULES[name]).SCHEME
    return scheme


def check_request(scheme: Scheme, request: QuantizationRequest, bits: float | None = None) -> None:
    """Refuse options that a scheme does not understand, or that contradict each other.

    Args:
        scheme: the scheme that was asked for.
        request: the options.
        bits: the budget as bits a parameter, if it was given so.

    Raises:
        UsageError: an option was given that would be ignored.
    """
    budgets = [request.max_bytes is not None, bits is not None, request.plan is not None]
    given = {"calibration": request.calibration is not None, "max_bytes": any(budgets[:2]), "plan": budgets[2]}
    for option, is_given in given.items():
        if is_given and option not in scheme.options:
            flag = {"max_bytes": "--max-bytes or --bits"}.get(option, f"--{option}")
            raise UsageError(f"--quantize {scheme.name} takes no {flag}.", fix="Leave it out, or use another scheme.")
    if sum(budgets) > 1:
        raise UsageError("--max-bytes, --bits and --plan each decide the size.", fix="Give one of them.")
    if request.calibration == NO_PHOTOS and scheme.needs_photos:
        raise UsageError(f"--quantize {scheme.name} needs photos.", fix="Leave --calibration none out.")
    if "max_bytes" in scheme.options and not any(budgets):
        raise UsageError(
            f"--quantize {scheme.name} needs a budget.", fix="Give --max-bytes 1.4MB, --bits 4, or --plan FILE."
        )
