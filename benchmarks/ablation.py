"""What each part of the quantization earns: ``python -m benchmarks.ablation --photos FOLDER --calibration FOLDER``.

Every row quantizes yolo11n-pose at 640 px with one part changed, to one entropy of the kernels (1.25 MB), and runs the
decoded weights by onnxruntime on the photos, on their mirror images and on two crops of each: no labels are needed.
*OKS*: mean similarity to the float model's persons of score 0.5 and above. *Harm*: mean squared displacement of all
detections in units of ``yolo_edge/quantization/harm.py``, each capped at 0.02, in 1e-4: the steadiest of the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

import yolo_edge
from yolo_edge.console import TerminalReporter, reporting_to, say
from yolo_edge.pose.decode import detect
from yolo_edge.pose.head import PoseHead, read_head
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import Letterbox, letterbox
from yolo_edge.quantization import allocation, calibration, codes, feedback, mosaic, rounding
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.quantization.harm import harm_scale
from yolo_edge.quantization.scheme import QuantizationRequest, find_scheme
from yolo_edge.validation.agreement import measure_agreement

TARGET = 1_250_000
CAP = 0.02
SCORE = 0.25


class Bench:
    """The float model's outputs on all views of the photos."""

    def __init__(self, model: onnx.ModelProto, head: PoseHead, photos: Path) -> None:
        self.model, self.head = model, head
        self.inputs: list[tuple[np.ndarray, Letterbox]] = []
        for path in sorted(photos.iterdir()):
            for view in views(read_image(path)):
                image, geometry = letterbox(np.ascontiguousarray(view), head.image_size)
                self.inputs.append((np.ascontiguousarray(image.transpose(0, 3, 1, 2)), geometry))
        outputs = self.run(model)
        kept = [index for index, output in enumerate(outputs) if output[0, 4].max() >= SCORE]
        self.inputs = [self.inputs[index] for index in kept]
        self.reference = [outputs[index] for index in kept]
        self.persons = self.decoded(self.reference)

    def run(self, model: onnx.ModelProto) -> list[np.ndarray]:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return [session.run(None, {name: image})[0] for image, _ in self.inputs]

    def decoded(self, outputs: list[np.ndarray]) -> dict[int, Any]:
        pairs = zip(outputs, self.inputs, strict=True)
        return {index: detect(output, self.head, item[1], 0.001, 0.7) for index, (output, item) in enumerate(pairs)}

    def row(self, name: str, encodings: Any) -> str:
        outputs = self.run(decoded_model(self.model, encodings))
        agreement = measure_agreement(self.persons, self.decoded(outputs))
        harm = 1e4 * np.concatenate(list(map(self._harm, outputs, self.reference))).mean()
        return f"| {name} | {agreement.similarity.value:.4f} | {agreement.seen_similarity.value:.4f} | {harm:.1f} |"

    def _harm(self, output: np.ndarray, reference: np.ndarray) -> np.ndarray:
        anchors, scale = harm_scale(torch.from_numpy(reference[0]), self.head)
        chosen, factors = anchors.numpy(), scale.numpy() * len(anchors) ** 0.5
        harm = np.square((output[0][:, chosen] - reference[0][:, chosen]) * factors).sum(axis=0)
        return np.minimum(harm[reference[0][4, chosen] >= SCORE], CAP)


def views(image: np.ndarray) -> Iterator[np.ndarray]:
    height, width = image.shape[:2]
    yield image
    yield image[:, ::-1]
    yield image[int(0.1 * height) : int(0.8 * height), int(0.15 * width) : int(0.85 * width)]
    yield image[int(0.25 * height) :, ::-1][:, : int(0.75 * width)]


@contextmanager
def changed(module: Any, **values: Any) -> Iterator[None]:
    """Set constants of a module for a while."""
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def rounded(model: onnx.ModelProto, request: QuantizationRequest, *, per_tensor: bool = False) -> Any:
    """Quantize to the entropy target."""
    known = feedback.calibrated("rd", model, request)

    def steps(base: float) -> allocation.Steps:
        if per_tensor:
            nothing = dict.fromkeys(known.kernels, 0.0)
            return allocation.tensor_steps(known.kernels, known.feedbacks, base, nothing, allocation._COARSEST)
        return allocation.channel_steps(known.kernels, known.feedbacks, base)

    base = allocation.base_for_entropy(known.kernels, steps, TARGET)
    return feedback.feedback_codes(known, steps(base))


def rows(model: onnx.ModelProto, request: QuantizationRequest) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name of a row → what quantizes it; consumed one by one, so that each change ends with its row."""
    off = 1e9  # so much damping leaves no feedback
    yield "all parts", lambda: rounded(model, request)
    yield "one step a tensor", lambda: rounded(model, request, per_tensor=True)
    for name, module, values in (
        ("no feedback between rows", rounding, {"ROW_DAMPING": off}),
        ("no feedback at all", rounding, {"ROW_DAMPING": off, "COLUMN_DAMPING": off}),
        ("one rounding followed, not four", rounding, {"SURVIVORS": 1}),
        ("row damping 0.03", rounding, {"ROW_DAMPING": 0.03}),
        ("steps ∝ s^-0.5", allocation, {"_EXPONENT": 0.5}),
        ("steps ∝ s^-0.3", allocation, {"_EXPONENT": 0.3}),
        ("same step everywhere, in rms", allocation, {"_FINEST": 1.0, "_COARSEST": 1.0}),
        ("steps up to 0.5 rms", allocation, {"_COARSEST": 0.5}),
        ("whole photos, no mosaics", mosaic, {"_TILES_SHARE": (1.0, 0.0, 0.0, 0.0)}),
        ("inputs weighed by their harm", calibration, {"_weight": lambda passed: 1.0}),
        ("half the inputs", calibration, {}),
    ):
        version = {"_VERSION": f"ablation {name}"} if values and module in (mosaic, calibration) else {}
        asked = request
        if not values:
            asked = replace(request, samples=request.samples // 2)
        with changed(module, **values), changed(calibration, **version):
            yield name, lambda asked=asked: rounded(model, asked)
    yield "int4", lambda: find_scheme("int4").encode(model, request).encodings
    with changed(codes, NIBBLE_CURVE=0.0):
        yield "int4, equal levels", lambda: find_scheme("int4").encode(model, request).encodings


def main(photos: Path, source: str) -> None:
    with TemporaryDirectory() as scratch:
        yolo_edge.convert("yolo11n-pose", Path(scratch) / "float", onnx="keep")
        model = onnx.load(Path(scratch) / "float" / "model.onnx")
    head = read_head(model, "float32")
    bench = Bench(model, head, photos)
    print("| what | mean OKS | of seen keypoints | harm |\n|---|---|---|---|")
    for name, quantized in rows(model, QuantizationRequest(head=head, calibration=source)):
        say(name)
        print(bench.row(name, quantized()), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos to measure on")
    parser.add_argument("--calibration", required=True, help="folder of other photos, to calibrate on")
    arguments = parser.parse_args()
    with reporting_to(TerminalReporter()):
        main(arguments.photos, arguments.calibration)
