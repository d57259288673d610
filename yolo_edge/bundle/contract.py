"""The decode contract: what goes into a model and what its output means, for people who write their own decoder.

It is written into every ``manifest.json``; ``docs/format.md`` explains it in prose.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from yolo_edge.pose.decode import CONFIDENCE, IOU
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import PADDING_GREY

PAD_VALUE = PADDING_GREY / 255
"""Grey of the letterbox border, 0-1."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputContract(_Section):
    """What goes in: one letterboxed RGB image, values 0-1."""

    name: str
    shape: tuple[int, int, int, int]
    dtype: Literal["float32"] = "float32"
    layout: Literal["NHWC"] = "NHWC"
    colour: Literal["RGB"] = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    resize: Literal["letterbox-centred-bilinear"] = "letterbox-centred-bilinear"
    pad_value: float = PAD_VALUE


class OutputContract(_Section):
    """What comes out. Ranges are half-open index ranges along the axis that holds a detection's values."""

    name: str
    shape: tuple[int, int, int]
    dtype: Literal["float32"] = "float32"
    layout: Literal["raw", "end2end"]
    value_axis: Literal[1, 2]
    box: tuple[int, int]
    box_format: Literal["centre-xywh", "corners-xyxy"]
    scores: tuple[int, int]
    class_index: int | None
    keypoints: tuple[int, int]
    keypoint_values: tuple[str, ...]
    coordinates: Literal["input-pixels"] = "input-pixels"
    needs_nms: bool
    confidence: float = CONFIDENCE
    iou: float = IOU


class DecodeContract(_Section):
    """Input and output of a model."""

    input: InputContract
    output: OutputContract


def make_contract(head: PoseHead, output_name: str) -> DecodeContract:
    """Write down what a pose head's input and output mean.

    Args:
        head: the head, read from the ONNX graph.
        output_name: signature key of the graph model's output.
    """
    values = head.keypoint_count * head.keypoint_dimensions
    is_raw = head.layout == "raw"
    first_keypoint = 4 + len(head.classes) if is_raw else 6
    output = OutputContract(
        name=output_name,
        shape=head.output_shape,
        layout=head.layout,
        value_axis=1 if is_raw else 2,
        box=(0, 4),
        box_format="centre-xywh" if is_raw else "corners-xyxy",
        scores=(4, first_keypoint if is_raw else 5),
        class_index=None if is_raw else 5,
        keypoints=(first_keypoint, first_keypoint + values),
        keypoint_values=("x", "y", "visibility")[: head.keypoint_dimensions],
        needs_nms=is_raw,
    )
    return DecodeContract(input=InputContract(name="images", shape=head.input_shape), output=output)
