"""What yolo-edge writes appears whole or not at all, and nobody's files are deleted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from yolo_edge.errors import InputError, OutputError, UsageError
from yolo_edge.files import keep_apart, settled, sha256_of, staged_directory, staged_file


def names_below(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def make_own_directory(directory: Path, **files: str) -> Path:
    """A directory as yolo-edge leaves it: a manifest that names its files."""
    directory.mkdir(parents=True)
    for name, content in files.items():
        (directory / name).write_text(content)
    (directory / "manifest.json").write_text(json.dumps({"schema_version": 1, "files": {name: {} for name in files}}))
    return directory


def test_directory_appears_at_the_end_with_everything_in_it(tmp_path):
    target = tmp_path / "new" / "parents" / "out"
    with staged_directory(target) as staging:
        (staging / "a.txt").write_text("a")
        assert staging.parent == target.parent, "a rename within one disk is what makes it whole"
        assert not target.exists()
    assert names_below(tmp_path / "new") == ["parents", "parents/out", "parents/out/a.txt"]


def test_what_is_told_of_a_staged_path_is_where_it_will_be(tmp_path):
    with staged_directory(tmp_path / "out") as directory:
        assert settled(directory / "model.json") == tmp_path / "out" / "model.json"
    assert settled(Path("my.partial/.hidden")) == Path("my.partial/.hidden")


def test_directory_has_the_mode_that_mkdir_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with staged_directory(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


@pytest.mark.parametrize("failure", [RuntimeError("crash"), KeyboardInterrupt(), SystemExit(1), InputError("bad")])
@pytest.mark.parametrize("stage", [staged_directory, staged_file])
def test_nothing_is_left_when_the_work_fails(tmp_path, stage, failure):
    with pytest.raises(type(failure)), stage(tmp_path / "new" / "parents" / "out") as staging:
        if stage is staged_directory:
            (staging / "deep").mkdir()
            (staging / "deep" / "half").write_text("half")
        else:
            staging.write_text("half")
        raise failure
    assert names_below(tmp_path) == []


def test_parents_that_were_there_before_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(RuntimeError), staged_directory(tmp_path / "mine" / "new" / "out"):
        raise RuntimeError
    assert names_below(tmp_path) == ["mine"]


def test_existing_directory_needs_force(tmp_path):
    target = make_own_directory(tmp_path / "out", old="old")
    with pytest.raises(OutputError, match=r"out exists already.*--force"), staged_directory(target):
        pytest.fail("the work must not start")
    with staged_directory(target, force=True) as staging:
        (staging / "new").write_text("new")
        assert (target / "old").exists(), "the old one stays until the new one is whole"
    assert names_below(tmp_path) == ["out", "out/new"]


def test_empty_directory_is_taken_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    with staged_directory(tmp_path / "out") as staging:
        (staging / "new").write_text("new")
    assert names_below(tmp_path) == ["out", "out/new"]


def test_old_directory_survives_a_failed_replacement(tmp_path):
    target = make_own_directory(tmp_path / "out", old="old")
    with pytest.raises(KeyboardInterrupt), staged_directory(target, force=True) as staging:
        (staging / "new").write_text("new")
        raise KeyboardInterrupt
    assert names_below(tmp_path) == ["out", "out/manifest.json", "out/old"]


def test_old_directory_comes_back_when_the_last_rename_fails(tmp_path):
    target = make_own_directory(tmp_path / "out", old="old")
    with pytest.raises(OutputError, match="cannot be written"), staged_directory(target, force=True) as staging:
        staging.rmdir()
    assert names_below(tmp_path) == ["out", "out/manifest.json", "out/old"]


@pytest.mark.parametrize("force", [False, True])
def test_what_someone_else_puts_there_meanwhile_is_kept(tmp_path, force):
    with pytest.raises(OutputError), staged_directory(tmp_path / "out", force=force):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert names_below(tmp_path) == ["out", "out/thesis.txt"]
    with pytest.raises(OutputError, match="exists already"), staged_file(tmp_path / "picture.png") as staging:
        staging.write_text("new")
        (tmp_path / "picture.png").write_text("mine")
    assert (tmp_path / "picture.png").read_text() == "mine"


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": "mine"},
        {"manifest.json": '{"name": "a browser extension"}', "background.js": "mine"},
        {"manifest.json": "{", "notes": "mine"},
        {"model.json": '{"format": "graph-model"}', "group1-shard1of1.bin": "trained for weeks"},
        {"manifest.json": '{"schema_version": 1, "files": {"model.json": {}}}', "model.json": "", "thesis.txt": "mine"},
    ],
    ids=["foreign", "web-extension", "damaged-manifest", "someone-elses-model", "own-plus-a-foreign-file"],
)
def test_force_never_deletes_what_is_not_ours(tmp_path, files):
    target = tmp_path / "out"
    target.mkdir()
    for name, content in files.items():
        (target / name).write_text(content)
    with pytest.raises(OutputError, match="did not make"), staged_directory(target, force=True):
        pytest.fail("the work must not start")
    assert {path.name: path.read_text() for path in target.iterdir()} == files


def test_force_overlooks_what_file_managers_leave(tmp_path):
    target = make_own_directory(tmp_path / "out", old="old")
    (target / ".DS_Store").write_text("")
    with staged_directory(target, force=True):
        pass
    assert names_below(tmp_path) == ["out"]


def test_link_to_a_directory_stays_a_link(tmp_path):
    make_own_directory(tmp_path / "real", old="old")
    (tmp_path / "link").symlink_to("real")
    with staged_directory(tmp_path / "link", force=True) as staging:
        (staging / "new").write_text("new")
    assert names_below(tmp_path) == ["link", "real", "real/new"]
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("stage", [staged_directory, staged_file])
@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("file/out", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("/proc/yolo-edge-test/out", "cannot be written"),
    ],
    ids=["below-a-file", "name-too-long", "no-such-place"],
)
def test_impossible_places_are_refused_before_the_work(tmp_path, stage, where, message):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=message), stage(tmp_path / where) as staging:
        if stage is staged_file:  # a file's place is tried by writing it
            staging.write_text("x")
    assert names_below(tmp_path) == ["file"]


def test_file_where_a_directory_was_meant(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is not a directory"), staged_directory(tmp_path / "out", force=True):
        pytest.fail("the work must not start")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("stage", [staged_directory, staged_file])
def test_place_that_refuses_writing(tmp_path, stage, unwritable):
    with pytest.raises(OutputError, match=r"out cannot be written: .*[a-z].*Choose"), stage(unwritable / "out") as path:
        path.write_text("x")


@pytest.mark.parametrize("stage", [staged_directory, staged_file])
def test_full_disk(stage, small_disk):
    full = pytest.raises(OutputError, match=r"disk that holds .* is full.*Free some space")
    with full, stage(small_disk / "new" / "out") as staging:
        (staging / "big" if stage is staged_directory else staging).write_bytes(bytes(2 << 20))
    assert names_below(small_disk) == []


def test_the_disk_that_is_full_is_the_one_named(tmp_path):
    with pytest.raises(OutputError, match=r"disk that holds /elsewhere is full"), staged_directory(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere/cache")


def test_refusals_about_other_files_are_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, staged_directory(tmp_path / "out"):
        (tmp_path / "input").read_bytes()
    assert caught.value.errno == errno.ENOENT
    assert names_below(tmp_path) == []


def test_file_appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "out.png"
    with staged_file(target) as staging:
        assert staging.suffix == ".png", "image writers choose the format by the suffix"
        staging.write_text("whole")
        assert not target.exists()
    assert names_below(tmp_path) == ["new", "new/out.png"]


def test_existing_file_needs_force(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(OutputError, match="exists already"), staged_file(target):
        pytest.fail("the work must not start")
    with pytest.raises(RuntimeError), staged_file(target, force=True) as staging:
        staging.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    with staged_file(target, force=True) as staging:
        staging.write_text("new")
    assert target.read_text() == "new"
    assert names_below(tmp_path) == ["out"]


def test_directory_where_a_file_was_meant(tmp_path):
    with pytest.raises(OutputError, match="a file was expected"), staged_file(tmp_path, force=True):
        pytest.fail("the work must not start")


def test_sha256(tmp_path):
    content = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError, match=r"missing cannot be read"):
        sha256_of(tmp_path / "missing")
    with pytest.raises(InputError, match=r"cannot be read"):
        sha256_of(tmp_path)


def test_an_output_that_holds_what_is_read_is_refused(tmp_path):
    model = tmp_path / "models" / "tiny"
    model.mkdir(parents=True)
    (model / "model.onnx").touch()
    for target in (model, model.parent, tmp_path / "models" / ".." / "models"):
        with pytest.raises(UsageError, match="which is read"):
            keep_apart(target, [model / "model.onnx"])
    keep_apart(tmp_path / "other", [model])
    keep_apart(model, [model / "no-such-file"])
