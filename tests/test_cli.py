"""The command line: help, results on stdout, talk on stderr, exit codes, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

import yolo_edge
from tests.commands import COMMAND, run_command, start_command, wait_for_line
from yolo_edge import cli

PANELS = {
    "Make a model": ("convert", "quantize", "inspect", "models"),
    "Prove that it works": ("predict", "validate", "verify", "demo", "benchmark"),
    "Weigh size against speed and quality": ("frontier", "sizes", "bench"),
    "Publish it": ("publish", "promote", "rollback", "canary", "release"),
    "Look after a store": ("channels", "history", "releases", "collect", "retire", "doctor"),
}
GROUPS = ("benchmark",)
COMMANDS = tuple(command for panel in PANELS.values() for command in panel if command not in GROUPS)
GROUPED = ("benchmark list", "benchmark fetch")


def test_help_names_every_command_in_its_panel(capsys):
    assert cli.run(["--help"]) == 0
    _, *panels = re.split(r"^(\S.*):\n", capsys.readouterr().out.partition("\nOptions:\n")[2], flags=re.MULTILINE)
    shown = dict(zip(panels[::2], panels[1::2], strict=True))
    assert {title: tuple(re.findall(r"^  (\w+) ", text, re.MULTILINE)) for title, text in shown.items()} == PANELS
    assert {command.name or command.callback.__name__ for command in cli.app.registered_commands} == set(COMMANDS)


def test_help_tells_the_whole_of_what_a_command_does(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for command in cli.app.registered_commands:
        assert " ".join(command.callback.__doc__.split()) in shown


def test_help_of_a_group_names_its_commands(capsys):
    assert tuple(group.name for group in cli.app.registered_groups) == GROUPS
    assert cli.run(["benchmark", "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search("^  list ", out, re.MULTILINE) and re.search("^  fetch ", out, re.MULTILINE)
    assert cli.run(["benchmark"]) == 2
    assert cli.run(["benchmark", "bake"]) == 2


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPED])
def test_every_option_is_explained(command, capsys):
    assert cli.run([*command.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: yolo-edge {command}") or f" {command} " in out.splitlines()[0]
    options = re.findall(r"^  (?:-\w, )?(--[\w-]+)(.*)$", out, re.MULTILINE)
    assert "--json" in dict(options)
    for option, explanation in options:
        assert explanation.strip() or re.search(rf"{option}[^\n]*\n {{10,}}\S", out), f"{option} is not explained"


def test_help_is_quick():
    def cpu_seconds() -> float:
        before = os.times()
        subprocess.run([*COMMAND, "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(cpu_seconds() for _ in range(3)) < 0.3 * 2, "0.3 s, times two for a busy machine"


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"{yolo_edge.__version__}\n"


def test_no_command_shows_help_and_is_a_usage_error(capsys):
    assert cli.run([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Usage:") and "convert" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["konvert"], "konvert"),
        (["convert"], "source"),
        (["convert", "yolo11n-pose"], "output"),
        (["convert", "yolo11n-pose", "-o"], "-o"),
        (["convert", "yolo11n-pose", "-o", "out", "--bogus"], "--bogus"),
        (["convert", "yolo11n-pose", "-o", "out", "--quantize", "int3"], "float32, float16, int8"),
        (["convert", "yolo11n-pose", "-o", "out", "--engine", "steam"], "direct, tensorflow"),
        (["convert", "yolo11n-pose", "-o", "out", "--onnx", "burn"], "--onnx keep"),
        (["convert", "yolo11n-pose", "-o", "out", "--imgsz", "big"], "480x640"),
        (["convert", "yolo11n-pose", "-o", "out", "--imgsz", "640x640x3"], "480x640"),
        (["predict", "yolo11n-pose"], "images"),
        (["predict", "yolo11n-pose", "a.jpg", "--confidence", "high"], "--confidence"),
    ],
)
def test_usage_errors(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and "\n  fix: " in err and said.lower() in err.lower()
    assert len(err.splitlines()) == 2, "one block, no usage dump"
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_3(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["inspect", "nothing.pt"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "nothing.pt" in err and "\n  fix: " in err


def test_missing_component_is_7(capsys, tmp_path, monkeypatch, converted_onnx):
    from yolo_edge.lowering import tensorflow

    monkeypatch.setattr(tensorflow, "find_spec", lambda name: None)
    source = ["convert", str(converted_onnx), "-o", str(tmp_path / "out"), "--engine", "tensorflow"]
    assert cli.run(source) == 7
    assert "pip install 'yolo-edge[tf]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_one_block_and_1(capsys, monkeypatch):
    from yolo_edge.verbs import models

    def broken() -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(models, "models", broken)
    assert cli.run(["models"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.startswith("error: Unexpected ZeroDivisionError: boom") and "YOLO_EDGE_DEBUG=1" in err
    monkeypatch.setenv("YOLO_EDGE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.run(["models"])


def test_a_reader_that_leaves_early_is_no_bug(tmp_path):
    with subprocess.Popen([*COMMAND, "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("arguments", [["models"], ["inspect", "MODEL"]], ids=lambda arguments: arguments[0])
def test_json_is_the_whole_of_stdout(arguments, capsys, converted):
    assert cli.run([str(converted) if word == "MODEL" else word for word in arguments] + ["--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_convert_talks_on_stderr_and_answers_on_stdout(tmp_path, converted_onnx):
    done = run_command("convert", converted_onnx, "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["directory"] == "out"
    assert answer["manifest"] == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sum(answer["operations"].values()) == answer["manifest"]["model"]["operations"]
    assert "Lowering to a TF.js graph model" in done.stderr and "Wrote out" in done.stderr


def test_table_and_quiet(tmp_path, converted_onnx):
    done = run_command("--quiet", "convert", converted_onnx, "-o", "out", "--name", "lite", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for expected in ("lite", "320x320 px", "group1-shard1of", "on the wire", "AGPL-3.0"):
        assert expected in done.stdout
    assert "\x1b" not in done.stdout, "no colours into a file"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "signal_name"),
    [("Exporting", "SIGINT"), ("Exporting", "SIGTERM"), ("Lowering", "SIGINT"), ("Measuring", "SIGTERM")],
)
def test_interrupted_halfway(tmp_path, weights, converted_onnx, stage, signal_name):
    source = weights if stage == "Exporting" else converted_onnx
    process = start_command("convert", source, "-o", "models/out", cwd=tmp_path)
    with process:
        wait_for_line(process, stage)
        assert [path.suffix for path in (tmp_path / "models").iterdir()] == [".partial"]
        process.send_signal(getattr(signal, signal_name))
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.strip().splitlines()[-1] == "error: interrupted, nothing half-made was left" and "Traceback" not in err
    assert list(tmp_path.iterdir()) == [], "neither a half-made directory nor its new parent"
