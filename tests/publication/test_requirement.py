"""A report lets through the very bytes that it judged, and only if they did not fail."""

from __future__ import annotations

import json

import pytest

from tests.publication.directories import make_variant
from yolo_edge.errors import GateError, InputError
from yolo_edge.publication.requirement import Report, read_reports, require_passed
from yolo_edge.validation.candidate import find_candidate
from yolo_edge.validation.result import SCHEMA_VERSION


def read_report(path) -> Report:
    return read_reports([path])


def write_report(directory, *judged, schema_version: int = SCHEMA_VERSION):
    """A report as ``validate`` writes it; tests/verbs/test_publish.py has one that it wrote."""
    variants = [
        {"name": path.name, "sha256": find_candidate(path).digest, "verdict": verdict} for path, verdict in judged
    ]
    directory.mkdir()
    (directory / "report.json").write_text(json.dumps({"schema_version": schema_version, "variants": variants}))
    return directory


@pytest.fixture
def variants(tmp_path):
    return {name: make_variant(tmp_path / name, seed=seed) for seed, name in enumerate(("int8", "rd"))}


def test_judged_and_passed(variants, tmp_path):
    report = write_report(tmp_path / "report", *((path, "pass") for path in variants.values()))
    assert require_passed(read_report(report), variants) == ()
    assert require_passed(read_report(report / "report.json"), {"int8": variants["int8"]}) == ()


def test_too_few_photos_to_tell_is_let_through_and_named(variants, tmp_path):
    report = write_report(tmp_path / "report", (variants["int8"], "inconclusive"), (variants["rd"], "pass"))
    assert require_passed(read_report(report), variants) == ("int8",)


def test_failed_is_refused(variants, tmp_path):
    report = write_report(tmp_path / "report", (variants["int8"], "fail"), (variants["rd"], "pass"))
    with pytest.raises(GateError, match="int8 failed the gate") as caught:
        require_passed(read_report(report), variants)
    assert caught.value.exit_code == 4
    assert require_passed(read_report(report), {"rd": variants["rd"]}) == ()


def test_other_bytes_are_refused(variants, tmp_path):
    report = write_report(tmp_path / "report", (variants["int8"], "pass"))
    other = make_variant(tmp_path / "again", seed=7)
    for directories in ({"int8": other}, variants):
        with pytest.raises(GateError, match="does not judge the bytes of"):
            require_passed(read_report(report), directories)


def test_another_decode_contract_is_other_bytes(variants, tmp_path):
    """The loader decodes by it, so it was judged too."""
    report = write_report(tmp_path / "report", (variants["int8"], "pass"))
    manifest = variants["int8"] / "manifest.json"
    document = json.loads(manifest.read_text())
    document["contract"]["output"]["confidence"] = 0.9
    manifest.write_text(json.dumps(document))
    with pytest.raises(GateError, match="does not judge the bytes of"):
        require_passed(read_report(report), {"int8": variants["int8"]})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1, "variants": [{}]}', "\xff"])
def test_what_is_no_report(text, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is no validation report"):
        read_report(path)


def test_missing_and_newer_reports(variants, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "nowhere")
    report = write_report(tmp_path / "report", (variants["int8"], "pass"), schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(InputError, match="has schema version"):
        read_report(report)


def test_reports_of_several_sizes_are_published_as_one(variants, tmp_path):
    paths = [write_report(tmp_path / f"report-{name}", (path, "pass")) for name, path in variants.items()]
    joined = read_reports(paths)
    assert require_passed(joined, variants) == ()
    document = json.loads(joined.data)
    assert [entry["name"] for entry in document["variants"]] == ["int8", "rd"]
    assert document["reports"] == [json.loads((path / "report.json").read_text()) for path in paths]
    (tmp_path / "joined.json").write_bytes(joined.data)
    assert require_passed(read_report(tmp_path / "joined.json"), variants) == (), "a report like any other"
