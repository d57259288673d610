"""Times of two models, turn by turn."""

import numpy as np
import pytest

from tests.validation.test_observation import Known
from yolo_edge.runtime.base import Timings
from yolo_edge.validation.timing import measure_ratios, times_of


class Slow(Known):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.timings.first_run = 2 * seconds

    def _compute(self, images):
        seconds = self.seconds * (5 if not self.timings.runs else 1)  # the first one settles
        return images, seconds


def test_ratio_is_the_median_of_the_turns():
    seconds = {"variant": 0.3, "float": 0.2}
    result = measure_ratios(
        "known",
        "variant",
        "float",
        np.zeros((1, 64, 64, 3), np.float32),
        open_model=lambda name, directory: Slow(seconds[directory]),
    )
    assert result.frame.value == pytest.approx(1.5) and result.frame.low == pytest.approx(1.5)
    assert result.first_predict.value == pytest.approx(1.5)
    assert (result.variant.frame, result.reference.frame) == pytest.approx((0.3, 0.2))


def test_a_runtime_that_never_ran_has_no_frame_time():
    assert times_of(Timings(load=1.0)).frame is None
