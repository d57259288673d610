"""A whole release by one recipe: run, run again, changed, failing, and wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import yolo_edge
from tests.nets import shipped_photo
from yolo_edge import cli
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.errors import ConflictError, GateError, InputError, UsageError

RECIPE = """
name: lite
source: {source}
sizes: [{sizes}]
variants:
  - scheme: float16
  - scheme: float32
calibration: none
validation: {{benchmark: photos, runtimes: [node], timing: false}}
gate: {{mean_oks: {oks}, wire_bytes: 20000000, displacement_p95: 1, lost_share: 1, invented_share: 1}}
channel: latest
"""


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory) -> Path:
    """A recipe beside its photos, and a work directory that the tests share."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "photos").mkdir()
    shutil.copy(shipped_photo("bus.jpg"), folder / "photos")
    return folder


def write(folder: Path, weights: Path, *, sizes: str = "192", oks: float = 0.5, **changes: str) -> Path:
    text = RECIPE.format(source=weights, sizes=sizes, oks=oks)
    for before, after in changes.items():
        text = text.replace(before.replace("_", " "), after)
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def states(run: yolo_edge.verbs.release.ReleaseRun) -> dict[str, str]:
    return {stage.name: stage.state for stage in run.stages}


@pytest.mark.long
@pytest.mark.slow
def test_run_again_and_changed(folder, weights, tmp_path, capsys):
    """One test, since each step goes on where the one before ended."""
    options = {"store": str(tmp_path / "site"), "work": tmp_path / "work"}
    recipe = write(folder, weights)
    planned = yolo_edge.release(recipe, version="1.0.0", dry_run=True, **options)
    assert set(states(planned).values()) == {"to make"}
    assert not (tmp_path / "site").exists() and not (tmp_path / "work").exists()

    with reporting_to(TerminalReporter()):
        first = yolo_edge.release(recipe, version="1.0.0", **options)
    assert states(first) == dict.fromkeys(("float16", "float32", "validate 192", "publish"), "made")
    assert list(first.publication.record.variants) == ["float16", "float32"]
    assert first.publication.record.gate is not None
    assert first.publication.flip.channel.version == "1.0.0"
    assert (first.reports["192"] / "report.html").is_file()
    report = json.loads((first.reports["192"] / "report.json").read_text())
    assert [entry["name"] for entry in report["variants"]] == ["float16", "float32"]
    told = f"yolo-edge release {recipe.name} --again 'validate 192' --store STORE --version VERSION"
    assert report["command"] == told, "the recipe says neither"
    said = capsys.readouterr().err
    assert ".partial" not in said and f"Wrote {first.reports['192']} (report.html" in said

    again = yolo_edge.release(recipe, version="1.0.0", **options)
    assert set(states(again).values()) == {"reused"}
    planned = yolo_edge.release(recipe, version="1.0.0", dry_run=True, **options)
    assert set(states(planned).values()) == {"reused"}
    planned = yolo_edge.release(recipe, version="1.1.0", dry_run=True, **options)
    assert states(planned)["publish"] == "to make"
    assert planned.publication.record.release == first.publication.record.release

    changed = write(folder, weights, **{"-_scheme:_float32": "- {scheme: float32, name: small}"})
    second = yolo_edge.release(changed, version="1.1.0", **options)
    assert states(second) == {"float16": "reused", "small": "made", "validate 192": "made", "publish": "made"}

    shutil.rmtree(second.reports["192"])  # as if it had been interrupted before it was there
    third = yolo_edge.release(changed, version="1.1.0", again=("small",), **options)
    assert states(third) == {"float16": "reused", "small": "made", "validate 192": "made", "publish": "reused"}

    failing = write(folder, weights, oks=1.1)
    with pytest.raises(GateError, match="nothing was published") as raised:
        yolo_edge.release(failing, version="1.2.0", **options)
    sentence = "float16: mean keypoint similarity (OKS) to the float model: at least 1.1, measured"
    assert sentence in raised.value.what, "a log of CI says which bound failed"
    assert "better photos" in raised.value.fix and "report.html shows more" in raised.value.fix
    assert [entry.release.record.version for entry in yolo_edge.releases(store=options["store"])] == ["1.1.0", "1.0.0"]
    changed = write(folder, weights, **{"-_scheme:_float32": "- {scheme: float32, name: small}"})
    with pytest.raises(ConflictError):
        yolo_edge.release(changed, version="1.0.0", **options)
    with pytest.raises(UsageError, match="no stage 'paint'"):
        yolo_edge.release(changed, version="1.1.0", again=("paint",), **options)


@pytest.mark.slow
def test_several_sizes_become_variants_with_one_report(folder, weights, tmp_path, capsys):
    recipe = write(folder, weights, sizes="160, 192", **{"__-_scheme:_float32\n": ""})
    command = ["release", recipe, "--store", tmp_path / "site", "--version", "1.0.0", "--work", tmp_path / "work"]
    assert cli.run([*map(str, command), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert sorted(done["publication"]["models"]) == ["float16-160", "float16-192"]
    assert sorted(done["reports"]) == ["160", "192"]
    assert cli.run([*map(str, command)]) == 0
    assert "validate 192" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name:_lite": "name: Lite Model"}, "cannot be the name of a model"),
        ({"name:_lite": ""}, "says no name"),
        ({"-_scheme:_float32": "- scheme: int3"}, "variants.1.scheme"),
        ({"-_scheme:_float32": "- {scheme: float32, max_bytes: 1.4MB}"}, "variants.1"),
        ({"-_scheme:_float32": "- scheme: float16"}, "has float16 twice"),
        ({"sizes:_[192]": "sizes: [100]"}, "sizes.0"),
        ({"channel:_latest": "chanel: latest"}, "There is no such field"),
        ({"mean_oks": "mean_ocks"}, "is not measured"),
        ({"name:_lite": "name: lite\nversion: one"}, "is not a version"),
    ],
)
def test_wrong_recipes_name_the_field(folder, weights, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        recipe = write(folder, weights)
        text = recipe.read_text()
        for before, after in change.items():
            text = text.replace(before.replace("_", " ") if ":" in before else before, after)
        recipe.write_text(text)
        yolo_edge.release(recipe, store=str(tmp_path / "site"), version="1.0.0", work=tmp_path / "work")


def test_what_is_not_said_is_asked_for(folder, weights, tmp_path):
    recipe = write(folder, weights)
    with pytest.raises(InputError, match="says no version"):
        yolo_edge.release(recipe, store=str(tmp_path / "site"))
    with pytest.raises(InputError, match="says no store"):
        yolo_edge.release(recipe, version="1.0.0")
    with pytest.raises(InputError, match="cannot be read"):
        yolo_edge.release(tmp_path / "missing.yaml")


def test_the_shipped_recipe_is_one():
    from yolo_edge.recipe import read_recipe

    recipe = read_recipe(Path(__file__).parents[2] / "configs" / "yolo-lite.yaml")
    assert [variant.title for variant in recipe.variants] == ["int8", "int4", "rd"]


def test_the_workflow_calls_commands_that_exist(capsys):
    import re

    import yaml

    text = (Path(__file__).parents[2] / "configs" / "ci" / "github-actions.yaml").read_text()
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    calls = re.findall(r"yolo-edge (\w+)(.*)", "\n".join(step.get("run", "") for step in steps))
    assert {command for command, _ in calls} == {"release", "promote", "doctor"}
    for command, rest in calls:
        assert cli.run([command, "--help"]) == 0
        known = capsys.readouterr().out
        assert all(option in known for option in re.findall(r"--[a-z-]+", rest)), f"{command}{rest}"
