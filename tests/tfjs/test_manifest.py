"""The file format: what is written is read back bit for bit, and damage is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from yolo_edge.errors import ModelError
from yolo_edge.tfjs import manifest
from yolo_edge.tfjs.graph import (
    GraphModel,
    Node,
    Stored,
    TensorInfo,
    Weight,
    integers_attribute,
    string_attribute,
    type_attribute,
)
from yolo_edge.tfjs.manifest import MODEL_FILE, read_model, read_model_json, write_model

NAMES = st.text(st.characters(codec="utf-8", exclude_characters=":^"), min_size=1, max_size=12)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
SCALES = st.floats(1e-12, 1e3)


@st.composite
def stored_weights(draw: st.DrawFn) -> tuple[np.ndarray, Stored | None]:
    dtype = draw(st.sampled_from(["float32", "int32", "bool", "uint8", "uint16", "float16"]))
    values = draw(hnp.arrays(dtype, SHAPES))
    if dtype == "float16":
        return values, Stored("float16")
    if dtype in ("uint8", "uint16"):
        return values, Stored(dtype, draw(SCALES), draw(st.floats(-1e3, 1e3)))
    return values, None


@st.composite
def graph_models(draw: st.DrawFn) -> GraphModel:
    contents = draw(st.lists(stored_weights(), max_size=6))
    names = draw(st.lists(NAMES, unique=True, min_size=len(contents) + 2, max_size=len(contents) + 2))
    image, result, *weight_names = names
    weights = tuple(Weight(name, *content) for name, content in zip(weight_names, contents, strict=True))
    attributes = {
        "T": type_attribute(),
        "data_format": string_attribute(draw(st.text(max_size=5))),
        "strides": integers_attribute(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4))),
    }
    sizes = tuple(draw(st.lists(st.integers(0, 4096), max_size=4)))
    return GraphModel(
        nodes=(
            Node(image, "Placeholder"),
            *(weight.const_node() for weight in weights),
            Node(result, "Concat", (image,), attributes),
        ),
        weights=weights,
        inputs={"images": TensorInfo(image, "float32", sizes)},
        outputs={"output0": TensorInfo(result, draw(st.sampled_from(["float32", "int32", "bool"])), sizes)},
        producer=draw(NAMES),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(model=graph_models(), shard_bytes=st.integers(1, 200))
def test_what_is_written_is_read_back(model, shard_bytes, tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "SHARD_BYTES", shard_bytes)
        files = write_model(model, directory)
    found = read_model(directory)

    assert sorted(files) == sorted(path.name for path in directory.iterdir())
    shards = [directory / name for name in files[1:]]
    assert all(shard.stat().st_size == shard_bytes for shard in shards[:-1]), "all shards but the last are full"
    assert shards[-1].stat().st_size <= shard_bytes

    assert (found.nodes, found.inputs, found.outputs) == (model.nodes, model.inputs, model.outputs)
    assert found.producer == model.producer
    assert [weight.name for weight in found.weights] == [weight.name for weight in model.weights]
    for here, there in zip(found.weights, model.weights, strict=True):
        assert here.stored == there.stored
        assert (here.values.dtype, here.values.shape) == (there.values.dtype, there.values.shape)
        assert here.values.tobytes() == there.values.tobytes()
        assert here.decoded().tobytes() == there.decoded().tobytes()


def small_model() -> GraphModel:
    weights = (
        Weight("kernel", np.arange(24, dtype=np.uint8).reshape(2, 3, 4), Stored("uint8", 0.1, -1.0)),
        Weight("shape", np.array([1, 24], np.int32)),
    )
    return GraphModel(
        nodes=(*(weight.const_node() for weight in weights), Node("output0", "Reshape", ("kernel", "shape"))),
        weights=weights,
        inputs={},
        outputs={"output0": TensorInfo("output0", "float32", (1, 24))},
    )


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A small model in two shards, 16 bytes each."""
    monkeypatch.setattr(manifest, "SHARD_BYTES", 16)
    assert write_model(small_model(), tmp_path) == (MODEL_FILE, "group1-shard1of2.bin", "group1-shard2of2.bin")
    return tmp_path


def edit(directory, change):
    document = json.loads((directory / MODEL_FILE).read_text())
    change(document)
    (directory / MODEL_FILE).write_text(json.dumps(document))


