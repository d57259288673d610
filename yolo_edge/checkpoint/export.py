"""Checkpoint → ONNX: the one stage that needs torch and ultralytics.

The export happens in this process and in memory: nothing is written beside the user's file, nothing is printed, and
the same weights with the same library versions give the same bytes (no date, no path in the metadata).

The switches set on the model are those that ultralytics' own exporter sets (``ultralytics/engine/exporter.py``,
``Exporter.__call__``, version 8.4): fused batch norms, head in export mode, ``C2f`` by split rather than chunk.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.checkpoint.inspect import TASK_OF_HEAD, CheckpointDescription, describe_checked
from yolo_edge.checkpoint.safety import QUIET_SETTINGS, CheckedCheckpoint, examine_checkpoint, load_checked
from yolo_edge.console import say
from yolo_edge.errors import CheckpointError, ModelError, UsageError, first_line
from yolo_edge.files import sha256_of
from yolo_edge.pose.head import PoseHead, anchor_count, given_keypoint_names, read_head
from yolo_edge.pose.skeleton import bones
from yolo_edge.threads import one_thread_an_operation

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""Ultralytics' own choice for torch ≥ 2.4 (``best_onnx_opset``), and what the lowering is tested with."""

_GIVE_POSE = "Give pose weights, for instance yolo11n-pose.pt."
_NO_END2END = "Leave --end2end out; only YOLO26 has one."
_MOST_DETECTIONS = 300  # ultralytics' default max_det, the rows of an end-to-end output


@dataclass(frozen=True)
class Source:
    """Where a model came from.

    Attributes:
        file: file name, without its directory.
        sha256: hex digest of the file.
        bytes: its size.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class ExportedModel:
    """An ONNX pose model of static shape, slimmed.

    Attributes:
        model: input ``images`` ``[1, 3, H, W]`` float32 RGB 0-1, one output.
        head: what its output means.
        source: the file it was made from.
    """

    model: onnx.ModelProto
    head: PoseHead
    source: Source

    def serialized(self) -> bytes:
        """Return the model's bytes, the same for the same model."""
        return bytes(self.model.SerializeToString(deterministic=True))


def export_checkpoint(
    path: Path, image_size: tuple[int, int] = (640, 640), *, end2end: bool = False, trust: bool = False
) -> ExportedModel:
    """Export a YOLO pose checkpoint to ONNX.

    Args:
        path: the ``.pt`` file.
        image_size: input height and width in pixels, multiples of the coarsest stride.
        end2end: export the end-to-end output ``[1, 300, 6+K·D]`` of a YOLO26 model.
        trust: skip the pickle check, for files of one's own.

    Raises:
        CheckpointError: the file is damaged, unsafe, or holds no pose model.
        UsageError: ``end2end`` is asked of a model that has no such head.
    """
    say(f"Exporting {path.name} to ONNX at {image_size[0]}x{image_size[1]} px")
    checked = examine_checkpoint(path, trust=trust)
    module = _load_checked(checked, image_size, end2end=end2end, trust=trust)
    source = Source(path.name, checked.report.sha256, checked.report.size)
    with _quiet():
        model = _to_onnx(module, image_size)
    metadata = {**_metadata(module, image_size, end2end), "source_sha256": source.sha256}
    for key in sorted(metadata):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(metadata[key])
    _check_finite(model, path)
    return ExportedModel(model, read_head(model, path.name), source)


def load_model(
    path: Path, image_size: tuple[int, int] = (640, 640), *, end2end: bool = False, trust: bool = False
) -> Any:
    """Load a checkpoint as a fused ``torch.nn.Module`` whose forward pass gives what the ONNX export gives.

    Returns:
        A module that takes float32 ``[1, 3, H, W]`` and returns the output tensor of :class:`ExportedModel`.

    Raises:
        CheckpointError: the file is damaged, unsafe, or holds no pose model.
        UsageError: ``end2end`` is asked of a model that has no such head.
    """
    return _load_checked(examine_checkpoint(path, trust=trust), image_size, end2end=end2end, trust=trust)


