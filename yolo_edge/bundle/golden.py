"""Golden vectors, ``golden.json``: what a model must answer on two test cards, for a check wherever it runs.

Hashes prove that the files arrived; golden vectors prove that what runs them computes the right thing. For each card
of :mod:`yolo_edge.bundle.testcard` the file holds a slice of two outputs: that of the float model, and that of the
model with the shipped weights as they decode. Both are computed by onnxruntime. A runtime is held to the second; the
first shows what quantization did to it.

A slice has the detections at ``indices``: anchors of a raw output, rows of an end-to-end one.

* Raw: the 12 anchors of the highest score in the float model's output, and 12 evenly spread.
* End-to-end: rows are ordered by score, so a difference in the last bits swaps rows whose scores are close. The score
  column itself, sorted, does not care. The rows of the highest score are compared whole where their score is at least
  :data:`ROBUST_GAP` away from those of both neighbours; of other rows, listed in ``scores_only``, the score alone is.
  The rows of the float model's output are other detections, so there is no ``float``.

The last bits of the values depend on the processor that onnxruntime ran on.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from yolo_edge.bundle.contract import DecodeContract, OutputContract
from yolo_edge.bundle.manifest import Manifest
from yolo_edge.bundle.testcard import CARDS, TestCard
from yolo_edge.errors import ModelError, first_line
from yolo_edge.quantization.codes import Encodings
from yolo_edge.quantization.decoded import decoded_model
from yolo_edge.schema import validated

if TYPE_CHECKING:
    import onnx

GOLDEN_FILE = "golden.json"
GOLDEN_VERSION = 1

ROBUST_GAP = 1e-3
"""Least distance in score between rows of an end-to-end output whose order no runtime changes: ten tolerances."""

_BEST = 12
_SPREAD = 12
_SHAKE = 3e-7
"""Noise on an input of 0-1 that moves outputs as far as another order of sums does: measured on genuine and untrained
nets, where TF.js in Node was apart by 0.25 to 15 times of what the noise did."""

_MARGIN = 20
"""Tolerance over what the noise does, where that is more than the least tolerance."""

_FATAL_ONLY = 4  # ONNX Runtime's log severity: its warnings about the machine are of no use to our readers

Array = npt.NDArray[np.float32]


class Tolerances(BaseModel):
    """Largest difference that is rounding, by quantity.

    The defaults are the least. TF.js in Node, on wasm and on WebGL stays far below them with genuine weights (0.001 px,
    2e-5, 5e-6). Untrained nets amplify rounding: they get twenty times what noise of :data:`_SHAKE` does to them.

    Attributes:
        boxes: input pixels.
        keypoints: x and y, input pixels.
        scores: 0-1.
        visibility: 0-1.
        class_index: of an end-to-end output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    boxes: float = 0.05
    keypoints: float = 0.05
    scores: float = 1e-4
    visibility: float = 1e-4
    class_index: float = 0.0


class GoldenVector(BaseModel):
    """What a model answers on one card.

    Attributes:
        card: the input.
        indices: anchors or rows of the output, rising.
        scores_only: those of them of which only the score is comparable.
        unquantized: ``float`` in the file: the float model's values; None for an end-to-end output.
        expected: the values of the shipped weights.

    Values are base64 of little-endian float32, all values of the first index, then all of the second, and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: TestCard
    indices: Annotated[tuple[int, ...], Field(min_length=1, max_length=1000)]
    scores_only: tuple[int, ...] = ()
    unquantized: str | None = Field(alias="float")
    expected: str

    @cached_property
    def expected_values(self) -> Array:
        """The expected slice, float32 ``[indices, C]``."""
        return self._decoded(self.expected)

    @cached_property
    def float_values(self) -> Array | None:
        """The float model's slice, float32 ``[indices, C]``."""
        return None if self.unquantized is None else self._decoded(self.unquantized)

    def _decoded(self, text: str) -> Array:
        data = base64.b64decode(text, validate=True)
        return np.frombuffer(data, "<f4").astype(np.float32).reshape(len(self.indices), -1)


