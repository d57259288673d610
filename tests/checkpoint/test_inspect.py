"""What a checkpoint holds is read without torch, and is true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoint.pickle_assembler import (
    called,
    dictionary,
    imported,
    integer,
    layer,
    network,
    pickled,
    text,
    write_checkpoint,
)
from yolo_edge.checkpoint.inspect import describe_checkpoint
from yolo_edge.errors import CheckpointError, UnsafeCheckpointError

DISTRIBUTION = {"dfl": layer("ultralytics.nn.modules.block", "DFL")}
DEPTHWISE = {"groups": integer(8)}


def test_genuine_weights(weights: Path) -> None:
    found = describe_checkpoint(weights)
    assert (found.task, found.head, found.family) == ("pose", "Pose", "v11")
    assert found.classes == ("person",)
    assert found.keypoint_shape == (17, 3)
    assert found.image_size == 640
    assert found.licence.startswith("AGPL-3.0")
    assert found.ultralytics_version == "8.2.100"
    assert found.parameters == 2_874_462
    assert found.sha256.startswith("869e83fcdffdc737")
    assert not found.has_end2end_branch


def test_layers_of_genuine_weights(weights: Path) -> None:
    layers = describe_checkpoint(weights).layers
    assert [layer.index for layer in layers] == [str(index) for index in range(24)]
    first, last = layers[0], layers[-1]
    assert (first.kind, first.parameters) == ("Conv", 3 * 16 * 3 * 3 + 2 * 16)  # kernel, batch norm scale and shift
    # float16; batch norm's mean and variance are stored too, and its int64 counter
    assert first.bytes == 2 * first.parameters + 2 * 2 * 16 + 8
    assert last.kind == "Pose"
    assert sum(layer.parameters for layer in layers) == 2_874_462


def test_torch_is_not_imported(weights: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from yolo_edge.checkpoint.inspect import describe_checkpoint; "
        "describe_checkpoint(Path(sys.argv[1])); "
        "print(sorted({'torch', 'ultralytics', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(weights)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("head", "first_layer", "head_children", "family", "end2end"),
    [
        ("Pose", None, DISTRIBUTION, "v8", False),
        ("Pose", DEPTHWISE, DISTRIBUTION, "v11", False),
        ("Pose26", DEPTHWISE, {"one2one_cv2": layer("torch.nn.modules.container", "ModuleList")}, "26", True),
    ],
)
def test_families(
    head: str,
    first_layer: dict[str, bytes] | None,
    head_children: dict[str, bytes],
    family: str,
    end2end: bool,
    tmp_path: Path,
) -> None:
    content = network(head, first_layer=first_layer, head_children=head_children)
    found = describe_checkpoint(write_checkpoint(tmp_path / "misleading-yolov5.pt", content))
    assert (found.family, found.has_end2end_branch) == (family, end2end)
    assert found.classes == ("person", "dog")
    assert found.image_size == 320
    assert [(size.kind, size.parameters, size.bytes) for size in found.layers] == [
        ("Conv2d", 216, 432),
        (head, 0, 0),
    ]


@pytest.mark.parametrize(
    ("head", "task"),
    [("Detect", "detect"), ("Segment", "segment"), ("OBB", "oriented detection"), ("Classify", "classify")],
)
def test_other_tasks_are_named(head: str, task: str, tmp_path: Path) -> None:
    found = describe_checkpoint(write_checkpoint(tmp_path / "model.pt", network(head)))
    assert found.task == task
    assert found.family is None
    assert found.keypoint_shape is None


def test_checkpoint_without_network(tmp_path: Path) -> None:
    for content in (dictionary({"weight": integer(1)}), dictionary({"model": text("yolo")}), text("yolo")):
        path = write_checkpoint(tmp_path / "model.pt", pickled(content))
        with pytest.raises(CheckpointError, match="holds no Ultralytics network"):
            describe_checkpoint(path)


def test_unsafe_file_is_described_only_with_trust(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    attack = called(imported("posix", "mkdir"), text(str(canary)))
    content = network("Pose", first_layer={"x": attack})
    path = write_checkpoint(tmp_path / "model.pt", content)
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.mkdir"):
        describe_checkpoint(path)
    assert describe_checkpoint(path, trust=True).task == "pose"
    assert not canary.exists(), "describing a file must never run it"


def test_network_that_contains_itself(tmp_path: Path) -> None:
    loop = layer("torch.nn.modules.linear", "Identity")
    # the layer is put into the memo and then becomes its own child
    children = called(imported("collections", "OrderedDict")) + b"(" + text("self") + b"h\x09u"
    loop = loop.split(b"\x81", 1)[0] + b"\x81q\x09" + dictionary({"_modules": children}) + b"b"
    path = write_checkpoint(tmp_path / "model.pt", network("Pose", head_children={"loop": loop}))
    assert describe_checkpoint(path).parameters == 216


@pytest.mark.slow
@pytest.mark.parametrize(
    ("description", "family", "task"),
    [
        ("yolov8n-pose.yaml", "v8", "pose"),
        ("yolo11n-pose.yaml", "v11", "pose"),
        ("yolo26n-pose.yaml", "26", "pose"),
        ("yolo11n.yaml", None, "detect"),
        ("yolo11n-seg.yaml", None, "segment"),
    ],
)
def test_networks_that_ultralytics_builds(description: str, family: str | None, task: str, tmp_path: Path) -> None:
    from yolo_edge.checkpoint.safety import prepare_ultralytics

    prepare_ultralytics()
    import torch
    from ultralytics.nn import tasks

    kind = {"pose": tasks.PoseModel, "detect": tasks.DetectionModel, "segment": tasks.SegmentationModel}[task]
    model = kind(description, nc=3, verbose=False)
    path = tmp_path / "model.pt"
    torch.save({"model": model}, path)
    found = describe_checkpoint(path)
    assert (found.family, found.task) == (family, task)
    assert found.has_end2end_branch == (family == "26")
    assert found.classes == ("0", "1", "2")
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    tensors = [*model.parameters(), *model.buffers()]
    assert sum(layer.bytes for layer in found.layers) == sum(t.numel() * t.element_size() for t in tensors)
