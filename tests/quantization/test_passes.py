"""What passes say is the same for any number of cores."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
import torch

from tests.quantization.tiny_pose import HEAD, KERNELS, SIZE, tiny_pose
from yolo_edge.quantization.differentiable import DifferentiableModel
from yolo_edge.quantization.passes import passes
from yolo_edge.threads import one_thread_an_operation


def inputs(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.random((1, 3, SIZE, SIZE), np.float32) for _ in range(count)]


def test_the_number_of_cores_changes_no_bit(monkeypatch):
    def said(cores: int) -> list[bytes]:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        with one_thread_an_operation():
            found = list(passes(DifferentiableModel(tiny_pose()), KERNELS, HEAD, inputs(6), seed=5))
        return [
            value.numpy().tobytes()
            for item in found
            for name in KERNELS
            for sample in item.samples[name]
            for value in (*vars(sample).values(), item.kernel_gradients[name])
        ]

    assert said(1) == said(3)


def test_each_input_and_each_seed_draws_its_own_signs_and_positions():
    network, (image,) = DifferentiableModel(tiny_pose()), inputs(1)
    first, second = passes(network, ["dense"], HEAD, [image, image], seed=5)
    (other,) = passes(network, ["dense"], HEAD, [image], seed=6)
    for one, two in ((first, second), (first, other)):
        assert not torch.equal(one.kernel_gradients["dense"], two.kernel_gradients["dense"])
        (sample,), (another,) = one.samples["dense"], two.samples["dense"]
        assert not torch.equal(sample.columns, another.columns)


def test_a_kernel_that_two_convolutions_share_is_sampled_at_both():
    model = tiny_pose()
    (place,) = [index for index, node in enumerate(model.graph.node) if node.name == "grouped.conv"]
    again = onnx.NodeProto()
    again.CopyFrom(model.graph.node[place])
    again.name, again.input[0], again.output[0] = "again.conv", "grouped.out", "again.out"
    model.graph.node.insert(place + 1, again)
    model.graph.node[place + 2].input[0] = "again.out"
    (found,) = passes(DifferentiableModel(model), ["grouped"], HEAD, inputs(1), seed=5)
    last, first = found.samples["grouped"]
    assert not torch.equal(first.columns, last.columns)


@pytest.mark.parametrize(
    ("cores", "bytes_allowed", "threads"), [(1, 1e12, 1), (4, 1e12, 4), (4, 1.0, 1), (64, 1e12, 64)]
)
def test_as_many_passes_as_cores_and_memory_allow(monkeypatch, cores, bytes_allowed, threads):
    from yolo_edge.quantization import passes as module

    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(module, "_MEMORY", bytes_allowed)
    assert module.passes_at_once(DifferentiableModel(tiny_pose()), HEAD) == threads
