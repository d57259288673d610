"""What a release will hold is what the manifests of its directories say, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os

import brotli
import pytest

from tests.publication.directories import make_variant
from yolo_edge.errors import InputError, ModelError, UsageError
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.record import LARGEST_FILE, integrity_of

RAW = Compression(shards=False)


def test_a_directory_becomes_a_variant_named_for_its_scheme(tmp_path):
    content = read_content(make_variant(tmp_path / "whatever", scheme="rd"), RAW)
    assert list(content.variants) == ["rd"]
    paths = {file.path for file in content.files}
    assert {"rd/model.json", "rd/manifest.json", "rd/group1-shard1of2.bin"} <= paths


def test_a_folder_of_directories_becomes_variants_of_their_names(tmp_path):
    make_variant(tmp_path / "all" / "int8-640")
    make_variant(tmp_path / "all" / "rd-320", scheme="rd", seed=1)
    (tmp_path / "all" / "notes.txt").write_text("mine")
    content = read_content(tmp_path / "all", RAW)
    assert list(content.variants) == ["int8-640", "rd-320"]
    assert content.left_out == ("notes.txt",)
    assert not any("notes" in file.path for file in content.files)


def test_entries_tell_decoded_and_stored_bytes(tmp_path):
    directory = make_variant(tmp_path / "int8")
    for compression in (RAW, Compression(shards=True), Compression(shards=True, documents=True)):
        for file in read_content(directory, compression).files:
            if not file.path.startswith("int8/"):
                continue
            raw = (directory / file.path.removeprefix("int8/")).read_bytes()
            entry = file.entry
            assert (brotli.decompress(file.data) if entry.content_encoding else file.data) == raw
            assert (entry.bytes, entry.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
            assert entry.integrity == integrity_of(entry.sha256)
            assert (entry.stored_bytes, entry.stored_sha256) == (len(file.data), hashlib.sha256(file.data).hexdigest())
            assert (entry.content_encoding == "br") is compression.takes(file.path)


def test_changed_since_it_was_made(tmp_path):
    directory = make_variant(tmp_path / "int8")
    shard = directory / "group1-shard1of2.bin"
    shard.write_bytes(shard.read_bytes()[::-1])
    with pytest.raises(ModelError, match="has changed since it was made"):
        read_content(directory, RAW)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    directory = make_variant(tmp_path / "int8")
    os.truncate(directory / "group1-shard1of2.bin", 300_000_000)
    manifest = json.loads((directory / "manifest.json").read_text())
    entry = manifest["files"]["group1-shard1of2.bin"]
    entry["bytes"] = 300_000_000
    with (directory / "group1-shard1of2.bin").open("rb") as file:
        entry["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="has 300 MB; files of up to 67 MB"):
        read_content(directory, RAW)
    assert LARGEST_FILE < 300_000_000


def test_a_huge_file_that_no_manifest_lists_is_named_and_left(tmp_path):
    directory = make_variant(tmp_path / "int8")
    (directory / "core").touch()
    os.truncate(directory / "core", 300_000_000)
    assert read_content(directory, RAW).left_out == ("core",)


def test_what_is_no_converted_model(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(InputError, match=path.name):
            read_content(path, RAW)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "model.json").write_text("{}")
    with pytest.raises(ModelError, match="was not made by yolo-edge"):
        read_content(tmp_path / "foreign", RAW)


def test_a_name_that_cannot_be_a_variants(tmp_path):
    make_variant(tmp_path / "all" / "Int 8")
    with pytest.raises(UsageError, match="Int 8"):
        read_content(tmp_path / "all", RAW)


def test_different_licences_do_not_go_under_one_name(tmp_path):
    make_variant(tmp_path / "all" / "one")
    path = make_variant(tmp_path / "all" / "two", seed=1) / "manifest.json"
    document = json.loads(path.read_text())
    document["model"]["licence"] = "MIT"
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"different licences \(AGPL-3.0; MIT\)"):
        read_content(tmp_path / "all", RAW)
