import csv
import io

import pytest

from tests.speed.rows import figures, row
from yolo_edge.errors import MissingComponentError
from yolo_edge.speed.measurement import kernel_shares, measurements_csv, median_ratio


def test_percentiles_and_frame_rate():
    measured = figures(frame_milliseconds=(10.0, 12.0, 11.0, 50.0, 9.0), find_milliseconds=(20.0, 25.0, 40.0))
    assert measured.median == 11 and measured.percentile95 == pytest.approx(42.4)
    assert measured.frames_per_second == 40
    assert figures(find_milliseconds=()).frames_per_second is None


def test_the_table_has_a_row_for_what_did_not_run():
    missing = row("lost", figures=None, problem=MissingComponentError("No WebGPU.", fix="Update."))
    rows = list(csv.DictReader(io.StringIO(measurements_csv([row("ours"), missing]))))
    assert [entry["name"] for entry in rows] == ["ours", "lost"]
    assert rows[0]["p50_ms"] == "10.0" and rows[0]["unavailable"] == ""
    assert rows[1]["p50_ms"] == "" and rows[1]["unavailable"] == "No WebGPU. Update."
    assert missing.to_json()["unavailable"] == "No WebGPU. Update."


def test_kernels_are_listed_by_what_they_take():
    kernels = [
        {"name": "Add", "calls": 3, "milliseconds": 1.0, "draws": 0, "multiplyAdds": 0},
        {"name": "FusedConv2D", "calls": 2, "milliseconds": 9.0, "draws": 0, "multiplyAdds": 0},
    ]
    first, second = kernel_shares(kernels)
    assert (first.name, first.share, second.share) == ("FusedConv2D", 0.9, 0.1)


def test_kernels_of_a_gpu_are_listed_by_their_draws():
    kernels = [
        {"name": "Add", "calls": 3, "milliseconds": None, "draws": 3, "multiplyAdds": 0},
        {"name": "Concat", "calls": 2, "milliseconds": None, "draws": 8, "multiplyAdds": 0},
    ]
    shares = kernel_shares(kernels)
    assert [kernel.name for kernel in shares] == ["Concat", "Add"]
    assert all(kernel.share is None for kernel in shares)


def test_ratios_are_medians_of_turns():
    assert median_ratio((10.0, 30.0, 20.0), (10.0, 10.0, 10.0)) == 2.0
