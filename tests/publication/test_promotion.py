"""Channels: which version readers get, and that nobody's change is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.publication.directories import make_variant
from tests.publication.test_signature import write_keys
from yolo_edge.errors import ConflictError, ModelError, UsageError
from yolo_edge.publication.channel import Canary, Channel, read_channel, require_channel
from yolo_edge.publication.collection import retire
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.documents import parse_document
from yolo_edge.publication.layout import SHORT_LIVED, channel_key, record_key
from yolo_edge.publication.promotion import Flipping, promote, roll_back, try_canary
from yolo_edge.publication.release import plan_release, publish_release
from yolo_edge.publication.signature import check_signature, load_public_key, load_signer
from yolo_edge.publication.store import Store, open_store, sha256_hex

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


@pytest.fixture
def local(tmp_path) -> Store:
    """A folder with three versions."""
    return filled(open_store(str(tmp_path / "site")), tmp_path, VERSIONS)


def filled(store: Store, tmp_path, versions) -> Store:
    content = read_content(make_variant(tmp_path / "int8"), Compression(shards=False))
    for version in versions:
        publish_release(store, content, plan_release(content, "lite", version))
    return store


def stable(store: Store, **options) -> Flipping:
    return Flipping(store, "lite", "stable", **options)


def at(store: Store) -> str:
    return require_channel(store, "lite", "stable").version


def test_first_promotion_makes_the_channel(store, tmp_path):
    filled(store, tmp_path, ["1.0.0"])
    flip = promote(stable(store), "1.0.0")
    assert (flip.changed, flip.previous, flip.channel.seq) == (True, None, 1)
    data, info = store.get(channel_key("lite", "stable"))
    assert info.headers.cache_control == SHORT_LIVED
    channel = parse_document(Channel, data, "it")
    assert channel == flip.channel
    assert channel.record.sha256 == sha256_hex(store.get(record_key("lite", "1.0.0"))[0])
    assert not promote(stable(store), "1.0.0").changed, "nothing to do is no change"


def test_rollbacks_go_back_one_version_each(local):
    for version in VERSIONS:
        promote(stable(local), version)
    for expected in ("1.1.0", "1.0.0"):
        assert roll_back(stable(local)).channel.version == expected
    with pytest.raises(ConflictError, match="no state before that is there"):
        roll_back(stable(local))
    promote(stable(local), "1.2.0")
    assert roll_back(stable(local)).channel.version == "1.0.0", "what was before is where the rollbacks led"
    actions = [state.action for state in require_channel(local, "lite", "stable").history]
    assert actions == ["promote", "rollback", "rollback", "promote", "promote", "promote"]


def test_rollback_to_a_version(local):
    for version in VERSIONS:
        promote(stable(local), version)
    assert roll_back(stable(local), "1.0.0").channel.version == "1.0.0"
    with pytest.raises(ConflictError, match=r"no state of 9\.9\.9"):
        roll_back(stable(local), "9.9.9")


def test_rollback_passes_over_what_was_retired(local):
    for version in VERSIONS:
        promote(stable(local), version)
    retire(local, "lite", "1.1.0")
    assert roll_back(stable(local)).channel.version == "1.0.0"


def test_stale_expectations_are_refused(local):
    promote(stable(local, expect="none"), "1.0.0")
    for expect in ("1.1.0", "2", "none"):
        with pytest.raises(ConflictError, match=rf"is at 1\.0\.0 \(seq 1\), not at {expect}"):
            promote(stable(local, expect=expect), "1.2.0")
    promote(stable(local, expect="1.0.0"), "1.1.0")
    promote(stable(local, expect="2"), "1.2.0")
    with pytest.raises(ConflictError, match="is not there, not at 1"):
        promote(Flipping(local, "lite", "beta", "1.0.0"), "1.1.0")
    for change in (roll_back, lambda f: try_canary(f, "1.0.0", 5)):
        with pytest.raises(ConflictError, match=r"not at 1\.0\.0"):
            change(stable(local, expect="1.0.0"))


def test_versions_that_are_not_there_or_retired_are_refused(local):
    with pytest.raises(ConflictError, match=r"lite 3\.0\.0 is not in"):
        promote(stable(local), "3.0.0")
    retire(local, "lite", "1.1.0")
    for change in (lambda: promote(stable(local), "1.1.0"), lambda: try_canary(stable(local), "1.1.0", 5)):
        with pytest.raises(ConflictError, match=r"1\.1\.0 was retired"):
            change()


def test_canary_grows_and_ends(local):
    with pytest.raises(ConflictError, match="no channel stable to try"):
        try_canary(stable(local), "1.1.0", 5)
    promote(stable(local), "1.0.0")
    first = try_canary(stable(local), "1.1.0", 5).channel
    assert (first.version, first.canary.version, first.canary.percent) == ("1.0.0", "1.1.0", 5)
    assert b'"percent":5,' in first.to_bytes()
    second = try_canary(stable(local), "1.1.0", 12.5).channel
    assert second.canary.salt == first.canary.salt, "who has the canary keeps it as it grows"
    clients = [f"client-{number}" for number in range(4000)]
    early, late = ({client for client in clients if state.canary.takes(client)} for state in (first, second))
    assert early < late
    assert len(early) / 4000 == pytest.approx(0.05, abs=0.015)
    assert len(late) / 4000 == pytest.approx(0.125, abs=0.025)
    assert try_canary(stable(local), "1.2.0", 5).channel.canary.salt != first.canary.salt
    assert try_canary(stable(local), "1.2.0", 0).channel.canary is None
    assert not try_canary(stable(local), "1.2.0", 0).changed
    try_canary(stable(local), "1.1.0", 5)
    assert promote(stable(local), "1.1.0").channel.canary is None, "a promotion ends the canary"
    with pytest.raises(ConflictError, match=r"All readers of stable get 1\.1\.0 already"):
        try_canary(stable(local), "1.1.0", 5)


def test_canary_rule_is_the_documented_one():
    canary = Canary(
        version="1.0.0",
        release="0" * 64,
        record={"path": "../1.0.0/manifest.json", "sha256": "0" * 64, "integrity": "x"},
        percent=50,
        salt="ab",
    )
    draw = int(sha256_hex(b"ab:me")[:8], 16) / 2**32 * 100
    assert canary.takes("me") is (draw < 50)


@pytest.mark.parametrize("percent", [-1, 100, 101, 0.001, float("nan")])
def test_percentages_that_are_none(local, percent):
    promote(stable(local), "1.0.0")
    with pytest.raises(UsageError, match="is no percentage"):
        try_canary(stable(local), "1.1.0", percent)


def test_twenty_promotions_at_once_are_twenty_changes(store, tmp_path):
    versions = [f"1.0.{number}" for number in range(20)]
    filled(store, tmp_path, [*versions, "0.9.0"])
    promote(stable(store), "0.9.0")
    with ThreadPoolExecutor(20) as pool:
        flips = list(pool.map(lambda version: promote(stable(store), version), versions))
    channel = require_channel(store, "lite", "stable")
    assert channel.seq == 21
    assert {state.version for state in channel.history} | {channel.version} == {*versions, "0.9.0"}
    assert sorted(flip.channel.seq for flip in flips) == list(range(2, 22))


def test_a_lost_reply_is_not_another_change(local):
    """The swap takes effect and fails all the same; somebody else changes the channel before the second attempt."""
    promote(stable(local), "1.0.0")

    class Deaf:
        address, calls = local.address, 0

        def __getattr__(self, name):
            return getattr(local, name)

        def swap(self, *arguments):
            self.calls += 1
            local.swap(*arguments)
            promote(stable(local), "1.2.0")
            raise ConflictError("lost")

    deaf = Deaf()
    assert promote(stable(deaf), "1.1.0").changed
    assert deaf.calls == 1
    assert [state.version for state in require_channel(local, "lite", "stable").history] == ["1.1.0", "1.0.0"]
    assert at(local) == "1.2.0"


def test_signed_channels_stay_signed(local, tmp_path):
    private, public = write_keys(tmp_path)
    other, _ = write_keys(tmp_path, "other")
    content = read_content(make_variant(tmp_path / "signed"), Compression(shards=False))
    for version in ("2.0.0", "2.1.0"):
        record = plan_release(content, "lite", version, signer=load_signer(private))
        publish_release(local, content, record, signer=load_signer(private))
    flip = promote(stable(local, signer=load_signer(private), lifetime=timedelta(days=30)), "2.0.0")
    check_signature(flip.channel, load_public_key(public), "it")
    assert not flip.channel.expired
    for signer in (None, load_signer(other)):
        with pytest.raises(ConflictError, match="is signed by"):
            promote(stable(local, signer=signer), "2.1.0")
    again = promote(stable(local, signer=load_signer(private), lifetime=timedelta(days=60)), "2.0.0")
    assert again.changed and again.channel.seq == 2, "a new date of expiry is a change"
    assert again.channel.origin == 1, "and no new version to roll back from"


def test_a_damaged_channel_is_not_written_over(local):
    from yolo_edge.publication.layout import CHANNEL_HEADERS

    local.put_once(channel_key("lite", "stable"), b"{", CHANNEL_HEADERS)
    with pytest.raises(ModelError, match="is not JSON"):
        promote(stable(local), "1.0.0")
    assert local.get(channel_key("lite", "stable"))[0] == b"{"


def test_a_newer_channel_is_not_understood(local):
    from yolo_edge.publication.layout import CHANNEL_HEADERS

    local.put_once(channel_key("lite", "stable"), b'{"schema_version":2}', CHANNEL_HEADERS)
    with pytest.raises(ModelError, match="schema version 2, this yolo-edge reads up to 1"):
        read_channel(local, "lite", "stable")


def test_a_signed_channel_leads_to_signed_records_alone(local, tmp_path):
    private, _ = write_keys(tmp_path)
    with pytest.raises(ConflictError, match=r"is not signed\. Readers of a signed channel would refuse it"):
        promote(stable(local, signer=load_signer(private)), "1.0.0")
