"""What a reader accepts of a served release: what its publisher signed, and not what a thief made of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.publication.directories import make_variant
from tests.publication.test_signature import write_keys
from yolo_edge.cache import CACHE_VARIABLE
from yolo_edge.errors import ModelError, NetworkError, SignatureError
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.layout import channel_key, record_key
from yolo_edge.publication.promotion import Flipping, promote, roll_back, try_canary
from yolo_edge.publication.reader import Trust, fetch_files, find_document, read_served
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import plan_release, publish_release
from yolo_edge.publication.signature import load_public_key, load_signer
from yolo_edge.publication.store import Store, open_store

pytest.importorskip("cryptography")
CHANNEL = channel_key("lite", "stable")


class Published:
    """Two signed versions in a folder, the second in the channel."""

    def __init__(self, directory: Path) -> None:
        private, public = write_keys(directory)
        self.signer, self.trust = load_signer(private), Trust(load_public_key(public))
        self.folder = directory / "site"
        self.store: Store = open_store(str(self.folder))
        self.records: dict[str, CommitRecord] = {}
        for number, version in enumerate(("1.0.0", "1.1.0")):
            content = read_content(make_variant(directory / version, seed=number), Compression(shards=False))
            record = plan_release(content, "lite", version, signer=self.signer)
            self.records[version] = publish_release(self.store, content, record, signer=self.signer).record
            promote(self.stable(), version)

    def stable(self, lifetime: timedelta | None = None) -> Flipping:
        return Flipping(self.store, "lite", "stable", signer=self.signer, lifetime=lifetime)

    def steal(self, key: str, change) -> None:
        """Edit an object as somebody does who has the key to the store, and not the key to sign with."""
        path = self.folder / key
        path.write_bytes(change(path.read_bytes()))


@pytest.fixture
def published(tmp_path, monkeypatch) -> Published:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return Published(tmp_path)


def edited(**changes):
    def change(data: bytes) -> bytes:
        return json.dumps({**json.loads(data), **changes}).encode()

    return change


def read(published: Published, key: str = CHANNEL, trust: Trust | None = None):
    with serve_store(published.store) as base:
        return read_served(base + key, trust or published.trust)


def test_channel_leads_to_the_record_and_its_files(published, tmp_path):
    with serve_store(published.store) as base:
        (served,) = read_served(base + CHANNEL, published.trust)
        assert served.record == published.records["1.1.0"]
        assert served.channel.seq == 2
        deliveries = fetch_files(served, tmp_path / "fetched")
    assert set(deliveries) == set(served.record.files)
    shard = "int8/group1-shard1of2.bin"
    assert (tmp_path / "fetched" / shard).read_bytes() == (tmp_path / "1.1.0" / "group1-shard1of2.bin").read_bytes()


def test_canary_is_read_as_well(published):
    try_canary(published.stable(), "1.0.0", 5)
    stable, canary = read(published)
    assert (stable.record.version, stable.canary) == ("1.1.0", False)
    assert (canary.record.version, canary.canary) == ("1.0.0", True)


def test_record_can_be_asked_for_itself(published):
    (served,) = read(published, record_key("lite", "1.0.0"))
    assert (served.record, served.channel) == (published.records["1.0.0"], None)
    with serve_store(published.store) as base:
        directory = base + record_key("lite", "1.0.0").rpartition("/")[0]
        assert find_document(directory) == f"{directory}/manifest.json"
        model = f"{base}models/lite/1.0.0/{published.records['1.0.0'].base}int8"
        assert find_document(f"{model}/model.json") is None
        assert find_document(f"{model}/manifest.json") is None


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        (CHANNEL, edited(origin=1), "is not what was signed"),
        (CHANNEL, edited(seq=99), "is not what was signed"),
        (CHANNEL, edited(signature=None), "is not signed"),
        (record_key("lite", "1.1.0"), edited(licence="MIT"), "is not the record that"),
    ],
)
def test_edited_documents_are_refused(published, key, change, message):
    published.steal(key, change)
    with pytest.raises(SignatureError, match=message):
        read(published)


def test_edited_record_asked_for_itself(published):
    published.steal(record_key("lite", "1.1.0"), edited(licence="MIT"))
    with pytest.raises(SignatureError, match="its signature does not fit"):
        read(published, record_key("lite", "1.1.0"))


def test_record_signed_by_another_key(published, tmp_path):
    private, _ = write_keys(tmp_path, "thief")
    from yolo_edge.publication.signature import sign

    forged = sign(published.records["1.1.0"], load_signer(private)).to_bytes()
    published.steal(record_key("lite", "1.1.0"), lambda _: forged)
    with pytest.raises(SignatureError, match="is signed by the Ed25519 key"):
        read(published, record_key("lite", "1.1.0"))


@pytest.mark.parametrize("name", ["group1-shard1of2.bin", "model.json"])
def test_edited_file_is_refused(published, tmp_path, name):
    key = f"models/lite/1.1.0/{published.records['1.1.0'].base}int8/{name}"
    published.steal(key, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with serve_store(published.store) as base:
        (served,) = read_served(base + CHANNEL, published.trust)
        with pytest.raises(SignatureError, match=f"{name} is not the file that the commit record names"):
            fetch_files(served, tmp_path / "fetched")


def test_an_old_channel_file_that_is_put_back_is_refused(published):
    old = (published.folder / CHANNEL).read_bytes()
    with serve_store(published.store) as base:
        roll_back(published.stable())
    with serve_store(published.store, port=urlsplit(base).port) as base:
        assert read_served(base + CHANNEL, published.trust)[0].record.version == "1.0.0"
    published.steal(CHANNEL, lambda _: old)
    with serve_store(published.store, port=urlsplit(base).port) as base:
        with pytest.raises(SignatureError, match="is at seq 2, and 3 was seen before"):
            read_served(base + CHANNEL, published.trust)
        forgetful = Trust(published.trust.key, remember=False)
        assert read_served(base + CHANNEL, forgetful)[0].record.version == "1.1.0"


def test_an_unsigned_forgery_does_not_raise_what_was_seen(published):
    """Or a thief could lock readers out: seqs that were checked without a key count for themselves."""
    genuine = (published.folder / CHANNEL).read_bytes()
    published.steal(CHANNEL, edited(seq=1000))
    with serve_store(published.store) as base:
        assert read_served(base + CHANNEL, Trust())[0].channel.seq == 1000
    published.steal(CHANNEL, lambda _: genuine)
    with serve_store(published.store, port=urlsplit(base).port) as base:
        assert read_served(base + CHANNEL, published.trust)[0].channel.seq == 2


def test_expired_channel_is_refused(published, monkeypatch):
    from datetime import UTC, datetime

    from yolo_edge.publication import channel

    promote(published.stable(timedelta(days=1)), "1.1.0")
    assert read(published)[0].channel.expires is not None

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(UTC) + timedelta(days=1, minutes=1)

    monkeypatch.setattr(channel, "datetime", Tomorrow)
    with pytest.raises(SignatureError, match="expired on"):
        read(published)


def test_a_channel_that_leads_nowhere(published):
    (published.folder / record_key("lite", "1.1.0")).unlink()
    with pytest.raises(NetworkError, match="404"):
        read(published)


def test_damaged_and_newer_documents(published):
    for change, message in ((lambda _: b"{", "is not JSON"), (edited(schema_version=2), "schema version 2")):
        published.steal(record_key("lite", "1.0.0"), change)
        with pytest.raises(ModelError, match=message):
            from yolo_edge.publication.documents import parse_document

            parse_document(CommitRecord, (published.folder / record_key("lite", "1.0.0")).read_bytes(), "it")
        published.steal(record_key("lite", "1.0.0"), lambda _: published.records["1.0.0"].to_bytes())


def test_genuine_documents_in_the_place_of_others_are_refused(published):
    """Signed, and yet not what was asked for."""
    promote(Flipping(published.store, "lite", "latest", signer=published.signer), "1.0.0")
    latest = (published.folder / channel_key("lite", "latest")).read_bytes()
    published.steal(CHANNEL, lambda _: latest)
    with pytest.raises(SignatureError, match=r"is the document of models/lite/channels/latest\.json"):
        read(published)
    with pytest.raises(SignatureError, match="is the channel latest of lite"):
        promote(published.stable(), "1.0.0")
    old = published.records["1.0.0"].to_bytes()
    published.steal(record_key("lite", "1.1.0"), lambda _: old)
    with pytest.raises(SignatureError, match=r"is the document of models/lite/1\.0\.0/manifest\.json"):
        read(published, record_key("lite", "1.1.0"))


def test_the_publisher_signs_nothing_that_a_thief_wrote(published):
    published.steal(CHANNEL, edited(seq=10**9))
    with pytest.raises(SignatureError, match="is not what was signed"):
        try_canary(published.stable(), "1.0.0", 5)
