"""Downloads go on where they were cut off, and never mix two versions of a file."""

from __future__ import annotations

import pytest

from tests.photos.web import serving
from yolo_edge import downloads
from yolo_edge.downloads import DownloadError, download
from yolo_edge.errors import OutputError

CONTENT = bytes(range(256)) * 2000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)


@pytest.fixture
def site():
    with serving() as running:
        running.files["/file"] = CONTENT
        yield running


def fetch(site, target):
    amounts = []
    download(f"{site.address}/file", target, amounts.append)
    return amounts


def test_a_file_comes_whole_and_alone(site, tmp_path):
    amounts = fetch(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT and sum(amounts) == len(CONTENT)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_what_breaks_off_is_taken_up_again(site, tmp_path):
    site.cut["/file"] = [100_000, 50_000]
    amounts = fetch(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT and sum(amounts) == len(CONTENT)
    assert site.requests == [("/file", None), ("/file", "bytes=100000-"), ("/file", "bytes=150000-")]


def test_a_later_call_goes_on(site, tmp_path):
    site.cut["/file"] = [100_000, 0, 0, 0]
    with pytest.raises(DownloadError, match="broke off after 100,000 of 512,000 bytes"):
        fetch(site, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    site.requests.clear()
    amounts = fetch(site, tmp_path / "file")
    assert site.requests == [("/file", "bytes=100000-")] and amounts[0] == 100_000
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["another version", "no ranges"])
def test_a_rest_that_does_not_fit_is_no_rest(site, tmp_path, change):
    site.cut["/file"] = [100_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(site, tmp_path / "file")
    if change == "another version":
        site.files["/file"] = CONTENT[::-1]
    else:
        site.knows_ranges = False
    amounts = fetch(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == site.files["/file"] and sum(amounts) == len(CONTENT)


def test_a_file_that_was_whole_but_not_renamed_yet(site, tmp_path):
    site.cut["/file"] = [len(CONTENT) - 1, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(site, tmp_path / "file")
    with (tmp_path / ".file.partial").open("ab") as file:
        file.write(CONTENT[-1:])
    fetch(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_passing_refusals_are_asked_again_and_final_ones_not(site, tmp_path):
    site.refused["/file"] = [503, 429]
    fetch(site, tmp_path / "file")
    assert len(site.requests) == 3
    site.requests.clear()
    with pytest.raises(DownloadError, match="answered 404 Not Found") as error:
        download(f"{site.address}/none", tmp_path / "none", lambda amount: None)
    assert error.value.status == 404 and len(site.requests) == 1
    assert not (tmp_path / "none").exists()


def test_nobody_there(tmp_path):
    with serving() as gone:
        address = gone.address
    with pytest.raises(DownloadError, match=r"could not be reached \(Connection refused\)"):
        download(f"{address}/file", tmp_path / "file", lambda amount: None)


def test_a_full_disk_is_no_fault_of_the_network(site, small_disk):
    site.files["/file"] = CONTENT * 4
    with pytest.raises(OutputError, match=r"disk .* is full"):
        fetch(site, small_disk / "file")
    assert len(site.requests) == 1
