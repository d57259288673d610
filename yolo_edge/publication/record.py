"""The commit record: what a published version holds, with the hash of every file. It is written last, and never again.

The same files, name and version give the same record, so that a repeated publish finds its own. It holds no date.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, model_validator

from yolo_edge.files import MANIFEST_FILE
from yolo_edge.publication.documents import (
    Digest,
    FilePath,
    ModelName,
    Section,
    SignedDocument,
    VariantName,
    Version,
)
from yolo_edge.publication.layout import REPORT_FILE, base_of, file_headers, sha256_of_document, version_prefix
from yolo_edge.publication.store import Headers
from yolo_edge.tfjs.manifest import MODEL_FILE

LARGEST_FILE = 64 << 20
"""Bytes. The shards that yolo-edge writes have 4 MB; a file of this size is something else, and CDNs refuse it."""

LARGEST_RELEASE = 2 << 30
"""Bytes of all files, decoded."""


class PublishedFile(Section):
    """A file of a release.

    Attributes:
        bytes: its size, decoded.
        sha256: hex, of the decoded bytes.
        integrity: the same for browsers (https://www.w3.org/TR/SRI/), which check decoded bytes.
        content_type: what it is served as.
        content_encoding: ``br`` where it is stored compressed.
        stored_bytes: size of what is stored.
        stored_sha256: hex, of what is stored.
    """

    bytes: int = Field(ge=0, le=LARGEST_FILE)
    sha256: Digest
    integrity: str
    content_type: str
    content_encoding: Literal["br"] | None
    stored_bytes: int = Field(ge=0, le=2 * LARGEST_FILE)
    stored_sha256: Digest


class PublishedVariant(Section):
    """One model of a release.

    Attributes:
        scheme: how its weights are quantized.
        family: of its pose head.
        image_size: height and width of its input, pixels.
        model: path of its ``model.json``, from the release's base.
        manifest: path of its ``manifest.json``, which holds the decode contract.
        raw_bytes: what browsers load, uncompressed.
        wire_bytes: what travels, with Brotli.
    """

    scheme: str
    family: str
    image_size: tuple[int, int]
    model: str
    manifest: str
    raw_bytes: int
    wire_bytes: int


class GateRecord(Section):
    """The report that a release had to pass.

    Attributes:
        report: its path, from the release's base.
        report_sha256: hex, of its bytes.
    """

    report: str
    report_sha256: Digest


class CommitRecord(SignedDocument):
    """The whole document.

    Attributes:
        release: sha256 of the table of files, hex.
        base: directory of the files, relative to the record.
        variants: name → model.
        web: path of the loader's module, from the base; None without.
        files: path from the base → file.
        licence: of the weights.
        gate: the report, where one was asked for.
    """

    kind: Literal["release"] = "release"
    name: ModelName
    version: Version
    release: Digest
    base: str
    variants: dict[VariantName, PublishedVariant]
    web: str | None = None
    files: dict[FilePath, PublishedFile]
    licence: str
    gate: GateRecord | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.release != release_of(self.files) or self.base != base_of(self.release):
            raise ValueError("the table of files is not the one that the release is named for")
        if sum(file.bytes for file in self.files.values()) > LARGEST_RELEASE:
            raise ValueError(f"it has more than {LARGEST_RELEASE:,} bytes")
        for path, file in self.files.items():
            if file.integrity != integrity_of(file.sha256):
                raise ValueError(f"{path} has two different hashes")
        named = [path for variant in self.variants.values() for path in (variant.model, variant.manifest)]
        for name, variant in self.variants.items():
            if (variant.model, variant.manifest) != (f"{name}/{MODEL_FILE}", f"{name}/{MANIFEST_FILE}"):
                raise ValueError(f"the files of {name} do not lie in {name}/")
        if not self.variants:
            raise ValueError("there are no variants")
        folders = {parent.as_posix() for path in self.files for parent in PurePosixPath(path).parents}
        both = sorted(folders & self.files.keys())
        if both:
            raise ValueError(f"{both[0]} is a file and a folder")
        report = self.files.get(self.gate.report) if self.gate else None
        if self.gate and (report is None or report.sha256 != self.gate.report_sha256):
            raise ValueError("the report is not the one that the gate was held to")
        missing = [path for path in [*named, *filter(None, [self.web])] if path not in self.files]
        if missing:
            raise ValueError(f"{missing[0]} is not among the files")
        return self

    def key_of(self, path: str) -> str:
        """Return the key of a file; of the empty path, what the keys of all files begin with.

        Args:
            path: from the base of the release.
        """
        return version_prefix(self.name, self.version) + self.base + path

    def headers_of(self, path: str) -> Headers:
        """Return what a file is stored and served with."""
        return file_headers(path, self.files[path].content_encoding)


def release_of(files: Mapping[str, PublishedFile]) -> str:
    """Return the identity of a table of files: hex sha256 of its canonical form."""
    return sha256_of_document({path: file.model_dump(mode="json") for path, file in files.items()})


def integrity_of(sha256: str) -> str:
    """Return the Subresource Integrity form of a hex sha256."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256)).decode()}"


def content_differences(published: CommitRecord, wanted: CommitRecord) -> tuple[str, ...]:
    """Say in which files two records differ once decoded, by path; nothing if both hold the same.

    The report does not count: judged again, the same models give one with other times.
    """
    told = []
    for path in sorted((published.files.keys() | wanted.files.keys()) - {REPORT_FILE}):
        there, here = published.files.get(path), wanted.files.get(path)
        if there is None:
            told.append(f"{path} is new")
        elif here is None:
            told.append(f"{path} is missing")
        elif there.sha256 != here.sha256:
            told.append(f"{path} has sha256 {here.sha256[:12]}…, not {there.sha256[:12]}…")
    return tuple(told)


def make_record(
    name: str,
    version: str,
    *,
    variants: Mapping[str, PublishedVariant],
    files: Mapping[str, PublishedFile],
    licence: str,
    web: str | None = None,
    gate: GateRecord | None = None,
) -> CommitRecord:
    """Write down a release."""
    release = release_of(files)
    return CommitRecord(
        name=name,
        version=version,
        release=release,
        base=base_of(release),
        variants=dict(variants),
        web=web,
        files=dict(files),
        licence=licence,
        gate=gate,
    )
