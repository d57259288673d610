"""Publishing as users and CI do it: the command line, its errors and exit codes, a browser that loads the result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import yolo_edge
from tests.commands import run_command
from tests.nets import shipped_photo
from tests.publication.conftest import s3_settings, service  # noqa: F401  (fixtures of the real S3 service)
from tests.publication.directories import make_variant
from tests.publication.faults import faulty_network
from tests.publication.test_signature import write_keys
from yolo_edge import cli
from yolo_edge.errors import InputError, NetworkError, OutputError
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY
from yolo_edge.publication.store import open_store
from yolo_edge.verbs.tables import megabytes


@pytest.fixture
def variant(tmp_path) -> Path:
    return make_variant(tmp_path / "int8")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder that every command takes as the store."""
    monkeypatch.setenv("YOLO_EDGE_STORE", str(tmp_path / "site"))
    return tmp_path / "site"


def answer(capsys, *arguments: object, code: int = 0):
    """Run a command in this process; its JSON, or its stderr where it fails."""
    got = cli.run([*map(str, arguments), *(["--json"] if code == 0 else [])])
    out, err = capsys.readouterr()
    assert got == code, err
    return json.loads(out) if code == 0 else err


def test_the_life_of_a_model(variant, site, capsys, tmp_path):
    published = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--channel", "stable")
    assert (published["state"], published["channel"]["seq"]) == ("published", 1)
    assert (site / published["models"]["int8"]).is_file()
    again = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--channel", "stable")
    assert (again["state"], again["channel"]["changed"], again["files_written"]) == ("already published", False, 0)
    better = make_variant(tmp_path / "better", seed=1)
    err = answer(capsys, "publish", better, "--name", "lite", "--version", "1.0.0", code=5)
    assert "int8/group1-shard1of2.bin has sha256" in err and "raise the version" in err
    answer(capsys, "publish", better, "--name", "lite", "--version", "1.1.0")
    canary = answer(capsys, "canary", "lite", "1.1.0", "--channel", "stable", "--percent", "5")
    assert canary["canary"] == {"version": "1.1.0", "percent": 5}
    promoted = answer(capsys, "promote", "lite", "1.1.0", "--channel", "stable", "--expect", "1.0.0")
    assert (promoted["version"], promoted["previous"]["version"], promoted["canary"]) == ("1.1.0", "1.0.0", None)
    assert "not at 1.0.0" in answer(
        capsys, "promote", "lite", "1.0.0", "--channel", "stable", "--expect", "1.0.0", code=5
    )
    assert answer(capsys, "rollback", "lite", "--channel", "stable")["version"] == "1.0.0"
    assert [entry["action"] for entry in answer(capsys, "history", "lite")] == [
        *("rollback", "promote", "canary", "promote")
    ]
    (stable,) = answer(capsys, "channels", "lite")
    assert (stable["version"], stable["seq"]) == ("1.0.0", 4)
    listed = answer(capsys, "releases")
    assert [(entry["version"], entry["channels"]) for entry in listed] == [("1.1.0", []), ("1.0.0", ["stable"])]
    assert "The readers of stable" in answer(capsys, "retire", "lite", "1.0.0", code=5)
    assert answer(capsys, "retire", "lite", "1.1.0")["changed"]
    assert answer(capsys, "collect", "--dry-run")["garbage"] == []
    assert "/models/:name/channels/:channel\n" in (site / "_headers").read_text()


def test_what_pages_load_is_told_whole(variant, site, capsys):
    options = ["publish", str(variant), "--name", "a-model-of-a-rather-long-name", "--channel", "stable"]
    assert cli.run([*options, "--version", "1.0.0-rc.1"]) == 0
    told = {line.split(": ")[0]: line.split(": ")[-1] for line in capsys.readouterr().out.splitlines()}
    for what in ("channel file", "loader", "model int8"):
        assert (site / told[what]).is_file(), told
    assert told["loader"].endswith("/web/index.js") and "below the address that the store is served at" in "".join(told)
    with serve_store(open_store(str(site))) as base:
        assert cli.run([*options, "--version", "1.0.0-rc.1", "--url", base]) == 0
    out = capsys.readouterr().out
    assert all(f"{what}: {base}{told[what]}\n" in out for what in ("channel file", "loader", "model int8"))


