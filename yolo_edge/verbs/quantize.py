"""``quantize``: weights → a directory with quantized weights; ``convert`` with a scheme that quantizes."""

from __future__ import annotations

from pathlib import Path

from yolo_edge.errors import UsageError
from yolo_edge.quantization.photos import DEFAULT_SAMPLES
from yolo_edge.verbs.convert import Conversion, convert

_CALIBRATED = ("int8", "int4", "rd")


def quantize(
    source: str | Path,
    output: str | Path,
    *,
    quantize: str = "int8",
    calibration: str | Path | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    max_bytes: str | int | None = None,
    bits: float | None = None,
    plan: str | Path | None = None,
    sensitivity: bool = False,
    imgsz: str | int | None = None,
    aspect: str | None = None,
    name: str | None = None,
    trust: bool = False,
    force: bool = False,
) -> Conversion:
    """Quantize YOLO pose weights and write them as a TensorFlow.js graph model.

    Args:
        source: an ``.onnx`` or ``.pt`` file, or a catalogue name.
        output: the directory to make.
        quantize: ``int8``, ``int4`` or ``rd``.
        calibration: photos, see :func:`yolo_edge.verbs.convert.convert`.
        samples: how many calibration inputs to compose of the photos, and the most photos to read.
        seed: of the choice of photos and of the calibration.
        max_bytes: ``rd``: budget on the wire for the whole model, ``"1.4MB"`` or bytes.
        bits: ``rd``: the same as bits on the wire a parameter.
        plan: a ``quantization.yaml`` to repeat, or the directory that holds it.
        sensitivity: measure what each layer's rounding costs; writes a table and a chart.
        imgsz: input size in pixels of a checkpoint, see :func:`yolo_edge.verbs.convert.convert`.
        aspect: with ``imgsz="auto"``: the shape of the camera's picture.
        name: name of the model in the manifest; the source's stem by default.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace an existing output directory that yolo-edge made.

    Raises:
        UsageError: an option is wrong.
        InputError: the source, the photos or the output cannot be used; or the budget cannot be met.
    """
    if quantize not in _CALIBRATED:
        raise UsageError(
            f"--quantize {quantize} is no scheme of integer codes.",
            fix=f"Choose one of {', '.join(_CALIBRATED)}, or use yolo-edge convert.",
        )
    return convert(
        source,
        output,
        imgsz=imgsz,
        aspect=aspect,
        quantize=quantize,
        name=name,
        trust=trust,
        force=force,
        calibration=calibration,
        samples=samples,
        seed=seed,
        max_bytes=max_bytes,
        bits=bits,
        plan=plan,
        sensitivity=sensitivity,
    )