class Golden(BaseModel):
    """The whole document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = GOLDEN_VERSION
    tolerances: Tolerances = Tolerances()
    vectors: Annotated[tuple[GoldenVector, ...], Field(min_length=1, max_length=16)]


@dataclass(frozen=True)
class Difference:
    """The largest difference of one quantity over all cards.

    Attributes:
        quantity: a field of :class:`Tolerances`.
        worst: the difference; infinite where an answer is no number or has another shape.
        tolerance: what is allowed.
        card: index of the card where it was met.
        detection: anchor or row of the output.
        value: index among the values of that detection.
    """

    quantity: str
    worst: float
    tolerance: float
    card: int
    detection: int
    value: int

    @property
    def passed(self) -> bool:
        """Tell whether it is within the tolerance."""
        return self.worst <= self.tolerance


def make_golden(model: onnx.ModelProto, shipped: Encodings, contract: DecodeContract) -> Golden:
    """Run a model, and what its shipped weights decode to, on the cards.

    Args:
        model: the float model.
        shipped: the quantized weights that the graph model really holds.
        contract: of the graph model.

    Raises:
        ModelError: onnxruntime cannot run it, or it answers NaN or infinity.
    """
    height, width = contract.input.shape[1:3]
    images = [card.images((height, width)) for card in CARDS]
    decoded = decoded_model(model, shipped) if shipped else model
    *expected, shaken = _outputs(decoded, [*images, _shaken(images[0])])
    exact = _outputs(model, images) if shipped else expected
    answers = zip(CARDS, exact, expected, strict=True)
    vectors = tuple(_vector(card, one, other, contract.output) for card, one, other in answers)
    return Golden(tolerances=_tolerances(vectors[0], shaken, contract.output), vectors=vectors)


def write_golden(golden: Golden, directory: Path) -> None:
    """Write ``golden.json`` into a directory."""
    document = golden.model_dump(mode="json", by_alias=True)
    (directory / GOLDEN_FILE).write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def read_golden(directory: Path, manifest: Manifest) -> Golden | None:
    """Read the golden vectors of a directory whose files are those of its manifest.

    Returns:
        The vectors, or None where the manifest lists none, as those made before there were golden vectors.

    Raises:
        ModelError: the file is damaged, of a newer schema, or does not fit the contract.
    """
    if GOLDEN_FILE not in manifest.files:
        return None
    path = directory / GOLDEN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", fix="Convert the weights again.") from error
    golden = validated(Golden, document, path, newest=GOLDEN_VERSION, fix="Convert the weights again.")
    _check_fit(golden, manifest.contract.output, path)
    return golden


def worst_differences(
    golden: Golden, outputs: list[npt.NDArray[np.float32]], contract: OutputContract
) -> tuple[Difference, ...]:
    """Compare what a runtime answered on the cards with the expected slices.

    Args:
        golden: the vectors.
        outputs: one output tensor a vector.
        contract: which values of a detection are what.

    Returns:
        One entry a quantity that the output has, in the order of :class:`Tolerances`.
    """
    columns = np.array(_quantities(contract))
    worst: dict[str, Difference] = {}
    for number, (vector, output) in enumerate(zip(golden.vectors, outputs, strict=True)):
        apart = _apart(vector, output, contract)
        apart[np.ix_(np.isin(vector.indices, vector.scores_only), columns != "scores")] = 0
        for quantity, tolerance in golden.tolerances.model_dump().items():
            chosen = np.flatnonzero(columns == quantity)
            if not len(chosen):
                continue
            row, column = np.unravel_index(np.argmax(apart[:, chosen]), (len(apart), len(chosen)))
            value = float(apart[row, chosen[column]])
            if quantity not in worst or value > worst[quantity].worst:
                place = number, vector.indices[row], int(chosen[column])
                worst[quantity] = Difference(quantity, value, tolerance, *place)
    return tuple(worst.values())


def _outputs(model: onnx.ModelProto, images: list[Array]) -> list[Array]:
    """Run a model with one thread: sums then have one order, and no processor time is spent on waiting."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # they take 25 MB and save no time in two runs
    name = model.graph.input[0].name
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = [session.run(None, {name: np.ascontiguousarray(image.transpose(0, 3, 1, 2))})[0] for image in images]
    except Exception as error:  # its exceptions share no base class
        raise ModelError(
            f"ONNX Runtime cannot run the model for its golden vectors: {first_line(error)}",
            fix="Export the model again.",
        ) from error
    if not all(np.isfinite(output).all() for output in outputs):
        raise ModelError(
            "The model answers NaN or infinity on a test card.", fix="Check the weights: training may have diverged."
        )
    return outputs


