"""``manifest.json`` says what a directory holds, and any change to the directory shows."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import metadata

import pytest

from yolo_edge.bundle.manifest import (
    SCHEMA_VERSION,
    read_manifest,
    record_files,
    tool_record,
    verify_directory,
    write_manifest,
)
from yolo_edge.errors import ModelError
from yolo_edge.files import MANIFEST_FILE


@pytest.fixture
def directory(converted, tmp_path):
    """A converted directory of one's own, to damage."""
    return shutil.copytree(converted, tmp_path / "model")


def edit(directory, change):
    document = json.loads((directory / MANIFEST_FILE).read_text())
    change(document)
    (directory / MANIFEST_FILE).write_text(json.dumps(document))


def test_round_trip(directory, tmp_path):
    manifest = read_manifest(directory)
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert (tmp_path / MANIFEST_FILE).read_bytes() == (directory / MANIFEST_FILE).read_bytes()


def test_head_is_that_of_the_model(directory, converted_onnx):
    import onnx

    from yolo_edge.pose.head import read_head

    assert read_manifest(directory).head == read_head(onnx.load(converted_onnx), "model.onnx")


def test_whole_directory_is_verified(directory):
    assert verify_directory(directory) == read_manifest(directory)


@pytest.mark.parametrize("suffix", [".bin", ".json", ".onnx"])
@pytest.mark.parametrize("position", [0, -1])
def test_one_flipped_bit_is_found(directory, suffix, position):
    path = next(path for path in sorted(directory.glob(f"*{suffix}")) if path.name != MANIFEST_FILE)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{path.name} has changed since it was made"):
        verify_directory(directory)


def test_cut_shard_is_found(directory):
    path = next(directory.glob("*.bin"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"{path.name} has changed"):
        verify_directory(directory)


def test_missing_file_is_named(directory):
    path = next(directory.glob("*.bin"))
    path.unlink()
    with pytest.raises(ModelError, match=rf"{path.name} is missing, though the manifest names it"):
        verify_directory(directory)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/../../secret", "..", ""])
def test_names_that_lead_elsewhere_are_refused(directory, name):
    secret = directory.parent / "secret"
    secret.write_bytes(b"x")
    record = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1, "wire_bytes": None, "wire_quality": None}
    edit(directory, lambda document: document["files"].update({name: record}))
    with pytest.raises(ModelError):
        verify_directory(directory)


def test_newer_schema_asks_for_an_update(directory):
    edit(directory, lambda document: document.update(schema_version=SCHEMA_VERSION + 1, news={}))
    with pytest.raises(ModelError, match=rf"schema version {SCHEMA_VERSION + 1}.*pip install -U yolo-edge"):
        read_manifest(directory)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", "<html></html>", "[" * 100_000, '{"schema_version": "new"}', b"\xff\xfe"]
)
def test_damaged_manifest(directory, content):
    (directory / MANIFEST_FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=r"manifest\.json (cannot be read|is damaged)") as caught:
        read_manifest(directory)
    assert caught.value.fix and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda document: document.pop("contract"), "contract"),
        (lambda document: document["model"].update(image_size=[640]), r"model\.image_size"),
        (lambda document: document["files"].update(surprise={}), r"files\.surprise"),
        (lambda document: document.update(raw_bytes="many"), "raw_bytes"),
        (lambda document: document["model"].update(layout="spiral"), r"model\.layout"),
    ],
)
def test_the_wrong_field_is_named(directory, change, where):
    edit(directory, change)
    with pytest.raises(ModelError, match=rf"is damaged: {where}"):
        read_manifest(directory)


def test_directory_without_a_manifest(tmp_path):
    with pytest.raises(ModelError, match="was not made by yolo-edge"):
        read_manifest(tmp_path)


def test_files_are_hashed_and_measured(tmp_path):
    contents = {"model.json": b"{}" * 500, "group1-shard1of1.bin": bytes(1000), "model.onnx": b"onnx"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    served = ("model.json", "group1-shard1of1.bin")
    records = record_files(tmp_path, served, ("model.onnx",), quantized=False)
    for name, content in contents.items():
        assert (records[name].sha256, records[name].bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert [records[name].wire_quality for name in contents] == [11, 5, None]
    assert records["model.json"].wire_bytes < 50 and records["model.onnx"].wire_bytes is None
    assert record_files(tmp_path, served, (), quantized=True)["group1-shard1of1.bin"].wire_quality == 11


def test_tool_names_the_versions_that_shape_the_bytes():
    record = tool_record("direct")
    assert (record.version, record.engine) == (metadata.version("yolo-edge"), "direct")
    assert record.libraries["torch"] == metadata.version("torch")
    assert {"numpy", "onnx", "onnxslim", "ultralytics"} <= set(record.libraries)
