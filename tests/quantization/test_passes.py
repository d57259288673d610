"""Passes run side by side and come in order; what they say is the same for any number of cores."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import torch

from tests.quantization.tiny_pose import HEAD, KERNELS, SIZE, tiny_pose
from yolo_edge.quantization.differentiable import DifferentiableModel
from yolo_edge.quantization.passes import mapped_ahead, one_thread_an_operation, passes


def inputs(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.random((1, 3, SIZE, SIZE), np.float32) for _ in range(count)]


def test_results_come_in_order_however_long_each_takes():
    def slow(item: int) -> int:
        time.sleep(0.02 * (3 - item % 4))
        return item * item

    assert list(mapped_ahead(slow, range(20), 3)) == [item * item for item in range(20)]


def test_items_are_taken_as_they_are_needed():
    taken: list[int] = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = mapped_ahead(lambda item: item, items(), 2)
    assert next(results) == 0
    assert len(taken) == 3, "two may wait beside the one that is yielded; more would fill the memory"
    results.close()
    assert len(taken) == 3


def test_the_error_of_one_call_ends_all():
    begun: list[int] = []

    def call(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("item 2")
        return item

    with pytest.raises(ValueError, match="item 2"):
        list(mapped_ahead(call, range(1000), 2))
    assert len(begun) <= 6, "nothing new begins after an error"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_torch_has_its_threads_back_afterwards():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread_an_operation():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_number_of_cores_changes_no_bit(monkeypatch):
    def said(cores: int) -> list[bytes]:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        with one_thread_an_operation():
            found = list(passes(DifferentiableModel(tiny_pose()), KERNELS, HEAD, inputs(6), seed=5))
        return [
            value.numpy().tobytes()
            for item in found
            for name in KERNELS
            for value in (*vars(item.samples[name]).values(), item.kernel_gradients[name])
        ]

    assert said(1) == said(3)


def test_each_input_and_each_seed_draws_its_own_signs_and_positions():
    network, (image,) = DifferentiableModel(tiny_pose()), inputs(1)
    first, second = passes(network, ["dense"], HEAD, [image, image], seed=5)
    (other,) = passes(network, ["dense"], HEAD, [image], seed=6)
    for one, two in ((first, second), (first, other)):
        assert not torch.equal(one.kernel_gradients["dense"], two.kernel_gradients["dense"])
        assert not torch.equal(one.samples["dense"].columns, two.samples["dense"].columns)


@pytest.mark.parametrize(
    ("cores", "bytes_allowed", "threads"), [(1, 1e12, 1), (4, 1e12, 4), (4, 1.0, 1), (64, 1e12, 64)]
)
def test_as_many_passes_as_cores_and_memory_allow(monkeypatch, cores, bytes_allowed, threads):
    from yolo_edge.quantization import passes as module

    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(module, "_MEMORY", bytes_allowed)
    assert module.passes_at_once(DifferentiableModel(tiny_pose()), HEAD) == threads
