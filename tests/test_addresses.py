"""Addresses that are refused, and messages that keep what may be secret."""

from __future__ import annotations

import pytest

import yolo_edge
from yolo_edge import cli
from yolo_edge.addresses import site_address
from yolo_edge.errors import UsageError

SECRET = "hunter2"
WRONG = (
    f"ftp://u:{SECRET}@h?x=1",
    f"https://u:{SECRET}@h/",
    f"https://{SECRET}@h",
    f"https://h/?token={SECRET}",
    f"https://h/#{SECRET}",
    f"u:{SECRET}@h",
    f"https://u:{SECRET}/x@h",
    f"https://[{SECRET}@h",
    f"https://u:{SECRET}@h:99999",
    f"https://h:99999/?{SECRET}",
    "https://h/a b",
    "https://h?",
    "https:///models",
    "cdn.example",
    "",
)


@pytest.mark.parametrize("address", WRONG)
def test_what_is_no_site_is_refused_and_no_secret_is_told(address):
    with pytest.raises(UsageError) as raised:
        site_address(address)
    assert SECRET not in str(raised.value) and raised.value.fix


@pytest.mark.parametrize("address", ["https://h", "http://127.0.0.1:8000/", "https://cdn.example:8443/models/of/mine"])
def test_plain_ones_are_taken(address):
    assert site_address(address) == address


COMMANDS = {
    "publish": "publish {here} --store {here}/site --name lite --version 1.0.0 --dry-run --url {url}",
    "release": "release {here}/recipe.yaml --store {here}/site --version 1.0.0 --url {url}",
    "doctor": "doctor --store {here}/site --url {url}",
    "benchmark": "benchmark fetch coco-val2017 --output {here}/set --source-url {url}",
    "verify": "verify {url}",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", [f"ftp://u:{SECRET}@h?x=1", f"https://u:{SECRET}@h:99999/", f"ftp://h?{SECRET}"])
def test_every_command_refuses_before_anything_else(command, url, tmp_path, capsys):
    words = COMMANDS[command].format(here=tmp_path, url=url).split()
    assert cli.run(words) == 2
    out, err = capsys.readouterr()
    assert SECRET not in out + err and "address" in err
    assert list(tmp_path.iterdir()) == []


def test_python_callers_are_told_too(tmp_path):
    with pytest.raises(UsageError, match="user name"):
        yolo_edge.publish(tmp_path, store=str(tmp_path), name="lite", version="1.0.0", url="https://me@h")


@pytest.mark.parametrize("command", ["publish", "release"])
def test_files_are_not_looked_at_over_plain_http(command, tmp_path, capsys):
    words = COMMANDS[command].format(here=tmp_path, url="http://cdn.example").split()
    assert cli.run(words) == 2
    assert "plain http" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "refused before anything is published"
