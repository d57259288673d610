"""Tables on a narrow terminal: what decides is not cut."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from tests.validation.test_report import validation, variant_of
from yolo_edge.validation.gate import Check
from yolo_edge.verbs.tables import validation_table


@pytest.fixture
def shown():
    """A function that returns what a validation looks like on a terminal of 80 columns."""

    def show(result) -> str:
        console = Console(width=80)
        with console.capture() as capture:
            console.print(validation_table(result))
        return capture.get()

    return show


def test_a_verdict_is_whole_and_a_long_name_is_folded(shown):
    made = variant_of("yolo11n-pose-for-phones-int8", validation().observations)
    undecided = replace(made, checks=(Check("ap_loss", 1.0, None, "inconclusive"),))
    text = shown(validation(variants=[undecided]))
    rows = [line for line in text.splitlines() if line.endswith("inconclusive") and "MB" in line]
    assert len(rows) == 1 and "…" not in text


def test_it_is_said_how_many_photos_a_runtime_ran(shown):
    made = variant_of("small", validation().observations)
    slow = replace(made.runs[1], runtime="browser:webgpu", photos=1, compared=1)
    lines = shown(validation(variants=[replace(made, runs=(made.runs[0], slow))])).splitlines()
    assert next(line for line in lines if "browser:webgpu" in line).split()[:3] == ["small", "browser:webgpu", "1"]