def _shaken(images: Array) -> Array:
    """Return an input with noise of the size of rounding."""
    noise = np.random.default_rng(0).uniform(-_SHAKE, _SHAKE, images.shape)
    return (images + noise).astype(np.float32)


def _tolerances(vector: GoldenVector, shaken: Array, contract: OutputContract) -> Tolerances:
    """Widen the tolerances for a net that turns rounding of its input into more than they allow."""
    least = Tolerances()
    moved = worst_differences(Golden(tolerances=least, vectors=(vector,)), [shaken], contract)
    wider = {
        difference.quantity: float(f"{_MARGIN * difference.worst:.1g}")
        for difference in moved
        if difference.tolerance and _MARGIN * difference.worst > difference.tolerance
    }
    return least.model_copy(update=wider)


def _vector(card: TestCard, exact: Array, expected: Array, contract: OutputContract) -> GoldenVector:
    by_detection = _by_detection(exact, contract)
    shipped = _by_detection(expected, contract)
    is_raw = contract.layout == "raw"
    best = by_detection if is_raw else shipped
    scores = best[:, slice(*contract.scores)].max(axis=1)
    count = len(scores)
    spread = [(2 * step + 1) * count // (2 * _SPREAD) for step in range(_SPREAD)]
    robust = np.arange(count) if is_raw else _robust_rows(scores)
    highest = robust[np.argsort(-scores[robust], kind="stable")][:_BEST]
    indices = sorted({*map(int, highest), *spread})
    return GoldenVector(
        card=card,
        indices=tuple(indices),
        scores_only=() if is_raw else tuple(index for index in indices if index not in highest),
        float=_encoded(by_detection[indices]) if is_raw else None,
        expected=_encoded(shipped[indices]),
    )


def _robust_rows(scores: Array) -> npt.NDArray[np.intp]:
    """Rows of falling scores whose place in the order is certain."""
    gaps = np.concatenate([[np.inf], -np.diff(scores.astype(np.float64)), [0.0]])
    return np.flatnonzero(np.minimum(gaps[:-1], gaps[1:]) >= ROBUST_GAP)


def _encoded(values: Array) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _by_detection(output: Array, contract: OutputContract) -> Array:
    """Return an output as ``[detections, values]``."""
    detections: Array = output[0]
    return detections.T if contract.value_axis == 1 else detections


def _quantities(contract: OutputContract) -> list[str]:
    """Name the quantity of each value of a detection."""
    names = [""] * contract.shape[contract.value_axis]
    for index in range(*contract.box):
        names[index] = "boxes"
    for index in range(*contract.scores):
        names[index] = "scores"
    if contract.class_index is not None:
        names[contract.class_index] = "class_index"
    for index in range(*contract.keypoints):
        kind = contract.keypoint_values[(index - contract.keypoints[0]) % len(contract.keypoint_values)]
        names[index] = "visibility" if kind == "visibility" else "keypoints"
    return names


def _apart(vector: GoldenVector, output: Array, contract: OutputContract) -> npt.NDArray[np.float64]:
    """Absolute differences ``[indices, values]``, infinite where the answer is no number or has another shape."""
    expected = vector.expected_values.astype(np.float64)
    if output.shape != contract.shape:
        return np.full(expected.shape, np.inf)
    apart = np.abs(_by_detection(output, contract)[list(vector.indices)] - expected)
    return np.where(np.isfinite(apart), apart, np.inf)


def _check_fit(golden: Golden, contract: OutputContract, path: Path) -> None:
    """Refuse vectors of another model than the manifest describes."""
    values = contract.shape[contract.value_axis]
    detections = contract.shape[3 - contract.value_axis]
    for vector in golden.vectors:
        fits = all(0 <= index < detections for index in vector.indices)
        for text in (vector.expected, vector.unquantized):
            fits = fits and (text is None or _is_slice(text, len(vector.indices) * values))
        if not fits:
            raise ModelError(
                f"{path} does not fit the model: its slices are not of {detections} detections of {values} values.",
                fix="Convert the weights again.",
            )


def _is_slice(text: str, count: int) -> bool:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(data) == 4 * count and bool(np.isfinite(np.frombuffer(data, "<f4")).all())
