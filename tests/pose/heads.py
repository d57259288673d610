"""Small pose heads and synthetic outputs."""

import numpy as np

from yolo_edge.pose.head import PoseHead, anchor_count
from yolo_edge.pose.skeleton import bones, keypoint_names

STRIDES = (8, 16, 32)


def make_head(layout="raw", image_size=(64, 96), classes=("person",), keypoints=17, dimensions=3):
    values = keypoints * dimensions
    anchors = anchor_count(image_size, STRIDES)
    shape = (1, 4 + len(classes) + values, anchors) if layout == "raw" else (1, 300, 6 + values)
    return PoseHead(
        family="26",
        layout=layout,
        image_size=image_size,
        classes=tuple(classes),
        keypoint_count=keypoints,
        keypoint_dimensions=dimensions,
        keypoint_names=keypoint_names(keypoints),
        skeleton=bones(keypoints),
        strides=STRIDES,
        output_shape=shape,
        licence="AGPL-3.0",
    )


def random_raw(head, rng):
    """A raw output whose boxes are small, of distinct scores, and inside the input."""
    height, width = head.image_size
    anchors = head.output_shape[2]
    output = np.zeros(head.output_shape, np.float32)
    nc = len(head.classes)
    output[0, 0] = rng.uniform(0, width, anchors)
    output[0, 1] = rng.uniform(0, height, anchors)
    output[0, 2:4] = rng.uniform(2, 20, (2, anchors))
    output[0, 4 : 4 + nc] = rng.permutation(nc * anchors).reshape(nc, anchors) / (nc * anchors)
    points = output[0, 4 + nc :].reshape(head.keypoint_count, head.keypoint_dimensions, anchors)
    points[:, 0] = rng.uniform(0, width, points[:, 0].shape)
    points[:, 1] = rng.uniform(0, height, points[:, 0].shape)
    if head.keypoint_dimensions == 3:
        points[:, 2] = rng.uniform(0, 1, points[:, 0].shape)
    return output
