"""``verify`` says whether a directory, on disk or served, is whole and computes what it should."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import brotli
import numpy as np
import pytest

import yolo_edge
from tests.broken import sign
from tests.verbs.served import Answer, encoded, serving
from yolo_edge.bundle.golden import GOLDEN_FILE
from yolo_edge.bundle.manifest import read_manifest, write_manifest
from yolo_edge.cli import run
from yolo_edge.errors import GateError, InputError, ModelError, NetworkError, UsageError
from yolo_edge.files import MANIFEST_FILE

SHARD = "group1-shard2of3.bin"


@pytest.fixture
def directory(converted, tmp_path):
    """A converted directory of one's own, to damage."""
    return shutil.copytree(converted, tmp_path / "model")


def break_vectors(directory: Path) -> None:
    """Move what is expected of the first detection by 0.2, and sign that."""
    document = json.loads((directory / GOLDEN_FILE).read_text())
    values = np.frombuffer(base64.b64decode(document["vectors"][0]["expected"]), "<f4").copy()
    values[0] += 0.2
    document["vectors"][0]["expected"] = base64.b64encode(values.tobytes()).decode()
    (directory / GOLDEN_FILE).write_text(json.dumps(document))
    sign(directory)


@pytest.mark.parametrize("name", ["", "model.json", "manifest.json"])
def test_directory_on_disk(converted, name):
    result = yolo_edge.verify(converted / name)
    assert result.passed and result.notes == ()
    result.raise_if_failed()
    (check,) = result.runtimes
    assert check.runtime == "node"
    assert [difference.quantity for difference in check.differences] == ["boxes", "keypoints", "scores", "visibility"]
    assert all(0 < difference.worst < difference.tolerance / 5 for difference in check.differences)
    assert {file.name for file in result.files} == {path.name for path in converted.iterdir()}
    assert all(file.delivery is None for file in result.files)
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.browser
def test_in_browsers(converted):
    result = yolo_edge.verify(converted, runtime=["browser", "browser:webgl"])
    assert [check.runtime for check in result.runtimes] == ["browser:wasm", "browser:webgl"]
    assert result.passed
    for check in result.runtimes:
        assert all(difference.worst < difference.tolerance / 5 for difference in check.differences), check


def test_served_directory_tells_how_it_was_sent(converted):
    with serving(converted) as address:
        result = yolo_edge.verify(address, runtime="none")
    assert result.passed and result.runtimes == () and result.source == address
    sent = {file.name: file for file in result.files}
    assert list(sent) == [MANIFEST_FILE, *read_manifest(converted).files]
    shard = sent[SHARD].delivery
    assert (shard.content_encoding, shard.content_type) == ("br", "application/octet-stream")
    assert shard.cache_control == "public, max-age=31536000, immutable"
    assert 0 < shard.wire_bytes < sent[SHARD].bytes
    assert sent["model.json"].delivery.content_encoding == "gzip"


@pytest.mark.parametrize("name", ["model.json", "manifest.json", "?key=1"])
def test_address_of_a_file_or_with_a_query(converted, name):
    with serving(converted, plain=True) as address:
        assert yolo_edge.verify(address.rstrip("/") + ("/" if name[0] != "?" else "") + name, runtime="none").passed


def test_served_directory_runs(converted, capsys):
    with serving(converted) as address:
        assert run(["-q", "verify", address]) == 0
    shown = capsys.readouterr().out
    for expected in ("br", "gzip", "application/json", "immutable", "keypoints", "ok"):
        assert expected in shown
    assert "FAILED" not in shown


def tampered(answer: Answer) -> Answer:
    body = bytearray(answer.body)
    body[1000] ^= 1
    return replace(answer, body=bytes(body))


def page(answer: Answer) -> Answer:
    return Answer(b"\n<!DOCTYPE html><html><body>My app</body></html>", headers={"Content-Type": "text/html"})


