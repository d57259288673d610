"""Open a ``.pt`` file as bytes, and say honestly what is wrong with one that is none.

Two containers are read: the zip archive that ``torch.save`` writes since torch 1.6, and the older stream of five
pickles followed by raw storages. The file is read once: what is checked later is what is loaded later, whatever happens
to the file in between.

Sources: ``torch/serialization.py`` (``_save``, ``_legacy_save``, ``_load``, ``_legacy_load``) and the layout notes in
``caffe2/serialize/inline_container.h`` of torch 2.6-2.13.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yolo_edge.errors import CheckpointError

MAXIMUM_BYTES = 4 << 30
"""No YOLO checkpoint comes near 4 GiB; a larger file, or one that unpacks to more, is refused unread."""

_MAXIMUM_EXPANSION = 100
"""``torch.save`` stores without compression. Rezipped weights shrink a little, never a hundredfold."""

DOWNLOAD_AGAIN = "Download it again and compare its size with the source's."
NOT_A_CHECKPOINT = "Give a .pt file that Ultralytics saved, or a name that `yolo-edge models` lists."

_TORCH_MEMBERS = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id|data/[0-9]+"
)


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint file in memory, its container intact, its pickles not yet looked at.

    Attributes:
        path: where it came from, for messages.
        container: ``zip``, or ``stream`` for the format before torch 1.6.
        content: the whole file.
        members: for ``zip``, content by member name without the common prefix; empty for ``stream``.
    """

    path: Path
    container: Literal["zip", "stream"]
    content: bytes
    members: dict[str, bytes]

    @property
    def foreign_members(self) -> tuple[str, ...]:
        """Names of members that ``torch.save`` never writes."""
        return tuple(name for name in self.members if not _TORCH_MEMBERS.fullmatch(name))


def read_checkpoint_file(path: Path) -> CheckpointFile:
    """Read a ``.pt`` file into memory.

    Args:
        path: the file.

    Raises:
        CheckpointError: the file is missing, unreadable, damaged, or of another kind, each with its own message.
    """
    content = _read(path)
    for matches, what, fix in _MISTAKEN_FOR_CHECKPOINTS:
        if matches(content):
            raise CheckpointError(f"{path} {what}", fix=fix)
    if content.startswith(b"PK\x03\x04"):
        return CheckpointFile(path, "zip", content, _read_members(path, content))
    return CheckpointFile(path, "stream", content, {})


def _read(path: Path) -> bytes:
    if not path.exists():
        raise CheckpointError(f"{path} does not exist.", fix="Check the path; `yolo-edge models` lists known names.")
    if path.is_dir():
        raise CheckpointError(f"{path} is a directory, a .pt file was expected.", fix="Give the file inside it.")
    if not path.is_file():
        raise CheckpointError(f"{path} is not a regular file.", fix=NOT_A_CHECKPOINT)
    try:
        size = path.stat().st_size
        if size > MAXIMUM_BYTES:
            raise CheckpointError(f"{path} has {size:,} bytes, too many for a YOLO checkpoint.", fix=NOT_A_CHECKPOINT)
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}.", fix="Check the file's permissions and the disk."
        ) from error
    if not content:
        raise CheckpointError(f"{path} is empty (0 bytes).", fix=DOWNLOAD_AGAIN)
    return content


# What people hand in instead of a checkpoint


def _is_web_page(content: bytes) -> bool:
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--", b"<?xml"))


def _is_blank(content: bytes) -> bool:
    return content.count(0) == len(content)


