"""What publishing asks of the place it writes to.

A store keeps objects: bytes under a key, with the headers that a web server answers with. Two conditional writes carry
the whole of publishing: :meth:`Store.put_once`, which never replaces, and :meth:`Store.swap`, which replaces only what
the caller has seen. Both may be repeated after a crash or a lost reply.

==============================  ======================================================================================
address                         what it is
==============================  ======================================================================================
``file:///srv/site``, a path    a folder, see :mod:`yolo_edge.publication.local`
``s3://bucket/prefix``          Amazon S3, Cloudflare R2 and what speaks like them, see :mod:`yolo_edge.publication.s3`
==============================  ======================================================================================
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Protocol

from yolo_edge.errors import ConflictError, UsageError

_MODULES = {
    "file": "yolo_edge.publication.local",
    "s3": "yolo_edge.publication.s3",
}

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]*"  # no leading dot: hidden files and `..` are never objects
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_PREFIX = re.compile(rf"({_SEGMENT}/)*({_SEGMENT})?")
_MISSPELT = re.compile(r"(s3|gs|https?|file):|s3/", re.IGNORECASE)  # a slash or two lost: such folders nobody wants
_LONGEST_KEY = 900  # S3 allows 1024 bytes, of which the address of a store takes some
_HEADER_VALUE = re.compile(r"[!-~]+( [!-~]+)*")  # visible ASCII: nothing that could start a second header


@dataclass(frozen=True)
class Headers:
    """What a web server says of an object besides its bytes.

    Attributes:
        content_type: the media type.
        cache_control: how long caches may keep it; None says nothing.
        content_encoding: how the stored bytes are compressed (``br``); None for raw bytes.

    Raises:
        UsageError: a value is empty or holds a character that a header may not.
    """

    content_type: str
    cache_control: str | None = None
    content_encoding: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.named().items():
            if not _HEADER_VALUE.fullmatch(value):
                raise UsageError(f"The header {name} cannot be {value!r}.", fix="Use visible ASCII characters.")

    def named(self) -> dict[str, str]:
        """Return the headers that are set, by the names they have in HTTP."""
        values = {
            "Content-Type": self.content_type,
            "Cache-Control": self.cache_control,
            "Content-Encoding": self.content_encoding,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class ListedObject:
    """What a listing tells of an object.

    Attributes:
        key: its name in the store, without the prefix of the store's address.
        bytes: its stored size.
        modified: when it was last written, with a time zone. By the clock of the store; right after a
            write to S3 by that of this machine.
    """

    key: str
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class ObjectInfo(ListedObject):
    """All that a store tells of an object.

    Attributes:
        sha256: lowercase hex, of the stored bytes.
        etag: what :meth:`Store.swap` takes as ``expected``. Equal bytes may have equal tags, whenever written.
        headers: what it is served with.
        written: whether the call that returned this wrote the object. False from ``get`` and ``head``, and where
            ``put_once`` or ``swap`` found that the object is there already, from an earlier run or a lost reply.
    """

    sha256: str
    etag: str
    headers: Headers
    written: bool = False


class Store(Protocol):
    """Keeps objects. Safe for use by several threads and processes at once.

    Every method raises a UsageError for a key that :func:`check_key` refuses, and a NetworkError where the store is not
    reached or refuses. A folder raises an InputError or OutputError instead, as for any other file.

    Attributes:
        address: as :func:`open_store` takes it, for messages.
    """

    address: str

    def put_once(self, key: str, data: bytes, headers: Headers) -> ObjectInfo:
        """Create an object, or find that the very same one is there already.

        Raises:
            ConflictError: there is another object of this key; the message says in what it differs.
        """

    def swap(self, key: str, data: bytes, headers: Headers, expected: str | None) -> ObjectInfo:
        """Replace an object, if it is still the one that the caller has seen.

        A store cannot tell a write whose reply was lost from an equal write of someone else. Data that must count as
        the caller's own needs something in it that nobody else writes, such as a random number.

        Args:
            key: of the object.
            data: what it shall hold.
            headers: what it shall be served with.
            expected: the ``etag`` of the object seen; None if there was none.

        Raises:
            ConflictError: there is another object now, or none, and it does not hold ``data``.
        """

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        """Return the stored bytes (not decompressed) and what is known of them; None if there is no such object."""

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object; None if there is no such object."""

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """Yield the objects whose key starts with ``prefix``, in an order of the store's own."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""

    def settle(self) -> None:
        """Bring up to date what depends on all objects, once after several changes."""


@dataclass(frozen=True)
class StoreKind:
    """An entry of the registry.

    Attributes:
        scheme: what its addresses begin with.
        open: address and endpoint → store.
    """

    scheme: str
    open: Callable[[str, str | None], Store]


def open_store(address: str, *, endpoint_url: str | None = None) -> Store:
    """Return the store of an address. Nothing is read or written yet.

    Args:
        address: ``file:///folder`` or the path of a folder, ``s3://bucket`` or ``s3://bucket/prefix``.
        endpoint_url: of an S3 service other than Amazon's; by default what boto3 finds in its own settings.

    Raises:
        UsageError: there is no such kind of store, or the address is not one of its kind.
        MissingComponentError: what the kind needs is not installed.
    """
    misspelt = None if "://" in address else _MISSPELT.match(address)
    if misspelt:  # the address itself may hold a secret, and is not repeated
        raise UsageError(
            f"An address that begins with {misspelt[0]} is no store.",
            fix="Did you mean s3://bucket/prefix? For a folder give file:///folder, or a path such as ./folder.",
        )
    scheme = address.split("://", maxsplit=1)[0].lower() if "://" in address else "file"
    if scheme not in _MODULES:
        known = ", ".join(f"{name}://" for name in _MODULES)
        raise UsageError(f"There is no kind of store {scheme}://.", fix=f"Give a folder, or one of {known}.")
    kind: StoreKind = import_module(_MODULES[scheme]).STORE_KIND
    return kind.open(address, endpoint_url)


def check_key(key: str) -> str:
    """Return the key of an object unchanged.

    A key is one or more names of ``A-Z a-z 0-9 . _ -`` with ``/`` between them; no name begins with a dot or a dash.
    So it means the same in a folder, in a bucket, and in an address on the web, where nothing has to be escaped.

    Raises:
        UsageError: it is something else, or longer than 900 characters.
    """
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        raise UsageError(
            f"{key!r} cannot be the key of an object.",
            fix="Use names of letters, digits, '.', '_' and '-' with '/' between, none of which begins with a dot.",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix of a listing unchanged: the empty one, or the beginning of a key.

    Raises:
        UsageError: no key begins so.
    """
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_KEY:
        raise UsageError(f"No key begins with {prefix!r}.", fix="Give the beginning of a key, such as 'models/'.")
    return prefix


