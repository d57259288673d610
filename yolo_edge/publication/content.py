"""What a release will hold: the files of converted directories, as they will be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath

from yolo_edge.bundle.compress import BEST_QUALITY, FLOAT_QUALITY, compressed
from yolo_edge.bundle.manifest import Manifest, verify_directory
from yolo_edge.console import progress
from yolo_edge.errors import InputError, ModelError
from yolo_edge.files import MANIFEST_FILE
from yolo_edge.publication.layout import REPORT_FILE, WEB_DIRECTORY, check_name, file_headers
from yolo_edge.publication.record import LARGEST_FILE, PublishedFile, PublishedVariant, integrity_of
from yolo_edge.publication.store import check_key
from yolo_edge.tfjs.manifest import MODEL_FILE

WEB_MODULE = "index.js"
_WEB_SUFFIXES = (".js", ".ts")


@dataclass(frozen=True)
class Compression:
    """Which files are stored as Brotli.

    A CDN compresses ``application/json`` on its way and leaves ``application/octet-stream`` alone
    (https://developers.cloudflare.com/speed/optimization/content/compression/), so shards come first.

    Attributes:
        shards: ``.bin`` files.
        documents: ``.json`` and ``.js`` files.
    """

    shards: bool
    documents: bool = False

    def takes(self, path: str) -> bool:
        """Tell whether a file is stored compressed."""
        suffix = PurePosixPath(path).suffix
        return (self.shards and suffix == ".bin") or (self.documents and suffix in (".json", ".js"))


@dataclass(frozen=True)
class StoredFile:
    """A file as it will be stored.

    Attributes:
        path: from the base of the release.
        data: the stored bytes.
        entry: what the record says of it.
    """

    path: str
    data: bytes
    entry: PublishedFile


@dataclass(frozen=True)
class Content:
    """All of a release.

    Attributes:
        directories: variant → where it was read from.
        variants: variant → what the record says of it.
        files: in the order of their paths.
        licence: of the weights.
        web: path of the loader's module; None without.
        left_out: what lies in the directory and is not published.
    """

    directories: Mapping[str, Path]
    variants: Mapping[str, PublishedVariant]
    files: tuple[StoredFile, ...]
    licence: str
    web: str | None
    left_out: tuple[str, ...]


def read_content(
    directory: Path | Mapping[str, Path], compression: Compression, *, report: bytes | None = None
) -> Content:
    """Read what is to be published, checked against its manifests.

    Args:
        directory: a converted directory, which becomes a variant named for its scheme; or a folder of converted
            directories, which become variants of their names; or variant → converted directory.
        compression: which files to store as Brotli.
        report: the bytes of a validation report to publish along.

    Raises:
        InputError: there is no converted directory, or a file of it is too large.
        ModelError: a file has changed since it was made; the variants have different licences.
        UsageError: a directory's name cannot be the name of a variant.
    """
    manifests, left_out = _named(directory) if isinstance(directory, Mapping) else _variants_of(directory)
    sources: dict[str, tuple[bytes, int]] = {}
    for variant, (folder, manifest) in manifests.items():
        for path, data, quality in _files_of(folder, manifest):
            sources[check_key(f"{variant}/{path}")] = (data, quality)
    sources |= {f"{WEB_DIRECTORY}/{name}": (data, BEST_QUALITY) for name, data in _web_files()}
    if report is not None:
        sources[REPORT_FILE] = (report, BEST_QUALITY)
    with progress("Preparing files", len(sources), "files") as advance:
        files = []
        for path in sorted(sources):
            files.append(_stored(path, *sources[path], compression))
            advance(1)
    module = f"{WEB_DIRECTORY}/{WEB_MODULE}"
    return Content(
        directories={variant: folder for variant, (folder, _) in manifests.items()},
        variants={variant: _described(variant, manifest) for variant, (_, manifest) in manifests.items()},
        files=tuple(files),
        licence=_one_licence([manifest for _, manifest in manifests.values()]),
        web=module if module in sources else None,
        left_out=left_out,
    )


def _named(directories: Mapping[str, Path]) -> tuple[dict[str, tuple[Path, Manifest]], tuple[str, ...]]:
    found = {check_name(name, "variant"): (path, verify_directory(path)) for name, path in directories.items()}
    return found, ()


def _variants_of(directory: Path) -> tuple[dict[str, tuple[Path, Manifest]], tuple[str, ...]]:
    """Find the converted directories; also what lies beside them."""
    if not directory.is_dir():
        raise InputError(
            f"{directory} is no directory.", fix="Give a directory that `convert` made, or a folder of such."
        )
    if (directory / MODEL_FILE).is_file():
        manifest = verify_directory(directory)
        listed = {MANIFEST_FILE, *manifest.files}
        beside = tuple(sorted(entry.name for entry in directory.iterdir() if entry.name not in listed))
        return {check_name(manifest.scheme, "variant"): (directory, manifest)}, beside
    inner = sorted(entry for entry in directory.iterdir() if (entry / MODEL_FILE).is_file())
    if not inner:
        raise InputError(
            f"{directory} holds no converted model, and no directories of such.", fix="Make one with: yolo-edge convert"
        )
    beside = tuple(sorted(entry.name for entry in directory.iterdir() if entry not in inner))
    return {check_name(entry.name, "variant"): (entry, verify_directory(entry)) for entry in inner}, beside


def _files_of(folder: Path, manifest: Manifest) -> Iterator[tuple[str, bytes, int]]:
    """Yield path, bytes and Brotli quality of a variant's files."""
    for name in (MANIFEST_FILE, *manifest.files):
        path = folder / name
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(
                f"{path} has {size / 1e6:,.0f} MB; files of up to {LARGEST_FILE / 1e6:,.0f} MB are published.",
                fix="Convert again: shards have 4 MB. Leave out --onnx keep for a large model.",
            )
        record = manifest.files.get(name)
        quality = record.wire_quality if record and record.wire_quality is not None else BEST_QUALITY
        yield name, path.read_bytes(), quality if name.endswith(".bin") else max(quality, FLOAT_QUALITY)


def _web_files() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the browser's loader, which is published along."""
    folder = package_files("yolo_edge") / WEB_DIRECTORY
    if folder.is_dir():
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if PurePosixPath(entry.name).suffix in _WEB_SUFFIXES:
                yield entry.name, entry.read_bytes()


def _stored(path: str, data: bytes, quality: int, compression: Compression) -> StoredFile:
    takes = compression.takes(path)
    stored = compressed(data, quality) if takes else data
    headers = file_headers(path, "br" if takes else None)
    digest = hashlib.sha256(data).hexdigest()
    entry = PublishedFile(
        bytes=len(data),
        sha256=digest,
        integrity=integrity_of(digest),
        content_type=headers.content_type,
        content_encoding="br" if takes else None,
        stored_bytes=len(stored),
        stored_sha256=hashlib.sha256(stored).hexdigest(),
    )
    return StoredFile(path, stored, entry)


def _described(variant: str, manifest: Manifest) -> PublishedVariant:
    return PublishedVariant(
        scheme=manifest.scheme,
        family=manifest.model.family,
        image_size=manifest.model.image_size,
        model=f"{variant}/{MODEL_FILE}",
        manifest=f"{variant}/{MANIFEST_FILE}",
        raw_bytes=manifest.raw_bytes,
        wire_bytes=manifest.wire_bytes,
    )


def _one_licence(manifests: list[Manifest]) -> str:
    licences = sorted({manifest.model.licence for manifest in manifests})
    if len(licences) > 1:
        raise ModelError(
            f"The variants have different licences ({'; '.join(licences)}).",
            fix="Publish models of different weights under names of their own.",
        )
    return licences[0]