def half(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def cut_off(answer: Answer) -> Answer:
    return replace(half(answer), length=len(answer.body))


def cut_brotli(answer: Answer) -> Answer:
    body = encoded(SHARD, answer.body)[1]
    return replace(answer, body=body[: len(body) // 2], headers={"Content-Encoding": "br"})


def no_brotli(answer: Answer) -> Answer:
    return replace(answer, headers={"Content-Encoding": "br"})


def bomb(answer: Answer) -> Answer:
    return replace(answer, body=brotli.compress(bytes(200_000_000), quality=1), headers={"Content-Encoding": "br"})


def zstd(answer: Answer) -> Answer:
    return replace(answer, headers={"Content-Encoding": "zstd"})


def longer(answer: Answer) -> Answer:
    return replace(answer, body=answer.body + b"x")


def not_found(answer: Answer) -> Answer:
    return Answer(b"<html>no</html>", 404)


def elsewhere(answer: Answer) -> Answer:
    return Answer(b"", 302, {"Location": "http://example.com/shard.bin"})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (tampered, ModelError, "has changed since it was made"),
        (longer, ModelError, "is longer than the 4,194,304 bytes"),
        (bomb, ModelError, "is longer than the 4,194,304 bytes"),
        (not_found, NetworkError, r"shard2of3\.bin answered 404 Not Found"),
        (page, NetworkError, "a web page"),
        (half, NetworkError, "answered 2,097,152 bytes, the manifest says 4,194,304"),
        (cut_off, NetworkError, "broke off after 2,097,152 of 4194304 bytes"),
        (cut_brotli, NetworkError, "broke off within its Brotli"),
        (no_brotli, NetworkError, "not the Brotli it says"),
        (zstd, NetworkError, "Content-Encoding zstd"),
        (elsewhere, NetworkError, r"leads elsewhere: http://example\.com/shard\.bin is plain http"),
    ],
)
def test_what_a_server_may_do_to_a_shard(converted, change, error, message):
    with serving(converted, {SHARD: change}) as address, pytest.raises(error, match=message) as caught:
        yolo_edge.verify(address, runtime="none")
    assert SHARD in str(caught.value) and caught.value.fix
    assert caught.value.exit_code == (3 if error is ModelError else 6)


@pytest.mark.parametrize(("change", "message"), [(page, "a web page"), (not_found, "answered 404")])
def test_manifest_that_is_not_there(converted, change, message):
    with serving(converted, {MANIFEST_FILE: change}) as address, pytest.raises(NetworkError, match=message):
        yolo_edge.verify(address, runtime="none")


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "..", "", ".hidden", "a\\b", MANIFEST_FILE])
def test_names_that_lead_elsewhere_are_refused_before_anything_is_fetched(directory, name):
    manifest = read_manifest(directory)
    files = {name: manifest.files["model.json"], **manifest.files}
    write_manifest(manifest.model_copy(update={"files": files}), directory)
    with serving(directory) as address, pytest.raises(ModelError, match="no plain file name"):
        yolo_edge.verify(address, runtime="none")


def test_server_that_is_not_there(converted):
    with serving(converted) as address:
        pass
    with pytest.raises(NetworkError, match="could not be reached"):
        yolo_edge.verify(address)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("http://example.com/model/", "plain http"),
        ("ftp://127.0.0.1/model/", "not an http or https address"),
        ("https:///model.json", "not an http or https address"),
        ("http://user:secret@127.0.0.1/model/", "user name"),
        ("http://127.0.0.1:port/", "is no address"),
    ],
)
def test_addresses_that_are_refused(source, message):
    with pytest.raises(UsageError, match=message) as caught:
        yolo_edge.verify(source)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "onnx"}, "no runtime 'onnx' for converted directories"),
        ({"runtime": ["node", "none"]}, "does not go with others"),
        ({"browser": "chromium"}, "goes with the browser runtimes alone"),
    ],
)
def test_options_that_are_refused_before_anything_is_read(options, message):
    with pytest.raises(UsageError, match=message):
        yolo_edge.verify("no-such-directory", **options)


def test_no_directory(tmp_path):
    with pytest.raises(InputError, match="is no directory"):
        yolo_edge.verify(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"has no manifest\.json"):
        yolo_edge.verify(tmp_path)


def test_changed_file_is_bad_input(directory, capsys):
    (directory / SHARD).write_bytes(bytes(4 * 1024 * 1024))
    assert run(["-q", "verify", str(directory)]) == 3
    assert f"{SHARD} has changed" in capsys.readouterr().err


def test_shard_that_the_manifest_leaves_out(directory):
    manifest = read_manifest(directory)
    files = {name: record for name, record in manifest.files.items() if name != SHARD}
    write_manifest(manifest.model_copy(update={"files": files}), directory)
    with pytest.raises(ModelError, match=rf"does not list {SHARD}, which browsers load"):
        yolo_edge.verify(directory, runtime="none")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_wrong_answers_are_shown_and_fail_the_gate(directory, capsys, options):
    break_vectors(directory)
    assert run(["-q", "verify", str(directory), *options]) == GateError.exit_code
    shown = capsys.readouterr()
    if options:
        document = json.loads(shown.out)
        assert not document["passed"] and not document["runtimes"][0]["passed"]
        failed = [entry for entry in document["runtimes"][0]["differences"] if not entry["passed"]]
        assert [entry["quantity"] for entry in failed] == ["boxes"] and failed[0]["worst"] == pytest.approx(
            0.2, abs=0.01
        )
    else:
        assert "FAILED" in shown.out
    assert "does not compute what its golden vectors say (node: boxes 0.2" in shown.err


def test_directory_of_before_there_were_vectors(directory, capsys):
    (directory / GOLDEN_FILE).unlink()
    sign(directory)
    assert run(["-q", "verify", str(directory)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "holds no golden vectors, so nothing was computed: convert the weights again" in shown


def test_force_replaces_a_directory_with_vectors(converted_onnx, tmp_path):
    yolo_edge.convert(converted_onnx, tmp_path / "out")
    yolo_edge.convert(converted_onnx, tmp_path / "out", force=True)
    assert yolo_edge.verify(tmp_path / "out", runtime="none").passed
