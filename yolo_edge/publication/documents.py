"""Reading the documents of a store: JSON with a version, of which a newer or damaged one is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from yolo_edge.errors import ModelError, UsageError
from yolo_edge.publication.layout import canonical, check_name, check_version
from yolo_edge.publication.store import check_key
from yolo_edge.schema import validated

SCHEMA_VERSION = 1
"""Of commit records and channel files."""

LARGEST_DOCUMENT = 4 << 20
"""Bytes; a record of ten thousand files takes 3 MB."""


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """Make a check of usage one of documents."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except UsageError as error:
            raise ValueError(error.what) from error

    return AfterValidator(validate)


ModelName = Annotated[str, _checked(lambda value: check_name(value, "model"))]
ChannelName = Annotated[str, _checked(lambda value: check_name(value, "channel"))]
VariantName = Annotated[str, _checked(lambda value: check_name(value, "variant"))]
Version = Annotated[str, _checked(check_version)]
FilePath = Annotated[str, _checked(check_key)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A sha256 in lowercase hex."""


class Section(BaseModel):
    """A part of a document: nothing in it changes, nothing unknown is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Signature(Section):
    """Who vouches for a document; see :mod:`yolo_edge.publication.signature`.

    Attributes:
        algorithm: ``Ed25519`` (RFC 8032).
        key_id: the first 16 hex digits of the sha256 of the raw public key.
        value: 64 bytes, base64.
    """

    algorithm: str
    key_id: str
    value: str


class SignedDocument(Section):
    """A document that may be signed.

    Law: ``parse_document(type(d), d.to_bytes(), where) == d``.
    """

    schema_version: int = SCHEMA_VERSION
    kind: str
    signature: Signature | None = None

    def unsigned(self) -> dict[str, Any]:
        """Return what a signature is over."""
        return self.model_dump(mode="json", exclude={"signature"})

    def to_bytes(self) -> bytes:
        """Return the document as it is stored."""
        document = self.unsigned()
        if self.signature is not None:
            document["signature"] = self.signature.model_dump(mode="json")
        return canonical(document)


_Document = TypeVar("_Document", bound=SignedDocument)


def parse_document(form: type[_Document], data: bytes, where: str) -> _Document:
    """Read a document.

    Args:
        form: what it shall be.
        data: its bytes.
        where: key or address, for messages.

    Raises:
        ModelError: it is damaged, of a newer schema, or something else.
    """
    fix = "Publish again from a machine with the right files, or look at what wrote there."
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where} is not JSON.", fix=fix) from error
    return validated(form, document, where, newest=SCHEMA_VERSION, fix=fix)
