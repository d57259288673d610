"""Names and versions that can be published, and the one form of documents."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.errors import UsageError
from yolo_edge.publication import layout
from yolo_edge.publication.store import check_key

BAD_NAMES = ("", "../up", "a/b", "Yolo", "yolo lite", "yolo_lite", "-lite", "pose.v1", "ﬁt", "ポーズ", "a" * 65, "a\n")
BAD_VERSIONS = (
    "",
    "1",
    "1.2",
    "v1.2.3",
    "1.2.3 ",
    "01.2.3",
    "1.2.3+build",
    "../1.0.0",
    "1.0.0/..",
    "1.0.0-é",
    "1.2.3-" + "a" * 64,
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_cannot_be_in_an_address_are_refused(name):
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        layout.check_name(name, "model")


@pytest.mark.parametrize("version", BAD_VERSIONS)
def test_what_is_no_semantic_version_is_refused(version):
    with pytest.raises(UsageError):
        layout.check_version(version)


def test_build_metadata_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="versions are not told apart"):
        layout.check_version("1.2.3+4")


@pytest.mark.parametrize("version", ["0.0.1", "1.2.0", "10.20.30", "1.0.0-rc.1", "1.0.0-alpha-x.7"])
def test_keys_of_a_version_are_keys_of_stores(version):
    assert layout.check_version(version) == version
    for key in (layout.record_key("lite", version), layout.retirement_key("lite", version)):
        assert check_key(key).startswith(layout.version_prefix("lite", version))
        assert layout.split_key(key) == ("lite", version, key.rpartition("/")[2])


def test_versions_sort_by_precedence():
    ordered = ["0.9.0", "1.0.0-alpha", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.10.0", "2.0.0"]
    assert sorted(set(ordered), key=layout.version_order) == ordered


@pytest.mark.parametrize("key", ["models/lite", "other/lite/1.0.0/x", "models/_doctor-1/x/y", "models//1.0.0/x"])
def test_foreign_keys_are_nobodys(key):
    assert layout.split_key(key) is None


def test_a_record_is_found_from_the_channel_file():
    from urllib.parse import urljoin

    base = "https://cdn.example/"
    channel = base + layout.channel_key("lite", "stable")
    assert urljoin(channel, layout.record_path("1.2.0")) == base + layout.record_key("lite", "1.2.0")


NUMBERS = st.integers(-(2**53), 2**53) | st.integers(1, 9999).map(lambda value: value / 100).filter(lambda v: v % 1)
DOCUMENTS = st.dictionaries(
    st.text("abcXYZ019._-/", max_size=8),
    st.recursive(
        st.none()
        | st.booleans()
        | NUMBERS
        | st.text(max_size=8).filter(lambda text: max(text, default="") <= "\ud7ff"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@given(DOCUMENTS)
def test_canonical_form_can_be_read_back_and_has_one_meaning(document):
    written = layout.canonical(document)
    assert json.loads(written) == document
    assert layout.canonical(dict(reversed(document.items()))) == written


def test_canonical_form_is_what_javascript_writes():
    """A page that checks signatures sorts keys and calls JSON.stringify (RFC 8785, 3.2)."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    document = {"b": [1, 0.07, 5, 99.99, None, True], "a": {"z": 'ü€😀\u2028"\\\n\x01/', "é": 2**53, "Z": ""}, "": -3}
    sort = (
        "const s=v=>Array.isArray(v)?v.map(s):v&&typeof v==='object'"
        "?Object.fromEntries(Object.keys(v).sort().map(k=>[k,s(v[k])])):v;"
    )
    script = f"{sort}process.stdout.write(JSON.stringify(s(JSON.parse(require('fs').readFileSync(0)))))"
    done = subprocess.run([node, "-e", script], input=json.dumps(document).encode(), capture_output=True, check=True)
    assert layout.canonical(document) == done.stdout
