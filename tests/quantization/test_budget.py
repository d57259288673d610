"""Budgets as people write them."""

from __future__ import annotations

import pytest

from yolo_edge.errors import UsageError
from yolo_edge.quantization.budget import bytes_for_bits, parse_bytes


@pytest.mark.parametrize(
    ("text", "count"), [("1.4MB", 1_400_000), ("900 kB", 900_000), ("1400000", 1_400_000), ("1MiB", 1_048_576)]
)
def test_sizes(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "big", "-1MB", "0", "1.4 GBs", "1,4MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="not a size"):
        parse_bytes(text)


def test_bits_are_of_the_wire():
    assert bytes_for_bits(4, 1_000_000) == 500_000
    with pytest.raises(UsageError, match=r"--bits 0.1 is out of range"):
        bytes_for_bits(0.1, 1_000_000)
