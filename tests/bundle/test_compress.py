"""Wire bytes are what a CDN would send."""

from __future__ import annotations

import brotli
import numpy as np
import pytest

from yolo_edge.bundle.compress import BEST_QUALITY, FLOAT_QUALITY, brotli_bytes


@pytest.mark.parametrize("quality", [BEST_QUALITY, FLOAT_QUALITY])
def test_size_is_that_of_the_brotli_stream(quality):
    data = np.random.default_rng(0).normal(0, 1, 5000).astype(np.float32).tobytes()
    assert brotli_bytes(data, quality) == len(brotli.compress(data, quality=quality)) < len(data)
    assert brotli.decompress(brotli.compress(data, quality=quality)) == data


def test_the_best_quality_is_the_default():
    data = b'{"name": "value"}' * 1000
    assert brotli_bytes(data) == brotli_bytes(data, 11) < brotli_bytes(data, 0)


def test_nothing_is_nearly_free():
    assert brotli_bytes(b"") <= 1
