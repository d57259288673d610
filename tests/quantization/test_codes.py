"""Codes stand for weights: one scale a tensor, or one a channel."""

from __future__ import annotations

import numpy as np

from yolo_edge.quantization.codes import Codes, HalfFloat, encoded_bytes


def test_codes_are_decoded_around_the_zero_point():
    codes = Codes(np.array([[0, 10, 255]], np.uint8), np.array([0.5]), zero_point=10, bits=8)
    assert codes.decoded().dtype == np.float32
    assert codes.decoded().tolist() == [[-5.0, 0.0, 122.5]]


def test_each_slice_along_the_axis_has_its_scale():
    codes = Codes(np.full((2, 3, 1, 1), 3, np.uint8), np.array([1.0, 10.0, 100.0]), zero_point=2, bits=4, axis=1)
    assert codes.decoded()[:, :, 0, 0].tolist() == [[1.0, 10.0, 100.0], [1.0, 10.0, 100.0]]


def test_small_steps_keep_double_precision_until_the_end():
    codes = Codes(np.array([255], np.uint8), np.array([1e-3 / 3]), zero_point=0, bits=8)
    assert codes.decoded()[0] == np.float32(255 * (1e-3 / 3))


def test_half_floats_are_widened():
    values = np.array([1.5, -65504], np.float16)
    assert HalfFloat(values).decoded().dtype == np.float32
    assert HalfFloat(values).decoded().tolist() == [1.5, -65504.0]


def test_bytes():
    assert encoded_bytes(Codes(np.zeros((4, 8), np.uint8), np.ones(1), 0, 8)) == 32
    assert encoded_bytes(HalfFloat(np.zeros((4, 8), np.float16))) == 64