def test_shards_are_at_most_4_mib():
    assert manifest.SHARD_BYTES == 4 * 1024 * 1024


def test_same_model_gives_the_same_bytes(directory, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in write_model(small_model(), other):
        assert (other / name).read_bytes() == (directory / name).read_bytes()


def test_values_of_any_memory_order_are_written_in_c_order(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_model(replace(small_model(), weights=(Weight("kernel", values.T),)), tmp_path)
    assert read_model(tmp_path).weights[0].values.tolist() == values.T.tolist()


def test_weights_may_be_spread_over_groups(directory):
    def regroup(document):
        (group,) = document["weightsManifest"]
        document["weightsManifest"] = [
            {"paths": ["a.bin"], "weights": group["weights"][:1]},
            {"paths": ["b.bin"], "weights": group["weights"][1:]},
        ]

    blob = b"".join((directory / f"group1-shard{index}of2.bin").read_bytes() for index in (1, 2))
    (directory / "a.bin").write_bytes(blob[:24])
    (directory / "b.bin").write_bytes(blob[24:])
    edit(directory, regroup)
    assert [weight.values.tolist() for weight in read_model(directory).weights] == [
        weight.values.tolist() for weight in small_model().weights
    ]


def test_directory_without_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.json"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "<html></html>", "[]", "null", '{"format": "layers-model"}', "\x00", "[" * 100_000, b"\xff\xfe{}"],
    ids=["empty", "cut", "html", "list", "null", "layers", "nul", "deep", "not-utf8"],
)
def test_damaged_model_json(directory, content):
    (directory / MODEL_FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelError, match=r"model\.json") as caught:
        read_model_json(directory)
    assert caught.value.fix


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("modelTopology"),
        lambda document: document.pop("weightsManifest"),
        lambda document: document["modelTopology"].update(node=None),
        lambda document: document["modelTopology"]["node"][0].pop("op"),
        lambda document: document["modelTopology"].update(node=["conv"]),
        lambda document: document["weightsManifest"][0].pop("paths"),
        lambda document: document["weightsManifest"][0]["weights"][0].pop("shape"),
        lambda document: document["weightsManifest"][0]["weights"][0].update(shape=[-1, 3]),
        lambda document: document["weightsManifest"][0]["weights"][0].update(shape=["two"]),
        lambda document: document["weightsManifest"][0]["weights"][1].update(dtype="string"),
        lambda document: document["weightsManifest"][0]["weights"][0]["quantization"].pop("dtype"),
        lambda document: document["weightsManifest"][0]["weights"][0]["quantization"].update(dtype="object"),
        lambda document: document["signature"]["outputs"]["output0"].pop("name"),
        lambda document: document["signature"]["outputs"]["output0"]["tensorShape"].update(dim=[{"size": "many"}]),
    ],
)
def test_model_json_of_another_shape(directory, change):
    edit(directory, change)
    with pytest.raises(ModelError):
        read_model(directory)


def test_missing_shard_is_named(directory):
    (directory / "group1-shard2of2.bin").unlink()
    with pytest.raises(ModelError, match=r"group1-shard2of2\.bin cannot be read"):
        read_model(directory)


@pytest.mark.parametrize("size", [0, 15])
def test_short_shard_names_the_weight_it_misses(directory, size):
    (directory / "group1-shard2of2.bin").write_bytes(bytes(size))
    with pytest.raises(ModelError, match=rf"hold {16 + size} bytes, too few for weight '(kernel|shape)'"):
        read_model(directory)


@pytest.mark.parametrize("path", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin", "..", "", "a\x00b"])
def test_shards_outside_the_directory_are_not_read(directory, path):
    (directory.parent / "secret.bin").write_bytes(bytes(32))
    edit(directory, lambda document: document["weightsManifest"][0].update(paths=[path]))
    with pytest.raises(ModelError):
        read_model(directory)


def test_another_tools_model_is_read_without_optional_parts(directory):
    def strip(document):
        for key in ("signature", "generatedBy", "convertedBy"):
            document.pop(key)
        for node in document["modelTopology"]["node"]:
            node.pop("attr")

    edit(directory, strip)
    found = read_model(directory)
    assert (found.inputs, found.outputs, found.producer) == ({}, {}, "unknown")
    assert len(found.nodes) == 3