def _load_checked(checked: CheckedCheckpoint, image_size: tuple[int, int], *, end2end: bool, trust: bool) -> Any:
    path = checked.file.path
    if not trust:
        _check_description(describe_checked(checked), path, end2end)
    with _quiet():
        import torch  # noqa: F401  (talks while it loads)
        import ultralytics.nn.tasks  # noqa: F401
    checkpoint = load_checked(checked, trust=trust)
    with _quiet():
        module = _module_of(checkpoint, path)
        module.license = checkpoint.get("license") or "unknown"
        _check_module(module, path, image_size, end2end)
        return _in_export_mode(module, end2end)


def load_onnx(path: Path) -> ExportedModel:
    """Load and slim an ONNX file that ultralytics or yolo-edge exported from a pose model.

    Raises:
        ModelError: it is damaged, of dynamic shape, or not a YOLO pose model.
    """
    import onnx

    source = Source(path.name, sha256_of(path), path.stat().st_size)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise a dozen unrelated types
        raise ModelError(
            f"{path} is not a valid ONNX model: {first_line(error)}.",
            fix="Export or download it again.",
        ) from error
    head = read_head(model, path.name)
    _check_finite(model, path)
    return ExportedModel(_slimmed(model), head, source)


def read_checkpoint_head(path: Path, image_size: tuple[int, int] = (640, 640), *, trust: bool = False) -> PoseHead:
    """Read what a checkpoint's raw output means, without exporting it.

    Args:
        path: the ``.pt`` file.
        image_size: input height and width in pixels that it will be run at.
        trust: skip the pickle check, for files of one's own.

    Raises:
        CheckpointError: the file is damaged, unsafe, or holds no pose model.
    """
    checked = examine_checkpoint(path, trust=trust)
    module = _load_checked(checked, image_size, end2end=False, trust=trust)
    count, dimensions = (int(number) for number in module.model[-1].kpt_shape)
    strides = tuple(int(stride) for stride in module.stride)
    classes = tuple(str(module.names[index]) for index in range(len(module.names)))
    channels = 4 + len(classes) + count * dimensions
    return PoseHead(
        family=describe_checked(checked).family or "unknown",
        layout="raw",
        image_size=image_size,
        classes=classes,
        keypoint_count=count,
        keypoint_dimensions=dimensions,
        keypoint_names=given_keypoint_names(getattr(module, "kpt_names", None), count),
        skeleton=bones(count),
        strides=strides,
        output_shape=(1, channels, anchor_count(image_size, strides)),
        licence=module.license,
    )


def _check_description(description: CheckpointDescription, path: Path, end2end: bool) -> None:
    """Refuse what cannot be exported before torch is imported, which takes seconds."""
    if description.task not in ("unknown", "pose"):
        raise CheckpointError(f"{path} is a YOLO {description.task} model, not a pose model.", fix=_GIVE_POSE)
    if end2end and description.task == "pose" and not description.has_end2end_branch:
        raise UsageError(f"{path} has no end-to-end head.", fix=_NO_END2END)


