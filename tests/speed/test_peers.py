import json
from dataclasses import replace

import pytest

from tests.nets import shipped_photo
from yolo_edge.errors import NetworkError
from yolo_edge.pose.image import read_image
from yolo_edge.runtime.base import RUNTIMES
from yolo_edge.speed import peers
from yolo_edge.speed.contender import directory_contenders
from yolo_edge.speed.lane import Track
from yolo_edge.speed.race import prepare_lab, race


def test_the_lock_file_names_hashes_and_no_registry():
    lock = json.loads((peers.SCRIPTS / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    named = json.loads((peers.SCRIPTS / "package.json").read_text())["dependencies"]
    assert packages.keys() == {f"node_modules/{name}" for name in named}, "what the packages list is left out"
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-") and "resolved" not in package, name


def test_without_network_the_message_says_what_to_do(tiny, monkeypatch, tmp_path):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NetworkError, match=r"could not fetch the peers.*Connect to the network once"):
        peers.enter_peers(directory_contenders([tiny]))


@pytest.mark.slow
def test_peers_of_the_fitting_size_run(tiny, tmp_path):
    (ours,) = directory_contenders([tiny])
    field = peers.enter_peers([replace(ours, image_size=(192, 192))])
    names = [contender.name for contender in field.contenders]
    assert names == ["onnxruntime-web, tiny", "movenet-lightning"]
    assert field.notes == (
        "LiteRT.js is not raced: no directory holds a model.tflite (onnx2tf makes one of model.onnx).",
    )
    onnx, movenet = field.contenders
    everyone = [ours, replace(onnx, image_size=(64, 64)), movenet]
    photo = read_image(shipped_photo("bus.jpg"))
    prepare_lab(tmp_path, photo, everyone)
    track = Track(tmp_path, photo.shape[:2], onnxruntime=field.onnxruntime)
    rows = race(RUNTIMES["node"], everyone, track, rounds=2, profile=True)
    assert [row.unavailable for row in rows] == [None, None, None]
    assert [row.licence for row in rows] == ["", "MIT", "Apache-2.0"]
    assert [row.figures.persons for row in rows] == [1, None, 1], "onnxruntime-web has no decoder here"
    assert [row.figures.reference for row in rows] == ["tiny"] * 3
    kernels = {kernel.name: kernel.calls for kernel in rows[2].figures.profile}
    assert kernels["FusedConv2D"] > 20 and sum(kernels.values()) == rows[2].figures.kernels
    assert rows[1].figures.versions["onnxruntime-web"] == "1.30.0"
    assert rows[1].figures.kernels is None and rows[1].figures.wasm_bytes > 1e6


@pytest.mark.slow
def test_all_are_entered_where_no_size_fits(tiny):
    (ours,) = directory_contenders([tiny])
    field = peers.enter_peers([replace(ours, folder=ours.folder.parent)])
    assert {contender.name for contender in field.contenders} == {peer.name for peer in peers.PEERS}
    assert "No peer has the input size" in field.notes[0] and "convert --onnx keep" in field.notes[1]