def _is_safetensors(content: bytes) -> bool:
    """Eight bytes of header length, then the header as JSON (https://huggingface.co/docs/safetensors)."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content)


def _is_onnx(content: bytes) -> bool:
    """Protobuf field 1 (ir_version, a small number), then field 2 to 8 of ModelProto."""
    return (
        len(content) > 16
        and content[0] == 0x08
        and 0 < content[1] < 32
        and content[2] in b"\x12\x1a\x22\x28\x32\x3a\x42"
    )


def _is_mangled_zip(content: bytes) -> bool:
    """A zip whose bytes above 127 were replaced: valid UTF-8 with U+FFFD in it, which binary data never is."""
    if not content.startswith(b"PK") or b"\xef\xbf\xbd" not in content:
        return False
    sample = content[: 1 << 20]
    try:
        sample[:-4].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 8  # a character cut at the end of the sample
    return True


def _is_tar(content: bytes) -> bool:
    try:
        tarfile.open(fileobj=io.BytesIO(content), mode="r:").close()
    except (tarfile.TarError, ValueError, OverflowError, EOFError):
        return False
    return True


def _starts_with(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(signatures)


_MISTAKEN_FOR_CHECKPOINTS: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (
        _is_web_page,
        "is a web page, not a checkpoint: the download link was probably wrong.",
        "Use the link of the file itself, often behind a 'download' or 'raw' button.",
    ),
    (_is_blank, "consists of zero bytes alone: a download or a disk failed.", DOWNLOAD_AGAIN),
    (
        _starts_with(b"version https://git-lfs"),
        "is a Git LFS pointer, not the file it stands for.",
        "Run `git lfs pull` in that repository, or download the file itself.",
    ),
    (
        _is_mangled_zip,
        "was mangled on its way: its bytes were passed through text conversion (UTF-8) and cannot be restored.",
        "Download or copy it again in binary mode.",
    ),
    (
        _is_safetensors,
        "is a safetensors file, which holds tensors but no network.",
        "Give the .pt file that Ultralytics saved.",
    ),
    (_is_onnx, "looks like an ONNX model with the wrong suffix.", "Rename it to end in .onnx."),
    (_starts_with(b"\x89HDF"), "is an HDF5 (Keras) file.", NOT_A_CHECKPOINT),
    (lambda content: content[4:8] == b"TFL3", "is a TensorFlow Lite model.", NOT_A_CHECKPOINT),
    (
        _starts_with(b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ"),
        "is a compressed archive, not a checkpoint.",
        "Unpack it and give the .pt file inside.",
    ),
    (_is_tar, "is a tar archive, not a checkpoint that torch saves today.", "Unpack it and give the .pt file inside."),
)


# The zip container


def _read_members(path: Path, content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            prefix = _common_prefix(path, entries)
            _check_kind(path, {entry.filename.removeprefix(prefix) for entry in entries})
            _check_sizes(path, entries, len(content))
            return {entry.filename.removeprefix(prefix): archive.read(entry) for entry in entries}
    except zipfile.BadZipFile as error:
        raise _damaged(path, content, error) from error
    except (EOFError, zlib.error, ValueError, NotImplementedError, RuntimeError, OSError, UnicodeError) as error:
        raise CheckpointError(f"{path} is damaged: {_sentence(error)}", fix=DOWNLOAD_AGAIN) from error


def _damaged(path: Path, content: bytes, error: zipfile.BadZipFile) -> CheckpointError:
    if b"PK\x05\x06" not in content[-(1 << 16) - 22 :]:
        return CheckpointError(
            f"{path} is cut short: it ends after {len(content):,} bytes, before the archive's table of contents.",
            fix=DOWNLOAD_AGAIN,
        )
    return CheckpointError(f"{path} is damaged: {_sentence(error)}", fix=DOWNLOAD_AGAIN)


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if text.endswith(".") else f"{text}."


def _common_prefix(path: Path, entries: list[zipfile.ZipInfo]) -> str:
    """Check the member names and return the folder that all of them share, with its slash.

    Names are compared without case, because torch's reader looks them up so: two that differ in case only would let it
    read another member than the one that was checked.
    """
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        if name.lower() in seen:
            raise _suspicious(path, f"two members are called {name!r}, of which only one would be checked")
        seen.add(name.lower())
        if name.startswith("/") or "\\" in name or ".." in name.split("/") or "\x00" in name or ":" in name:
            raise _suspicious(path, f"the member name {name!r} points outside the archive")
        if entry.flag_bits & 0x1:
            raise CheckpointError(f"{path} is encrypted ({name!r}).", fix="Decrypt it with the program that made it.")
    pickles = [entry.filename for entry in entries if entry.filename.rsplit("/", 1)[-1] == "data.pkl"]
    if not pickles:
        raise CheckpointError(f"{path} is a zip archive without data.pkl, so no checkpoint.", fix=NOT_A_CHECKPOINT)
    prefix = min(pickles, key=len).removesuffix("data.pkl")
    strays = [entry.filename for entry in entries if not entry.filename.startswith(prefix)]
    if strays:
        raise _suspicious(path, f"{strays[0]!r} lies outside the archive's folder {prefix!r}")
    return prefix


def _check_kind(path: Path, names: set[str]) -> None:
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript program, not a checkpoint.",
            fix="Give the .pt that training saved; a TorchScript export cannot be converted.",
        )


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo], archive_size: int) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > MAXIMUM_BYTES or total > _MAXIMUM_EXPANSION * archive_size:
        raise _suspicious(path, f"{archive_size:,} bytes would unpack to {total:,}")
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _suspicious(path, f"{entry.filename!r} is compressed in a way that torch cannot read")


def _suspicious(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is refused: {what}.", fix=f"torch never saves such a file. {NOT_A_CHECKPOINT}")