def sha256_hex(data: bytes) -> str:
    """Return the lowercase hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def differences(found: ObjectInfo, data: bytes, headers: Headers) -> tuple[str, ...]:
    """Say in what an object differs from the one that was to be written; nothing if it is the same."""
    told = []
    if found.sha256 != sha256_hex(data):
        told.append(f"bytes ({_content(found.bytes, found.sha256)}, not {_content(len(data), sha256_hex(data))})")
    there, wanted = found.headers.named(), headers.named()
    told += [
        f"{name} ({there.get(name, 'none')!r}, not {wanted.get(name, 'none')!r})"
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    ]
    return tuple(told)


def already_there(address: str, key: str, told: tuple[str, ...]) -> ConflictError:
    """Return the error for an object that ``put_once`` does not replace."""
    return ConflictError(
        f"{key} is in {address} already, with other {'; other '.join(told)}.",
        fix="What is published does not change: publish under another version.",
    )


def lost_race(address: str, key: str, found: ObjectInfo | None) -> ConflictError:
    """Return the error for an object that is not the one ``swap`` expected."""
    state = "is not there any more" if found is None else f"was changed meanwhile, on {found.modified:%F %T %Z}"
    return ConflictError(f"{key} in {address} {state}, so it was not replaced.", fix="Look at it, then try again.")


def _content(size: int, sha256: str) -> str:
    return f"{size:,} with sha256 {sha256[:12]}…"
