"""How much a change of the output hurts a pose: the scale on which weight errors are compared.

The harm of a small displacement ``d`` of keypoint ``k`` is the second order term of what it takes from the object
keypoint similarity, ``1 − exp(−d² / (2·A·(2σ_k)²)) ≈ d² / (2·A·(2σ_k)²)``, with ``A`` the person's area, 0.53 of
the box as ultralytics takes it (``ultralytics/models/yolo/pose/val.py``), and COCO's ``σ_k``
(https://cocodataset.org/#keypoints-eval). Boxes and scores are weighted so that a tenth of the box size, a change of
the score's logit by 0.25, and a similarity loss of 0.0025 hurt alike: boxes decide which person a suppression keeps,
scores whether a person is seen at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from yolo_edge.pose.head import PoseHead
from yolo_edge.pose.oks import AREA_OF_BOX, keypoint_sigmas

_BOX_WEIGHT = 0.5
_LOGIT_WEIGHT = 0.2
_VISIBILITY_WEIGHT = 0.05
_LOWEST_SCORE = 0.05
_FEWEST_ANCHORS = 32


def harm_scale(output: Any, head: PoseHead) -> tuple[Any, Any]:
    """Choose the anchors that matter, and the factor that turns each of their outputs into root harm.

    Args:
        output: float32 ``[4+nc+K·D, N]``, the float model's raw output for one photo.
        head: its meaning.

    Returns:
        Anchor indices ``[n]`` (scores above 0.05, and at least the best 32), and factors ``[4+nc+K·D, n]``.
    """
    import torch

    classes = len(head.classes)
    best = output[4 : 4 + classes].amax(0)
    count = max(int((best > _LOWEST_SCORE).sum()), min(_FEWEST_ANCHORS, best.numel()))
    anchors = best.topk(count).indices
    chosen = output[:, anchors]
    width, height, scores = chosen[2].clamp(min=1), chosen[3].clamp(min=1), chosen[4 : 4 + classes]
    scale = torch.zeros_like(chosen)
    scale[:4] = _BOX_WEIGHT / (width * height).sqrt()
    scale[4 : 4 + classes] = _LOGIT_WEIGHT / (scores * (1 - scores)).clamp(min=1e-3)
    scale[4 + classes :] = _keypoint_scale(chosen[4 + classes :], head, width * height * AREA_OF_BOX)
    return anchors, scale * best[anchors].sqrt() / count**0.5


def _keypoint_scale(values: Any, head: PoseHead, area: Any) -> Any:
    import torch

    count, dimensions = head.keypoint_count, head.keypoint_dimensions
    sigmas = keypoint_sigmas(count).astype(np.float32)
    scale = torch.full((count, dimensions, values.shape[1]), _VISIBILITY_WEIGHT)
    root_harm = 1 / ((2 * area).sqrt() * 2 * torch.from_numpy(sigmas)[:, None] * count**0.5)
    if dimensions == 3:
        visibility = values.reshape(count, 3, -1)[:, 2]
        root_harm = root_harm * (0.1 + 0.9 * visibility).sqrt()
    scale[:, :2] = root_harm[:, None]
    return scale.reshape(count * dimensions, -1)
