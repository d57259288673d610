"""Plans: what is written is read back; what was made for something else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.errors import InputError, ModelError
from yolo_edge.quantization.plan import (
    PLAN_FILE,
    CalibrationRecord,
    LayerPlan,
    Plan,
    check_plan,
    check_plan_photos,
    read_plan,
    write_plan,
)

RECORD = CalibrationRecord(photos="gym", count=20, samples=64, seed=3, digest="d" * 64)
PLAN = Plan(scheme="rd", model="a" * 64, calibration=RECORD, layers={"kernel": LayerPlan(bits=8, steps=[0.1])})


LAYERS = st.builds(
    LayerPlan, bits=st.sampled_from([4, 8, 16]), steps=st.lists(st.floats(1e-12, 1e3), min_size=1, max_size=4)
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), LAYERS, max_size=5))
def test_round_trip_keeps_every_bit_of_every_step(tmp_path_factory, layers):
    directory = tmp_path_factory.mktemp("plan")
    plan = PLAN.model_copy(update={"layers": layers})
    write_plan(plan, directory)
    assert read_plan(directory) == read_plan(directory / PLAN_FILE) == plan
    assert list(read_plan(directory).layers) == list(layers), "in graph order"


@pytest.mark.parametrize("content", ["", "scheme: rd", "a: [", "- 1"])
def test_damaged_plan_is_named(tmp_path, content):
    (tmp_path / "broken.yaml").write_text(content)
    with pytest.raises(InputError, match=r"broken.yaml is not a quantization plan"):
        read_plan(tmp_path / "broken.yaml")


def test_plan_with_a_negative_seed_is_refused(tmp_path):
    write_plan(PLAN, tmp_path)
    path = tmp_path / PLAN_FILE
    path.write_text(path.read_text().replace("seed: 3", "seed: -3"))
    with pytest.raises(InputError, match="is not a quantization plan"):
        read_plan(path)


def test_missing_plan_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.yaml cannot be read"):
        read_plan(tmp_path / "nothing.yaml")


def test_plan_for_something_else_is_refused():
    check_plan(PLAN, "rd", "a" * 64)
    check_plan_photos(PLAN, "d" * 64)
    with pytest.raises(ModelError, match="for --quantize rd, not int8"):
        check_plan(PLAN, "int8", "a" * 64)
    with pytest.raises(ModelError, match="for another model"):
        check_plan(PLAN, "rd", "b" * 64)
    with pytest.raises(ModelError, match=r"other photos \(gym, 20 of them\)"):
        check_plan_photos(PLAN, "e" * 64)
