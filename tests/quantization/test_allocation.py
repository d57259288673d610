"""Steps: finer where an error hurts, cheap to store, and of the entropy that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.quantization.allocation import (
    base_for_entropy,
    channel_steps,
    compact_steps,
    entropy_bytes,
    tensor_steps,
)
from yolo_edge.quantization.calibration import LayerStatistics
from yolo_edge.quantization.rounding import make_feedback


def kernel_and_feedback(harm: np.ndarray, scale: float = 0.1, seed: int = 0):
    """A kernel ``[len(harm), 8, 3, 3]`` of uncorrelated inputs, and what its channels' errors cost."""
    kernel = np.random.default_rng(seed).normal(0, scale, (len(harm), 8, 3, 3)).astype(np.float32)
    return kernel, make_feedback(LayerStatistics(np.eye(72, dtype=np.float32)[None], np.diag(harm).astype(np.float32)))


def rms(kernel: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(kernel.reshape(len(kernel), -1), dtype=np.float64).mean(axis=1))


def test_sensitive_channels_get_finer_steps():
    harm = np.array([0.01, 1.0, 1.0, 100.0])
    kernel, feedback = kernel_and_feedback(harm)
    steps = channel_steps({"k": kernel}, {"k": feedback}, 0.03)["k"]
    assert steps.shape == (4,)
    assert steps[0] > steps[1] == steps[2] > steps[3]
    assert steps[0] / steps[3] > 2, "a channel far more sensitive gets a far finer step"


def test_sensitive_layers_get_finer_steps():
    kernels, feedbacks = {}, {}
    for name, harm in {"calm": 0.1, "touchy": 10.0}.items():
        kernels[name], feedbacks[name] = kernel_and_feedback(np.full(8, harm))
    steps = tensor_steps(kernels, feedbacks, 0.03, {"calm": 0.0, "touchy": 0.0}, np.inf)
    assert steps["touchy"].shape == (1,)
    assert steps["touchy"][0] < steps["calm"][0] / 2


@pytest.mark.parametrize("base", [1e-9, 1e9])
def test_steps_stay_in_proportion_to_the_weights(base):
    kernel, feedback = kernel_and_feedback(np.geomspace(1e-6, 1e6, 16))
    kernel *= np.geomspace(1e-4, 1e2, 16, dtype=np.float32)[:, None, None, None]
    steps = channel_steps({"k": kernel}, {"k": feedback}, base)["k"]
    assert (steps / rms(kernel) <= 1.5 * 1.125).all() and (steps / rms(kernel) >= 0.002 / 1.125).all()


def test_a_tensors_step_respects_the_room_of_its_codes():
    kernel, feedback = kernel_and_feedback(np.ones(8))
    assert tensor_steps({"k": kernel}, {"k": feedback}, 1e-9, {"k": 0.25}, 0.4)["k"] == [0.25]
    (coarsest,) = tensor_steps({"k": kernel}, {"k": feedback}, 1e9, {"k": 0.0}, 0.4)["k"]
    assert coarsest == pytest.approx(0.4 * np.sqrt(np.square(kernel).mean()), rel=1e-5)


def test_dead_channels_and_kernels_have_a_step():
    kernel, feedback = kernel_and_feedback(np.zeros(8))
    kernel[3] = 0
    for weights in (kernel, np.zeros_like(kernel)):
        for steps in (
            channel_steps({"k": weights}, {"k": feedback}, 0.1)["k"],
            tensor_steps({"k": weights}, {"k": feedback}, 0.1, {"k": 0.0}, 0.4)["k"],
        ):
            assert np.isfinite(steps).all() and (steps > 0).all()


@given(st.floats(1e-9, 1e6), st.sampled_from([8, 16, 32]))
def test_compact_steps_have_few_mantissas_and_are_near(step, levels):
    (compact,) = compact_steps(np.array([step]), levels)
    mantissa, _ = np.frexp(compact)
    assert mantissa * levels == round(mantissa * levels)
    assert compact == pytest.approx(step, rel=1 / levels), "12.5 % with 8 levels"
    assert compact_steps(np.array([compact]), levels) == [compact]
    assert np.float32(compact) == compact, "exact in single precision, as browsers compute"


def test_entropy_is_that_of_the_codes():
    even = np.arange(1600, dtype=np.float32).reshape(16, 100, 1, 1) % 16
    assert entropy_bytes({"k": even}, {"k": np.ones(1)}) == pytest.approx(1600 * 4 / 8)
    assert entropy_bytes({"k": even}, {"k": np.full(16, 2.0)}) < 1600 * 4 / 8
    assert entropy_bytes({"k": np.zeros((4, 100, 1, 1), np.float32)}, {"k": np.ones(1)}) == 0
    assert entropy_bytes({}, {}) == 0


def test_base_meets_its_entropy():
    kernels, feedbacks = {}, {}
    for index in range(4):
        harm = np.random.default_rng(index).uniform(0.01, 10, 64)
        kernels[str(index)], feedbacks[str(index)] = kernel_and_feedback(harm, 10.0**-index, index)
    count = sum(kernel.size for kernel in kernels.values())

    def allocate(base: float):
        return channel_steps(kernels, feedbacks, base)

    found = {}
    for bits in (2, 3, 4, 5):
        found[bits] = base_for_entropy(kernels, allocate, count * bits / 8)
        assert entropy_bytes(kernels, allocate(found[bits])) == pytest.approx(count * bits / 8, rel=0.01)
    assert found[2] > found[3] > found[4] > found[5]