def test_no_terminal_is_so_narrow_that_an_address_is_cut(variant, site, capsys, monkeypatch):
    published = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--channel", "stable")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert cli.run(["publish", str(variant), "--name", "lite", "--version", "1.0.0", "--channel", "stable"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for what in (published["models"]["int8"], published["loader"], published["channel"]["key"]):
        assert any(line.endswith(what) for line in lines), lines


MISSPELT = {
    "channels lit": "no model lit in file://",
    "history lit": "there are: lite",
    "history lit --channel stable": "no model lit in file://",
    "releases lit": "there are: lite",
    "collect --name lit": "there are: lite",
    "collect --name lit --dry-run": "no model lit in file://",
}


@pytest.mark.parametrize("command", MISSPELT)
def test_misspelt_models_are_told(command, variant, site, capsys):
    assert MISSPELT[command].replace("there are: lite", "no model is there") in answer(
        capsys, *command.split(), "--store", site.parent, code=5
    )
    answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0")
    assert MISSPELT[command] in answer(capsys, *command.split(), code=5)
    assert answer(capsys, "channels", "lite") == answer(capsys, "history", "lite") == [], "it is there, and has none"
    assert answer(capsys, "collect", "--name", "lite")["garbage"] == []
    assert "no channel stable" in answer(capsys, "history", "lite", "--channel", "stable", code=5)


@pytest.mark.parametrize(
    "command", ["channels lite", "history lite", "history lite --channel stable", "releases", "collect"]
)
def test_folder_that_is_not_there_is_told(command, site, capsys):
    assert f"There is no folder {site}" in answer(capsys, *command.split(), code=3)
    assert not site.exists()
    site.mkdir()
    if command == "releases":
        assert answer(capsys, command) == []
    if command == "collect":
        assert answer(capsys, command)["garbage"] == []


