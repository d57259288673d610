"""Signatures of commit records and channel files: who holds the key to the bucket cannot change what they say.

Ed25519 (RFC 8032), by the package ``cryptography``. The same key and document give the same signature, so a repeated
publish writes the same record. A key is made offline, by ``openssl genpkey -algorithm ed25519 -out key.pem``; its
public half by ``openssl pkey -in key.pem -pubout -out public.pem``.

Law: ``check_signature(sign(document, signer), signer.public_key, where)`` passes, and no document that differs does.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from yolo_edge.errors import InputError, MissingComponentError, SignatureError
from yolo_edge.publication.documents import Signature, SignedDocument
from yolo_edge.publication.layout import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "Ed25519"
PASSPHRASE_VARIABLE = "YOLO_EDGE_SIGNING_PASSPHRASE"
"""Environment variable with the passphrase of an encrypted key."""

_MAKE_KEY = "Make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_MAKE_PUBLIC = "Make it with: openssl pkey -in key.pem -pubout -out public.pem"
_LARGEST_KEY_FILE = 1 << 16

_Signed = TypeVar("_Signed", bound=SignedDocument)


@dataclass(frozen=True)
class PublicKey:
    """What signatures are checked with.

    Attributes:
        key_id: the first 16 hex digits of the sha256 of the raw key.
    """

    key: Ed25519PublicKey
    key_id: str


@dataclass(frozen=True, repr=False)
class Signer:
    """What documents are signed with. The key is in no message, log or representation."""

    key: Ed25519PrivateKey
    public_key: PublicKey


def load_signer(path: Path) -> Signer:
    """Read a private key.

    Args:
        path: a PEM file (PKCS #8). Its passphrase, if it has one, comes from ``YOLO_EDGE_SIGNING_PASSPHRASE``.

    Raises:
        InputError: it cannot be read, is no Ed25519 key, or is encrypted and the passphrase does not fit.
        MissingComponentError: the package cryptography is not installed.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    try:
        key = load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:  # the passphrase is missing, or there is one and the key is plain: the text is not repeated
        what = "is encrypted" if passphrase is None else "is not encrypted, but there is a passphrase"
        raise InputError(
            f"The key {path} {what}.", fix=f"Look at the environment variable {PASSPHRASE_VARIABLE}."
        ) from None
    except Exception:  # whatever the parser raises may repeat what it parsed
        raise InputError(
            f"{path} holds no private key that can be read, or the passphrase is another.", fix=_MAKE_KEY
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"The key {path} is not of Ed25519.", fix=_MAKE_KEY)
    return Signer(key, _public(key.public_key()))


def load_public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        InputError: it cannot be read, or is no Ed25519 public key in PEM.
        MissingComponentError: the package cryptography is not installed.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except InputError:
        raise
    except Exception:  # a private key given by mistake must not end up in a message
        raise InputError(f"{path} holds no public key in PEM.", fix=_MAKE_PUBLIC) from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"The key {path} is not of Ed25519.", fix=_MAKE_PUBLIC)
    return _public(key)


def sign(document: _Signed, signer: Signer | None) -> _Signed:
    """Return the document with a signature over all else of it; without a signer, unsigned."""
    if signer is None:
        return document.model_copy(update={"signature": None})
    value = signer.key.sign(canonical(document.unsigned()))
    signature = Signature(algorithm=ALGORITHM, key_id=signer.public_key.key_id, value=base64.b64encode(value).decode())
    return document.model_copy(update={"signature": signature})


def check_signature(document: SignedDocument, key: PublicKey, where: str) -> None:
    """Check that the holder of a key vouches for a document.

    Args:
        document: commit record or channel file.
        key: the public key.
        where: key or address, for messages.

    Raises:
        SignatureError: it is unsigned, signed by another key, or has been changed since.
    """
    from cryptography.exceptions import InvalidSignature

    signature = document.signature
    fix = "Do not use it: whoever may write to the store has changed it. Publish again with --sign under a new version."
    if signature is None:
        raise SignatureError(f"{where} is not signed.", fix=fix)
    if signature.algorithm != ALGORITHM or signature.key_id != key.key_id:
        raise SignatureError(
            f"{where} is signed by the {signature.algorithm} key {signature.key_id}, not by {key.key_id}.", fix=fix
        )
    try:
        key.key.verify(base64.b64decode(signature.value, validate=True), canonical(document.unsigned()))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"{where} is not what was signed: its signature does not fit.", fix=fix) from error


def _public(key: Ed25519PublicKey) -> PublicKey:
    return PublicKey(key, hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY_FILE)
    except OSError as error:
        raise InputError(f"The key {path} cannot be read: {error.strerror}.", fix="Check the path.") from error


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingComponentError(
            "The package cryptography is not installed, which signatures need.",
            fix="Run: pip install 'yolo-edge[sign]'",
        ) from error