def _check_finite(model: onnx.ModelProto, path: Path) -> None:
    """Refuse weights that are not numbers: every scheme would ship them, and no keypoint would survive them."""
    import numpy as np
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(
                f"{path} holds NaN or infinity in the weight '{tensor.name}'.",
                fix="The training diverged or the file is damaged: use an earlier checkpoint.",
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch and ultralytics from talking, installing packages, or writing settings into the user's home."""
    with tempfile.TemporaryDirectory(prefix="yolo-edge-") as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = dict(QUIET_SETTINGS)
        if "ultralytics" not in sys.modules:
            settings["YOLO_CONFIG_DIR"] = directory
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        sink = io.StringIO()
        try:
            with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
                yield
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


def _module_of(checkpoint: Any, path: Path) -> Any:
    import torch

    module = (checkpoint.get("ema") or checkpoint.get("model")) if isinstance(checkpoint, dict) else checkpoint
    if not isinstance(module, torch.nn.Module):
        raise CheckpointError(
            f"{path} holds no model (found {type(module).__name__}).",
            fix="Give the .pt that ultralytics saved at the end of training, not a bare state_dict.",
        )
    return module.float().eval()


def _check_module(module: Any, path: Path, image_size: tuple[int, int], end2end: bool) -> None:
    from ultralytics.nn.modules.head import Pose

    head = module.model[-1] if hasattr(module, "model") else None
    if not isinstance(head, Pose):
        task = TASK_OF_HEAD.get(type(head).__name__, type(module).__name__)
        raise CheckpointError(f"{path} is a YOLO {task} model, not a pose model.", fix=_GIVE_POSE)
    coarsest = int(max(module.stride))
    if any(side % coarsest for side in image_size):
        raise CheckpointError(
            f"{path} has a coarsest stride of {coarsest} px, and {image_size[0]}x{image_size[1]} is no multiple of it.",
            fix=f"Give --imgsz as multiples of {coarsest}.",
        )
    if end2end and getattr(head, "one2one_cv2", None) is None:
        raise UsageError(f"{path} has no end-to-end head.", fix=_NO_END2END)


def _in_export_mode(module: Any, end2end: bool) -> Any:
    import torch
    from ultralytics.nn.modules import C2f, Detect

    for parameter in module.parameters():
        parameter.requires_grad = False
    if hasattr(module, "end2end"):
        module.end2end = end2end
    for layer in module.modules():
        if isinstance(layer, torch.nn.Upsample) and not hasattr(layer, "recompute_scale_factor"):
            layer.recompute_scale_factor = None  # checkpoints saved by torch before 1.11 lack it
    module = module.fuse(verbose=False)
    for layer in module.modules():
        if isinstance(layer, Detect):
            layer.export, layer.format, layer.dynamic, layer.shape = True, "onnx", False, None
            layer.max_det = _MOST_DETECTIONS
        elif isinstance(layer, C2f):
            layer.forward = layer.forward_split
    return module


def _to_onnx(module: Any, image_size: tuple[int, int]) -> onnx.ModelProto:
    import onnx
    import torch

    image = torch.zeros(1, 3, *image_size)
    buffer = io.BytesIO()
    with torch.no_grad(), one_thread_an_operation():
        _compute_anchors(module, image_size)
        torch.onnx.export(
            module,
            (image,),
            buffer,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0"],
            dynamo=False,
        )
    return _slimmed(onnx.load_from_string(buffer.getvalue()))


def _compute_anchors(module: Any, image_size: tuple[int, int]) -> None:
    """Run the head once on empty feature maps of the right size, so that the trace meets anchors, not their making.

    A pass through the whole network would do the same in five times the CPU time.
    """
    import torch

    head = module.model[-1]
    branches = head.one2one_cv2 if head.cv2 is None else head.cv2  # fusing an end-to-end head drops the other branch
    (height, width), strides = image_size, [int(stride) for stride in head.stride]
    channels = [branch[0].conv.in_channels for branch in branches]
    head([torch.zeros(1, c, height // s, width // s) for c, s in zip(channels, strides, strict=True)])


def _slimmed(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnxslim

    with contextlib.redirect_stdout(io.StringIO()):
        slim: onnx.ModelProto = onnxslim.slim(model)
    return slim


def _metadata(module: Any, image_size: tuple[int, int], end2end: bool) -> dict[str, Any]:
    """The entries ultralytics' exporter writes, less the date and the training paths."""
    import ultralytics

    head = module.model[-1]
    metadata = {
        "author": "Ultralytics",
        "version": ultralytics.__version__,
        "license": module.license,
        "docs": "https://docs.ultralytics.com",
        "stride": int(max(module.stride)),
        "strides": [int(stride) for stride in module.stride],
        "task": "pose",
        "head": type(head).__name__,
        "batch": 1,
        "imgsz": list(image_size),
        "names": dict(module.names),
        "channels": 3,
        "end2end": end2end,
        "kpt_shape": list(head.kpt_shape),
    }
    if getattr(module, "kpt_names", None):
        metadata["kpt_names"] = module.kpt_names
    return metadata