def test_what_collect_will_take_is_told_before(variant, site, capsys):
    for version in ("1.0.0", "1.1.0"):
        answer(capsys, "publish", variant, "--name", "lite", "--version", version)
    answer(capsys, "retire", "lite", "1.1.0")
    (waiting,) = answer(capsys, "collect", "--dry-run")["waiting"]
    assert (waiting["version"], waiting["reason"]) == ("1.1.0", "retired")
    day = (datetime.now(UTC) + timedelta(days=7)).strftime("%F")
    assert cli.run(["collect", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "Nothing would be deleted" in out and "objects" not in out
    assert f"lite 1.1.0: retired, its {waiting['objects']} files can go on {day}" in out
    assert answer(capsys, "collect")["garbage"] == []
    assert len(answer(capsys, "releases")) == 2


@pytest.mark.parametrize("command", ["channels lite", "history lite", "releases", "collect --dry-run"])
def test_tables(variant, site, capsys, command):
    publish = ["publish", str(variant), "--name", "lite", "--version", "1.0.0", "--channel", "stable"]
    assert cli.run(publish) == 0
    assert "lite 1.0.0: published" in capsys.readouterr().out
    assert cli.run(["promote", "lite", "1.0.0", "--channel", "beta", "--expires", "30d"]) == 0
    assert "1.0.0 (seq 1)" in capsys.readouterr().out
    assert cli.run(command.split()) == 0
    assert ("1.0.0" in capsys.readouterr().out) is not command.startswith("collect")


def test_dry_run_writes_nothing(variant, site, capsys):
    planned = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--dry-run")
    assert planned["state"] == "dry run"
    assert cli.run(["publish", str(variant), "--name", "lite", "--version", "1.0.0", "--dry-run"]) == 0
    out = capsys.readouterr().out
    files = planned["files"]
    assert f"would upload  {files} of {files} files, {megabytes(planned['stored_bytes'])}" in out
    assert planned["planned"] == {"published": False, "files": files, "bytes": planned["stored_bytes"]}
    assert not site.exists()
    assert answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0")["release"] == planned["release"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_dry_run_tells_what_is_there_already(variant, site, tmp_path, capsys):
    publish = ["publish", str(variant), "--name", "lite", "--version", "1.0.0", "--channel", "stable"]
    done = answer(capsys, *publish)
    before = contents(site)
    assert cli.run([*publish, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"would upload  0 of {done['files']} files, 0.0 kB" in out and "dry run, published already" in out
    assert "stable is at 1.0.0, seq 1" in out and f"channel file: {done['channel']['key']}" in out
    better = make_variant(tmp_path / "better", seed=1)
    assert "raise the version" in answer(
        capsys, "publish", better, "--name", "lite", "--version", "1.0.0", "--dry-run", code=5
    )
    next_one = ["publish", str(better), "--name", "lite", "--version", "1.1.0", "--channel", "stable", "--dry-run"]
    assert cli.run(next_one) == 0
    assert "stable would be at 1.1.0, seq 2" in capsys.readouterr().out
    assert "not at 9.0.0" in answer(capsys, *next_one, "--expect", "9.0.0", code=5)
    assert contents(site) == before


def test_dry_run_counts_what_a_broken_publisher_left_or_somebody_deleted(variant, site, capsys):
    publish = ["publish", variant, "--name", "lite", "--version", "1.0.0"]
    done = answer(capsys, *publish)
    shard = next(site.rglob("*.bin"))
    size = shard.stat().st_size
    shard.unlink()
    one_missing = {"files": 1, "bytes": size}
    assert answer(capsys, *publish, "--dry-run")["planned"] == {"published": True, **one_missing}
    (site / done["record"]).unlink()
    assert answer(capsys, *publish, "--dry-run")["planned"] == {"published": False, **one_missing}
    assert answer(capsys, *publish)["files_written"] == 1
    answer(capsys, "retire", "lite", "1.0.0")
    assert "was retired" in answer(capsys, *publish, "--dry-run", code=5)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--name", "../up", "--version", "1.0.0"], 2, "cannot be the name of a model"),
        (["--name", "yolo lite", "--version", "1.0.0"], 2, "cannot be the name of a model"),
        (["--name", "pösé", "--version", "1.0.0"], 2, "cannot be the name of a model"),
        (["--name", "lite", "--version", "../1.0.0"], 2, "is not a version"),
        (["--name", "lite", "--version", "latest"], 2, "is not a version"),
        (["--name", "lite", "--version", "1.0.0", "--channel", "a/b"], 2, "cannot be the name of a channel"),
        (["--name", "lite", "--version", "1.0.0", "--expires", "soon"], 2, "is no duration"),
        (["--name", "lite", "--version", "1.0.0", "--sign", "missing.pem"], 3, "missing.pem"),
        (["--name", "lite", "--version", "1.0.0", "--require-gate", "missing"], 3, "missing"),
        (["--name", "lite", "--version", "1.0.0", "--store", "ftp://host"], 2, "no kind of store ftp://"),
    ],
)
def test_refused_at_the_door(variant, site, capsys, options, code, message):
    assert message in answer(capsys, "publish", variant, *options, code=code)
    assert not site.exists()


def test_directory_that_changed_is_refused(variant, site, capsys):
    (variant / "model.json").write_text("{}")
    assert "has changed since it was made" in answer(
        capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", code=3
    )


def test_gate(converted, tmp_path, site, capsys):
    """A report that ``validate`` wrote, of a genuine model."""
    report = tmp_path / "report"
    photos = tmp_path / "photos"
    photos.mkdir()
    photo = shipped_photo("bus.jpg")
    shutil.copy(photo, photos / photo.name)
    yolo_edge.validate(str(converted), benchmark=str(photos), runtime=("node",), output=report, timing=False)
    publish = ["publish", converted, "--name", "lite", "--require-gate", report]
    done = answer(capsys, *publish, "--version", "1.0.0")
    record = json.loads((site / done["record"]).read_text())
    stored = site / "models/lite/1.0.0" / record["base"] / record["gate"]["report"]
    assert stored.read_bytes() == (report / "report.json").read_bytes()
    document = json.loads((report / "report.json").read_text())
    document["variants"][0]["verdict"] = "fail"
    (report / "report.json").write_text(json.dumps(document))
    assert "failed the gate" in answer(capsys, *publish, "--version", "1.1.0", code=4)


def test_a_thief_is_found_by_verify(variant, site, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("YOLO_EDGE_CACHE", str(tmp_path / "cache"))
    private, public = write_keys(tmp_path)
    answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--channel", "stable", "--sign", private)
    store = open_store(str(site))
    check = ("--public-key", public, "--runtime", "none")
    with serve_store(store) as base:
        channel = f"{base}models/lite/channels/stable.json"
        found = answer(capsys, "verify", channel, *check)
        assert found["passed"] and found["releases"][0]["version"] == "1.0.0"
        assert cli.run(["verify", channel, "--runtime", "none"]) == 0
        assert "No signature was checked" in capsys.readouterr().out
    shard = next(site.rglob("*.bin"))
    genuine = shard.read_bytes()
    shard.write_bytes(genuine[::-1])
    with serve_store(store) as base:
        assert "is not the file" in answer(capsys, "verify", f"{base}models/lite/channels/stable.json", *check, code=3)
        model = f"{base}{shard.relative_to(site).parent.as_posix()}"
        assert "nobody signs" in answer(capsys, "verify", model, *check, code=2)


def test_verify_runs_a_published_model(converted, site, capsys):
    done = answer(capsys, "publish", converted, "--name", "lite", "--version", "1.0.0")
    with serve_store(open_store(str(site))) as base:
        found = answer(capsys, "verify", base + done["record"], "--runtime", "node")
    (release,) = found["releases"]
    assert release["variants"]["float32"]["runtimes"][0]["passed"]


@pytest.mark.browser
def test_browser_loads_what_was_published_and_refuses_a_tampered_shard(converted, site, capsys):
    """With plain ``tf.loadGraphModel`` and the hashes of the commit record."""
    from tests.publication.browser import load_in_browser

    done = answer(capsys, "publish", converted, "--name", "lite", "--version", "1.0.0", "--channel", "stable")
    store = open_store(str(site))
    with serve_store(store) as base:
        assert load_in_browser(f"{base}models/lite/channels/stable.json") == {"inputs": [[1, 320, 320, 3]]}
    shard = next((site / done["models"]["float32"]).parent.glob("*.bin"))
    shard.write_bytes(shard.read_bytes()[::-1])
    with serve_store(store) as base:
        assert "error" in load_in_browser(f"{base}models/lite/channels/stable.json")


def test_s3_over_https_with_what_browsers_receive(variant, s3_settings, capsys):  # noqa: F811
    address = f"s3://{BUCKET}/{os.urandom(4).hex()}"
    store = open_store(address, endpoint_url=s3_settings.endpoints["https"])
    with serve_store(store) as base:
        options = ["--store", address, "--endpoint-url", s3_settings.endpoints["https"], "--url", base]
        done = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", *options)
    received = {entry["path"]: entry for entry in done["received"]}
    assert received["int8/group1-shard1of2.bin"]["content_encoding"] == "br", "shards are stored compressed"
    assert all("immutable" in entry["cache_control"] for entry in received.values())
    assert len(received) == done["files"] + 1


def test_a_cdn_that_serves_something_else_is_found(variant, site, tmp_path, capsys):
    answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0")
    other = make_variant(tmp_path / "other", seed=3)
    elsewhere = tmp_path / "elsewhere"
    yolo_edge.publish(other, store=str(elsewhere), name="lite", version="1.0.0")
    with serve_store(open_store(str(elsewhere))) as base:
        err = answer(capsys, "publish", variant, "--name", "lite", "--version", "1.0.0", "--url", base, code=6)
    assert "models/lite/1.0.0" in err


BAD_SETTINGS = {
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, {}, "credentials"),
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "another-secret-000000000000000000000001"}, {}, "secret access key"),
    "missing bucket": ({}, {"store": "s3://no-such-bucket/x"}, "has no such bucket"),
    "nobody there": ({}, {"endpoint": "http://127.0.0.1:9"}, "could not be reached at http://127.0.0.1:9."),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_services_that_refuse(case, variant, s3_settings, tmp_path):  # noqa: F811
    """In a process of its own, all of whose output is searched for secrets."""
    environment, change, message = BAD_SETTINGS[case]
    endpoint = change.get("endpoint", s3_settings.endpoints["http"])
    done = run_command(
        *("publish", variant, "--name", "lite", "--version", "1.0.0"),
        *("--store", change.get("store", f"s3://{BUCKET}/{os.urandom(4).hex()}"), "--endpoint-url", endpoint),
        cwd=tmp_path,
        YOLO_EDGE_DEBUG="",
        **environment,
    )
    assert done.returncode == 6, done.stderr
    assert message in done.stderr
    said = done.stdout + done.stderr
    for secret in (SECRET_KEY, environment.get("AWS_SECRET_ACCESS_KEY") or SECRET_KEY, ACCESS_KEY):
        assert secret not in said
    assert "Traceback" not in said


def test_secrets_are_in_nothing_that_is_published(variant, s3_settings, capsys):  # noqa: F811
    address = f"s3://{BUCKET}/{os.urandom(4).hex()}"
    endpoint = s3_settings.endpoints["http"]
    options = ("--store", address, "--endpoint-url", endpoint, "--name", "lite", "--version", "1.0.0")
    done = answer(capsys, "publish", variant, *options, "--channel", "stable")
    store = open_store(address, endpoint_url=endpoint)
    everything = json.dumps(done).encode() + b"".join(store.get(listed.key)[0] for listed in store.list())
    for secret in (SECRET_KEY, ACCESS_KEY):
        assert secret.encode() not in everything


def test_a_full_disk_loses_nothing(variant, small_disk, tmp_path):
    """A genuine file system of 1 MiB."""
    site = small_disk / "site"
    yolo_edge.publish(variant, store=str(site), name="lite", version="1.0.0", channel="stable")
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    big = make_variant(tmp_path / "big", size=2_000_000, seed=1)
    with pytest.raises(OutputError, match="is full"):
        yolo_edge.publish(big, store=str(site), name="lite", version="1.1.0", channel="stable")
    after = {path: path.read_bytes() for path in before}
    assert after == before
    assert [listing.release.record.version for listing in yolo_edge.releases(store=str(site))] == ["1.0.0"]


def test_a_full_disk_at_the_service_loses_nothing(variant, tmp_path):
    """SeaweedFS may write no file above 4 MB: a limit of its process stands for the disk."""
    from benchmarks.publication import service_running

    with service_running() as small:
        options = {"store": f"s3://{BUCKET}/full", "endpoint_url": small.endpoints["http"], "name": "lite"}
        yolo_edge.publish(variant, version="1.0.0", channel="stable", **options)
        small.limit_files(4_000_000)
        big = make_variant(tmp_path / "big", shards=1, size=6_000_000, seed=1)
        with pytest.raises(NetworkError, match="answered"):
            yolo_edge.publish(big, version="1.1.0", channel="stable", precompress=False, **options)
        (channel,) = yolo_edge.channels("lite", store=options["store"], endpoint_url=options["endpoint_url"])
        assert channel.channel.version == "1.0.0"


def test_interrupted_upload_is_finished_by_the_same_command(variant, s3_settings, tmp_path):  # noqa: F811
    """Killed while it uploads over a slow line."""
    big = make_variant(tmp_path / "big", size=2_000_000, seed=1)
    with faulty_network(s3_settings.endpoints["http"], delay=0.3) as (endpoint, _):
        address = f"s3://{BUCKET}/{os.urandom(4).hex()}"
        command = [sys.executable, "-m", "yolo_edge", "publish", str(big), "--name", "lite", "--version", "1.0.0"]
        command += ["--store", address, "--endpoint-url", endpoint, "--no-precompress"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "Uploading" in line:
                break
        process.kill()
        process.wait()
    endpoint = s3_settings.endpoints["http"]
    assert yolo_edge.releases(store=address, endpoint_url=endpoint) == ()
    done = yolo_edge.publish(big, store=address, endpoint_url=endpoint, name="lite", version="1.0.0", precompress=False)
    assert done.state == "published"


def test_python_callers_get_the_same_errors(tmp_path):
    with pytest.raises(InputError):
        yolo_edge.publish(tmp_path / "missing", store=str(tmp_path / "site"), name="lite", version="1.0.0")
