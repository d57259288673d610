"""Work side by side comes in order, and leaves nothing running."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from yolo_edge.threads import mapped_ahead, one_thread_an_operation


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
