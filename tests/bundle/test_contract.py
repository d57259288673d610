"""The decode contract: with its numbers alone, a stranger cuts the output into the right pieces."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from yolo_edge.bundle.contract import DecodeContract, make_contract
from yolo_edge.pose.decode import CONFIDENCE, IOU
from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.letterbox import letterbox


def head_of(layout: str, *, classes: int = 1, keypoints: tuple[int, int] = (17, 3)) -> PoseHead:
    count, dimensions = keypoints
    values = count * dimensions
    return PoseHead(
        family="26" if layout == "end2end" else "v11",
        layout=layout,
        image_size=(480, 640),
        classes=tuple(f"class {index}" for index in range(classes)),
        keypoint_count=count,
        keypoint_dimensions=dimensions,
        keypoint_names=tuple(str(index) for index in range(count)),
        skeleton=(),
        strides=(8, 16, 32),
        output_shape=(1, 4 + classes + values, 6300) if layout == "raw" else (1, 300, 6 + values),
        licence="AGPL-3.0",
    )


@pytest.mark.parametrize("layout", ["raw", "end2end"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("keypoints", [(17, 3), (21, 2)])
def test_ranges_tile_the_output(layout, classes, keypoints):
    head = head_of(layout, classes=classes, keypoints=keypoints)
    output = make_contract(head, "output0").output
    covered = [*range(*output.box), *range(*output.scores)]
    covered += [] if output.class_index is None else [output.class_index]
    covered += range(*output.keypoints)
    assert covered == list(range(output.shape[output.value_axis])), "every value once, in order"
    assert len(output.keypoint_values) == keypoints[1]
    assert output.keypoints[1] - output.keypoints[0] == keypoints[0] * keypoints[1]


def test_raw_layout():
    contract = make_contract(head_of("raw", classes=3), "output0")
    output = contract.output
    assert (output.name, output.shape, output.value_axis) == ("output0", (1, 58, 6300), 1)
    assert (output.box_format, output.scores, output.class_index) == ("centre-xywh", (4, 7), None)
    assert (output.keypoints, output.keypoint_values) == ((7, 58), ("x", "y", "visibility"))
    assert output.needs_nms and (output.confidence, output.iou) == (CONFIDENCE, IOU)


def test_end_to_end_layout():
    output = make_contract(head_of("end2end", classes=3, keypoints=(21, 2)), "output0").output
    assert (output.shape, output.value_axis) == ((1, 300, 48), 2)
    assert (output.box_format, output.scores, output.class_index) == ("corners-xyxy", (4, 5), 5)
    assert (output.keypoints, output.keypoint_values) == ((6, 48), ("x", "y"))
    assert not output.needs_nms


def test_input_is_what_letterbox_makes():
    contract = make_contract(head_of("raw"), "output0").input
    black = np.zeros((10, 100, 3), np.uint8)
    images, _ = letterbox(black, (480, 640))
    assert (contract.name, contract.shape) == ("images", images.shape)
    assert contract.dtype == str(images.dtype)
    assert images[0, 0, 0].tolist() == pytest.approx([contract.pad_value] * 3)
    assert contract.range == (0.0, 1.0) and contract.layout == "NHWC" and contract.colour == "RGB"


def test_round_trip_and_strictness():
    contract = make_contract(head_of("raw"), "output0")
    assert DecodeContract.model_validate_json(contract.model_dump_json()) == contract
    document = contract.model_dump()
    document["output"]["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        DecodeContract.model_validate(document)
