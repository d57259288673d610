"""``benchmark list`` and ``benchmark fetch``, as a user runs them."""

from __future__ import annotations

import json
import signal

import pytest
import yaml

import yolo_edge
from tests.commands import start_command
from tests.photos.test_fetching import UNLABELLED, described, quick, site  # noqa: F401  (fixtures)
from yolo_edge import cli
from yolo_edge.errors import InputError, UsageError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.description import known_descriptions
from yolo_edge.photos.fetching import THREADS


@pytest.fixture
def yaml_file(site, tmp_path):  # noqa: F811
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(described(site).model_dump(mode="json", exclude_none=True)))
    return path


def test_list_needs_no_network(capsys):
    assert cli.run(["benchmark", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["coco-val2017"]["directory"] is None and rows["coco-val2017"]["files"] == 0
    assert cli.run(["benchmark", "list"]) == 0
    out = capsys.readouterr().out
    assert "coco-val2017" in out and "not needed" in out


def test_fetch_into_the_cache_makes_the_name_known(site, monkeypatch, capsys, tmp_path):  # noqa: F811
    monkeypatch.chdir(tmp_path)  # where there is no folder called demo, as make demo leaves one
    known = (*known_descriptions(), described(site))
    monkeypatch.setattr("yolo_edge.photos.description.known_descriptions", lambda: known)
    monkeypatch.setattr("yolo_edge.verbs.benchmark.known_descriptions", lambda: known)
    with pytest.raises(InputError, match="The set demo is not fetched") as error:
        find_benchmark("demo")
    assert error.value.fix == "Run yolo-edge benchmark fetch demo."
    assert cli.run(["benchmark", "fetch", "demo", "--limit", "5", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["files"], result["photos"], result["downloaded"]) == (6, 5, 6)
    assert result["directory"] == str(tmp_path / "cache" / "benchmarks" / "demo") and "6 of them new" in err
    assert len(find_benchmark("demo").photos) == 5
    (listing,) = (entry for entry in yolo_edge.list_benchmarks() if entry.name == "demo")
    assert (str(listing.directory), listing.files) == (result["directory"], 6)


def test_fetch_from_a_mirror_into_a_directory(site, yaml_file, tmp_path, capsys):  # noqa: F811
    document = yaml.safe_load(yaml_file.read_text())
    yaml_file.write_text(yaml.safe_dump({**document, "location": "http://127.0.0.1:9"}))
    site.files = {f"/mirror{path}": content for path, content in site.files.items()}
    command = ["benchmark", "fetch", str(yaml_file), "-o", str(tmp_path / "set"), "--source-url"]
    assert cli.run([*command, f"{site.address}/mirror/"]) == 0
    assert f"{UNLABELLED + 1}, {UNLABELLED + 1} of them new" in capsys.readouterr().out
    assert len(find_benchmark(tmp_path / "set").photos) == UNLABELLED


def test_an_interrupted_fetch_goes_on(site, yaml_file, tmp_path):  # noqa: F811
    site.held = {f"/photos/{key:03}.png" for key in range(4, UNLABELLED)}
    assert len(site.held) == THREADS
    process = start_command("benchmark", "fetch", yaml_file, "-o", "set", cwd=tmp_path)
    for _ in range(THREADS):  # every thread is held, so the four photos before are whole
        assert site.holding.acquire(timeout=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    site.held.clear()
    kept = sorted(path.name for path in (tmp_path / "set" / "images").glob("[0-9]*.png"))
    assert kept == ["000.png", "001.png", "002.png", "003.png"]
    site.requests.clear()
    fetched = yolo_edge.fetch_benchmark(yaml_file, output=tmp_path / "set")
    assert fetched.photos == UNLABELLED and len(find_benchmark(tmp_path / "set").photos) == UNLABELLED
    assert {path for path, _ in site.requests} == {f"/photos/{key:03}.png" for key in range(4, UNLABELLED)}


def test_builtin_needs_no_fetching(capsys):
    assert cli.run(["benchmark", "fetch", "builtin"]) == 0
    assert "needs no fetching" in capsys.readouterr().err


def test_what_cannot_be_fetched(site, yaml_file, tmp_path, capsys):  # noqa: F811
    with pytest.raises(InputError, match="no benchmark set called nothing"):
        yolo_edge.fetch_benchmark("nothing")
    with pytest.raises(UsageError, match="leaves no photo"):
        yolo_edge.fetch_benchmark("builtin", limit=0)
    with pytest.raises(UsageError, match="is not an http or https address"):
        yolo_edge.fetch_benchmark("builtin", source_url="file:///etc")
    del site.files["/labels.zip"]
    assert cli.run(["-q", "benchmark", "fetch", str(yaml_file), "-o", str(tmp_path / "set")]) == 6
    assert "answered 404" in capsys.readouterr().err
