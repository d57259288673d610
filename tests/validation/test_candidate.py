"""What a directory is, ours or another tool's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.broken import sign
from tests.runtime.tiny_pose import known_output, write_pose_onnx
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.checkpoint.export import load_onnx
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.runtime.base import Timings
from yolo_edge.validation.candidate import adapted, find_candidate, units_of


class Fixed:
    """A runtime with one answer."""

    def __init__(self, output):
        self.output, self.name, self.timings, self.closed = output, "fixed", Timings(), False

    def run(self, images):
        return self.output

    def close(self):
        self.closed = True


@pytest.fixture
def foreign(converted, tmp_path):
    """The converted directory as another tool would leave it: model.json and shards alone."""
    target = tmp_path / "foreign"
    target.mkdir()
    for name in ("model.json", *(path.name for path in converted.glob("*.bin"))):
        shutil.copy(converted / name, target)
    return target


@pytest.fixture
def head(tmp_path):
    return load_onnx(write_pose_onnx(tmp_path / "pose.onnx")).head


def test_our_directory_says_what_it_is(converted):
    candidate, manifest = find_candidate(converted), read_manifest(converted)
    assert (candidate.scheme, candidate.image_size) == ("float32", (320, 320))
    assert (candidate.raw_bytes, candidate.wire_bytes) == (manifest.raw_bytes, manifest.wire_bytes)


def test_the_digest_is_of_what_browsers_load(converted, tmp_path):
    other = shutil.copytree(converted, tmp_path / "other")
    assert find_candidate(other).digest == find_candidate(converted).digest
    shard = next(other.glob("*.bin"))
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])
    sign(other)
    assert find_candidate(other).digest != find_candidate(converted).digest


def test_foreign_directory_is_measured(foreign, converted):
    candidate = find_candidate(foreign)
    assert (candidate.scheme, candidate.manifest, candidate.units) == ("foreign", None, None)
    assert candidate.image_size == (320, 320)
    assert candidate.raw_bytes == read_manifest(converted).raw_bytes
    assert candidate.wire_bytes == pytest.approx(read_manifest(converted).wire_bytes, rel=1e-3)


def test_a_manifest_of_another_project_is_none_of_ours(foreign):
    (foreign / "manifest.json").write_text(json.dumps({"name": "my web app", "icons": []}))
    assert find_candidate(foreign).scheme == "foreign"


@pytest.mark.parametrize("damage", ["no shard", "no input", "shard elsewhere", "layers model"])
def test_foreign_directories_that_cannot_be_judged(foreign, damage):
    document = json.loads((foreign / "model.json").read_text())
    if damage == "no shard":
        next(foreign.glob("*.bin")).unlink()
    elif damage == "shard elsewhere":
        document["weightsManifest"][0]["paths"][0] = "../secret.bin"
    elif damage == "layers model":
        document["format"] = "layers-model"
    else:
        document["signature"] = {}
        for node in document["modelTopology"]["node"]:
            node.get("attr", {}).pop("shape", None)
    (foreign / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError):
        find_candidate(foreign)


def test_layout_is_for_foreign_models_and_of_a_known_kind(converted, foreign, tmp_path):
    with pytest.raises(UsageError, match="says itself"):
        find_candidate(converted, layout="pixels")
    with pytest.raises(UsageError, match="no layout 'sideways'"):
        find_candidate(foreign, layout="sideways")
    with pytest.raises(ModelError, match=r"no model\.json"):
        find_candidate(tmp_path)


def normalised(output, head):
    height, width = head.image_size
    result = output.copy()
    result[:, [0, 2]] /= width
    result[:, [1, 3]] /= height
    result[:, 5::3] /= width
    result[:, 6::3] /= height
    return result


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("units", ["pixels", "normalised"])
def test_foreign_outputs_are_brought_into_the_contract(foreign, head, units, transposed):
    head = replace(head, image_size=(64, 96))
    expected = known_output()
    output = normalised(expected, head) if units == "normalised" else expected
    if transposed:
        output = np.ascontiguousarray(output.transpose(0, 2, 1))
    assert units_of(output, head, foreign) == units
    candidate = replace(find_candidate(foreign), units=units)
    bare = Fixed(output)
    with adapted(candidate, bare, head) as runtime:
        np.testing.assert_allclose(runtime.run(None), expected, rtol=1e-6)
    assert bare.closed


def test_an_output_of_another_model_is_refused(foreign, head):
    with pytest.raises(ModelError, match="gives an output of shape"):
        units_of(np.zeros((1, 84, 8400), np.float32), head, foreign)
