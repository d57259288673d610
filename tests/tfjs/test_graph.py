"""A graph model in memory: what runs, what is dead, and how codes become values."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from yolo_edge.tfjs.graph import (
    GraphModel,
    Node,
    Stored,
    TensorInfo,
    Weight,
    flag_attribute,
    integer_attribute,
    integers_attribute,
    node_name,
    shape_json,
    string_attribute,
    strings_attribute,
    type_attribute,
)


def model_with_dead_parts() -> GraphModel:
    used, dead = (Weight(name, np.ones(2, np.float32)) for name in ("used", "dead"))
    return GraphModel(
        nodes=(
            Node("images", "Placeholder"),
            Node("second", "Placeholder"),
            used.const_node(),
            dead.const_node(),
            Node("split", "Split", ("images", "used")),
            Node("kept", "Relu", ("split:1", "^second")),
            Node("unread", "Relu", ("dead",)),
            Node("output0", "Identity", ("kept",)),
        ),
        weights=(used, dead),
        inputs={"images": TensorInfo("images", "float32", (1, 2))},
        outputs={"output0": TensorInfo("output0", "float32", (1, 2))},
    )


def test_pruned_drops_what_no_output_needs():
    pruned = model_with_dead_parts().pruned()
    assert [node.name for node in pruned.nodes] == ["images", "second", "used", "split", "kept", "output0"]
    assert [weight.name for weight in pruned.weights] == ["used"]
    assert pruned.pruned() == pruned


def test_inputs_stay_even_when_nothing_reads_them():
    model = model_with_dead_parts()
    lonely = GraphModel((*model.nodes[:1], Node("output0", "Const")), (), model.inputs, model.outputs)
    assert [node.name for node in lonely.pruned().nodes] == ["images", "output0"]


def test_operations_counts_what_runs():
    assert model_with_dead_parts().operations() == {"Split": 1, "Relu": 2, "Identity": 1}


@pytest.mark.parametrize(("reference", "name"), [("n3", "n3"), ("n3:1", "n3"), ("^n3", "n3"), ("^n3:0", "n3")])
def test_node_name(reference, name):
    assert node_name(reference) == name


def test_attributes_are_protobuf_json():
    assert string_attribute("NHWC") == {"s": base64.b64encode(b"NHWC").decode()}
    assert strings_attribute(["a", "b"]) == {"list": {"s": ["YQ==", "Yg=="]}}
    assert integer_attribute(np.int64(3)) == {"i": "3"}
    assert integers_attribute([1, 2]) == {"list": {"i": ["1", "2"]}}
    assert flag_attribute(True) == {"b": True}
    assert type_attribute() == {"type": "DT_FLOAT"} and type_attribute("int32") == {"type": "DT_INT32"}
    assert shape_json((1, 2)) == {"dim": [{"size": "1"}, {"size": "2"}]}


def test_stored_values_are_decoded_as_the_loader_does():
    codes = np.array([0, 128, 255], np.uint8)
    weight = Weight("w", codes, Stored("uint8", scale=0.5, minimum=-64.0))
    assert weight.dtype == "float32"
    assert weight.decoded().dtype == np.float32
    assert weight.decoded().tolist() == [-64.0, 0.0, 63.5]
    assert Weight("w", np.array([1.5], np.float16), Stored("float16")).decoded().tolist() == [1.5]
    plain = Weight("w", np.array([7], np.int32))
    assert plain.dtype == "int32" and plain.decoded() is plain.values


def test_zero_is_exact_after_decoding():
    """Double precision before the one rounding is what makes it so."""
    for scale in (0.1, 1 / 3, 1e-7):
        weight = Weight("w", np.array([77], np.uint8), Stored("uint8", scale, -77 * scale))
        assert weight.decoded()[0] == 0
