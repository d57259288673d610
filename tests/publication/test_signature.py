"""Signatures: the key's holder is believed, nobody else, and the key itself is never shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.publication.directories import make_variant
from yolo_edge.errors import InputError, SignatureError
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.documents import parse_document
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import plan_release
from yolo_edge.publication.signature import PASSPHRASE_VARIABLE, check_signature, load_public_key, load_signer, sign

pytest.importorskip("cryptography")


def write_keys(directory: Path, name: str = "key", passphrase: str | None = None) -> tuple[Path, Path]:
    """A private key and its public half, as openssl writes them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    private, public = directory / f"{name}.pem", directory / f"{name}-public.pem"
    encrypted = ["-aes256", "-pass", f"pass:{passphrase}"] if passphrase else []
    opened = ["-passin", f"pass:{passphrase}"] if passphrase else []
    run = ["openssl", "genpkey", "-algorithm", "ed25519", *encrypted, "-out", private]
    subprocess.run(run, check=True, capture_output=True)
    subprocess.run(
        ["openssl", "pkey", "-in", private, *opened, "-pubout", "-out", public], check=True, capture_output=True
    )
    return private, public


@pytest.fixture
def record(tmp_path) -> CommitRecord:
    content = read_content(make_variant(tmp_path / "int8"), Compression(shards=False))
    return plan_release(content, "lite", "1.0.0")


def test_what_was_signed_passes_and_is_the_same_each_time(record, tmp_path):
    private, public = write_keys(tmp_path)
    signed = sign(record, load_signer(private))
    assert signed == sign(record, load_signer(private))
    read = parse_document(CommitRecord, signed.to_bytes(), "here")
    check_signature(read, load_public_key(public), "here")
    assert read.unsigned() == record.unsigned()


def test_anybody_can_check_it_with_openssl(record, tmp_path):
    import base64

    private, public = write_keys(tmp_path)
    signed = sign(record, load_signer(private))
    (tmp_path / "document").write_bytes(record.to_bytes())
    (tmp_path / "signature").write_bytes(base64.b64decode(signed.signature.value))
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    check += ["-in", tmp_path / "document", "-sigfile", tmp_path / "signature"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("field", ["version", "licence", "value", "key_id", "algorithm"])
def test_any_change_is_found(record, tmp_path, field):
    private, public = write_keys(tmp_path)
    document = json.loads(sign(record, load_signer(private)).to_bytes())
    place = document if field in document else document["signature"]
    place[field] = {"version": "1.0.1", "value": "AAAA"}.get(field, "other")
    with pytest.raises(SignatureError, match="the record"):
        check_signature(
            parse_document(CommitRecord, json.dumps(document).encode(), "x"), load_public_key(public), "the record"
        )


def test_unsigned_and_other_keys_are_refused(record, tmp_path):
    private, _ = write_keys(tmp_path)
    _, other = write_keys(tmp_path, "other")
    with pytest.raises(SignatureError, match="is not signed"):
        check_signature(record, load_public_key(other), "it")
    with pytest.raises(SignatureError, match="not by"):
        check_signature(sign(record, load_signer(private)), load_public_key(other), "it")


def test_encrypted_key_takes_its_passphrase_from_the_environment(tmp_path, monkeypatch):
    private, public = write_keys(tmp_path, passphrase="open-sesame")
    with pytest.raises(InputError, match="is encrypted"):
        load_signer(private)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong-one")
    with pytest.raises(InputError, match="or the passphrase is another") as caught:
        load_signer(private)
    assert "wrong-one" not in str(caught.value)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "open-sesame")
    signer = load_signer(private)
    assert signer.public_key.key_id == load_public_key(public).key_id
    assert "open-sesame" not in repr(signer)


def test_files_that_are_no_keys(tmp_path):
    private, public = write_keys(tmp_path)
    (tmp_path / "noise.pem").write_text("noise")
    rsa = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", rsa], check=True, capture_output=True)
    for path in (tmp_path / "missing.pem", tmp_path / "noise.pem", rsa, public):
        with pytest.raises(InputError, match=path.name):
            load_signer(path)
    for path in (tmp_path / "missing.pem", tmp_path / "noise.pem", private):
        with pytest.raises(InputError, match=path.name) as caught:
            load_public_key(path)
        assert "PRIVATE" not in str(caught.value)
