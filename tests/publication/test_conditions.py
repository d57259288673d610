"""Before publishing: does the service honour conditional writes?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publication import forgetful
from yolo_edge.errors import NetworkError
from yolo_edge.publication.conditions import require_conditional_writes
from yolo_edge.publication.store import Store, open_store


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[forgetful.Service]:
    """No real service: see :mod:`tests.publication.forgetful`."""
    pytest.importorskip("boto3", reason="the extra s3 is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with forgetful.running(forgetful.Service()) as running:
        yield running


def probe(stand_in: forgetful.Service) -> None:
    require_conditional_writes(open_store("s3://models/site", endpoint_url=stand_in.endpoint))


def test_good_stores_pass_and_nothing_stays(store: Store, tmp_path: Path):
    require_conditional_writes(store)
    assert list(store.list()) == []
    assert not (tmp_path / "site").exists(), "a folder needs no probe"


def test_service_that_keeps_its_word_passes(stand_in: forgetful.Service):
    probe(stand_in)
    assert not stand_in.objects
    assert len(stand_in.requests) == 6, stand_in.requests
    assert all("/models/site/models/_doctor-" in path for _, path in stand_in.requests)


@pytest.mark.parametrize(
    ("honoured", "told"),
    [
        ({"If-Match"}, "does not honour If-None-Match, so two publishers could overwrite each other"),
        ({"If-None-Match"}, "does not honour If-Match, so"),
        (set(), "does not honour If-None-Match and If-Match"),
    ],
)
def test_service_that_ignores_conditions_is_refused(stand_in: forgetful.Service, honoured: set[str], told: str):
    stand_in.honours = honoured
    with pytest.raises(NetworkError, match=told) as caught:
        probe(stand_in)
    assert "s3://models/site" in str(caught.value) and "Cloudflare R2" in str(caught.value)
    assert not stand_in.objects, "the probe is removed"


def test_key_that_may_not_write_is_told(stand_in: forgetful.Service):
    stand_in.refuses = {"PUT"}
    with pytest.raises(NetworkError, match="s3:PutObject"):
        probe(stand_in)


def test_key_that_may_not_delete_may_publish(stand_in: forgetful.Service):
    stand_in.refuses = {"DELETE"}
    probe(stand_in)
    assert len(stand_in.objects) == 1
