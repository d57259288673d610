"""Sensitivities: a layer that is rounded coarsely costs more, and what was not rounded costs nothing."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tests.quantization.tiny_pose import HEAD, random_kernels, tiny_pose
from yolo_edge.quantization.codes import Codes
from yolo_edge.quantization.photos import find_photos
from yolo_edge.quantization.sensitivity import draw_sensitivity, measure_sensitivity, sensitivity_csv


def codes_of(kernel: np.ndarray, step: float) -> Codes:
    signed = np.clip(np.round(kernel / step), -128, 127)
    return Codes((signed + 128).astype(np.uint8), np.array([step]), 128, bits=8)


@pytest.fixture(scope="module")
def layers():
    steps = {"dense": 0.02, "depthwise": 0.02, "grouped": 0.4}
    encodings = {name: codes_of(random_kernels()[name], step) for name, step in steps.items()}
    return measure_sensitivity(tiny_pose(), HEAD, find_photos(None), encodings)


def test_layers_that_became_codes_are_listed_costliest_first(layers):
    assert {layer.layer for layer in layers} == {"dense", "depthwise", "grouped"}
    assert layers[0].layer == "grouped", "twenty times the step of the others"
    assert [layer.total for layer in layers] == sorted((layer.total for layer in layers), reverse=True)
    assert all(layer.keypoints > 0 and layer.boxes > 0 and layer.scores > 0 for layer in layers)


def test_harm_grows_with_the_square_of_the_error():
    kernel = random_kernels()["pointwise"]
    exact, far = kernel.copy(), kernel.copy()
    exact[0, 0], far[0, 0] = kernel[0, 0] + 0.01, kernel[0, 0] + 0.02

    class Moved(Codes):
        def decoded(self) -> np.ndarray:
            return exact if self.zero_point == 1 else far

    photos = find_photos(None)
    found = [
        measure_sensitivity(
            tiny_pose(), HEAD, photos, {"pointwise": Moved(np.zeros(kernel.shape, np.uint8), np.ones(1), zero, 8)}
        )[0].total
        for zero in (1, 2)
    ]
    assert found[1] == pytest.approx(4 * found[0], rel=1e-3)


def test_table_has_a_row_a_layer(layers):
    rows = list(csv.DictReader(io.StringIO(sensitivity_csv(layers))))
    assert [row["layer"] for row in rows] == [layer.layer for layer in layers]
    assert float(rows[0]["keypoints"]) == pytest.approx(layers[0].keypoints, rel=0.01)


def test_the_same_layers_give_the_same_picture(layers, tmp_path):
    for name in ("first.png", "second.png"):
        draw_sensitivity(layers, "title", tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
