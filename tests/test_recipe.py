"""Recipes are read, or refused with the place that is wrong."""

import pytest

from yolo_edge.errors import InputError
from yolo_edge.recipe import read_recipe


def test_a_gate_is_read(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("gate:\n  mean_oks: 0.99\n  ap_loss: 0.5\n")
    assert read_recipe(path).gate == {"mean_oks": 0.99, "ap_loss": 0.5}
    path.write_text("")
    assert read_recipe(path).gate == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate: [", "is not yaml"),
        ("gate: 7", "is no recipe: gate"),
        ("gate: {mean_oks: high}", "is no recipe: gate.mean_oks"),
        ("gates: {}", "is no recipe: gates"),
        ("seed: -1", "is no recipe: seed: Input should be greater than or equal to 0"),
        ("- 1", "is no recipe"),
        ("\x80", "yaml"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_recipe(path)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
