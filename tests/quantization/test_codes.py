"""Codes stand for weights: one scale a tensor, or one a channel."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_edge.quantization.codes import Codes, HalfFloat, nibble_levels


def test_codes_are_decoded_around_the_zero_point():
    codes = Codes(np.array([[0, 10, 255]], np.uint8), np.array([0.5]), zero_point=10, bits=8)
    assert codes.decoded().dtype == np.float32
    assert codes.decoded().tolist() == [[-5.0, 0.0, 122.5]]


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_each_slice_along_the_axis_has_its_scale(bits, dtype):
    codes = Codes(np.full((2, 3, 1, 1), 3, dtype), np.array([1.0, 10.0, 100.0]), zero_point=2, bits=bits, axis=1)
    assert codes.decoded()[:, :, 0, 0].tolist() == [[1.0, 10.0, 100.0], [1.0, 10.0, 100.0]]


def test_sixteen_bits():
    codes = Codes(np.array([0, 32768, 65535], np.uint16), np.array([0.25]), zero_point=32768, bits=16)
    assert codes.decoded().tolist() == [-8192.0, 0.0, 8191.75]


def test_nibbles_have_sixteen_rising_symmetric_levels_finer_around_zero():
    levels = nibble_levels()
    assert levels.shape == (16,) and levels.dtype == np.float32
    assert (np.diff(levels) > 0).all() and np.array_equal(levels, -levels[::-1])
    gaps = np.diff(levels)
    assert gaps.argmin() == 7 and (np.diff(gaps[7:]) > 0).all()


def test_four_bits_stand_for_levels_times_the_scale_of_the_channel():
    codes = Codes(np.tile(np.arange(16, dtype=np.uint8), (2, 1)), np.array([1.0, 0.5]), zero_point=8, bits=4, axis=0)
    assert codes.decoded().dtype == np.float32
    assert np.array_equal(codes.decoded(), [nibble_levels(), nibble_levels() / 2])


def test_small_steps_keep_double_precision_until_the_end():
    codes = Codes(np.array([255], np.uint8), np.array([1e-3 / 3]), zero_point=0, bits=8)
    assert codes.decoded()[0] == np.float32(255 * (1e-3 / 3))


def test_half_floats_are_widened():
    values = np.array([1.5, -65504], np.float16)
    assert HalfFloat(values).decoded().dtype == np.float32
    assert HalfFloat(values).decoded().tolist() == [1.5, -65504.0]
