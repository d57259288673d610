"""A folder as a store: for a web server on the same machine, for hosts that take a folder, and for trying things out.

Objects are files of the folder. What they are served with lies in a hidden folder beside it, out of reach of a web
server: one record for each object, that names the headers by the sha256 of the bytes they belong to. It is written
before the bytes are, so that a crash between the two leaves the old object whole.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from yolo_edge.console import say
from yolo_edge.errors import InputError, OutputError, UsageError
from yolo_edge.files import explained
from yolo_edge.publication.hosting import HEADERS_FILE, MOST_RULES, count_rules, headers_file
from yolo_edge.publication.store import (
    Headers,
    ListedObject,
    ObjectInfo,
    Store,
    StoreKind,
    already_there,
    check_key,
    check_prefix,
    differences,
    lost_race,
    sha256_hex,
)

_UNKNOWN = Headers("application/octet-stream")  # of a file that something else put into the folder
_POLL_SECONDS = 0.002  # between two tries to get the lock
_LOCK_SECONDS = 60.0


class LocalStore:
    """Objects in a folder, which is made by the first write.

    Args:
        folder: that a web server or host serves.
    """

    def __init__(self, folder: Path) -> None:
        self._root = Path(os.path.abspath(folder))
        if not self._root.name:
            raise UsageError(f"{folder} cannot be a store.", fix="Give a folder below it.")
        self.address = self._root.as_uri()
        self._records = self._root.with_name(f".{self._root.name}.yolo-edge")

    def require_folder(self) -> None:
        """Do nothing where the folder is there.

        Raises:
            InputError: it is not: nothing was published to it.
        """
        if not self._root.is_dir():
            raise InputError(f"There is no folder {self._root}.", fix="Check the address of the store.")

    def put_once(self, key: str, data: bytes, headers: Headers) -> ObjectInfo:
        """See :meth:`yolo_edge.publication.store.Store.put_once`."""
        path = self._path(key)
        with self._locked():
            found = self.head(key)
            if found is None:
                return self._write(key, path, data, headers, found)
        told = differences(found, data, headers)
        if told:
            raise already_there(self.address, key, told)
        return found

    def swap(self, key: str, data: bytes, headers: Headers, expected: str | None) -> ObjectInfo:
        """See :meth:`yolo_edge.publication.store.Store.swap`."""
        path = self._path(key)
        with self._locked():
            found = self.head(key)
            if (found.etag if found else None) == expected:
                return self._write(key, path, data, headers, found)
        if found is None or differences(found, data, headers):
            raise lost_race(self.address, key, found)
        return found

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        """See :meth:`yolo_edge.publication.store.Store.get`."""
        path = self._path(key)
        before = None
        while True:
            try:
                with path.open("rb") as file:
                    data = file.read()
                    modified = os.fstat(file.fileno()).st_mtime
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            except OSError as error:
                raise InputError(
                    f"{path} cannot be read: {error.strerror}.", fix="Check the permissions of the folder."
                ) from error
            sha256 = sha256_hex(data)
            headers = self._headers_by_sha256(key).get(sha256)
            if headers is not None or sha256 == before:
                return data, _info(key, data, sha256, headers or _UNKNOWN, modified)
            before = sha256  # without headers: replaced between the two reads, or put here by something else

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`yolo_edge.publication.store.Store.head`."""
        found = self.get(key)
        return found[1] if found else None

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """See :meth:`yolo_edge.publication.store.Store.list`."""
        check_prefix(prefix)
        for key in sorted(self._keys(prefix)):
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = (self._root / key).stat()
                yield ListedObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, key: str) -> None:
        """See :meth:`yolo_edge.publication.store.Store.delete`."""
        path = self._path(key)
        if not path.is_file():
            return
        with self._locked(), explained(path):
            path.unlink(missing_ok=True)
            self._record(key).unlink(missing_ok=True)
            _remove_empty(path.parent, self._root)
            _remove_empty(self._record(key).parent, self._records)

    def settle(self) -> None:
        """See :meth:`yolo_edge.publication.store.Store.settle`. Writes ``_headers`` anew."""
        if self._root.is_dir():
            self.write_headers_file()

    def write_headers_file(self) -> Path:
        """Write ``_headers``, as :mod:`yolo_edge.publication.hosting` says.

        Files of other making are left to the host, which knows better what they are. A warning tells of more rules
        than Cloudflare Pages reads.

        Returns:
            The path of the file, which is replaced if it is there.

        Raises:
            OutputError: it cannot be written.
        """
        target = self._root / HEADERS_FILE
        with self._locked(), explained(target):
            found = [self.head(listed.key) for listed in self.list()]
            known = {each.key: each.headers for each in found if each is not None and each.headers != _UNKNOWN}
            text = headers_file(known)
            _replace(target, text.encode())
        if count_rules(text) > MOST_RULES:
            say(
                f"Warning: {target} has {count_rules(text)} rules, and Cloudflare Pages reads the first {MOST_RULES}. "
                "It serves the other files without their headers, so that browsers cannot load those stored as Brotli. "
                "Publish all versions of the folder with the same --precompress and --precompress-json, or retire and "
                "collect those that differ, or use another host; see docs/cdn.md."
            )
        return target

    def _path(self, key: str) -> Path:
        if check_key(key) == HEADERS_FILE:
            raise UsageError(f"{HEADERS_FILE} is not an object: hosts read it.", fix="Choose another key.")
        return self._root / key

    def _record(self, key: str) -> Path:
        return self._records / "headers" / f"{key}@headers.json"  # no key has an @, so no key's folder has this name

    def _keys(self, prefix: str) -> Iterator[str]:
        top = self._root / prefix.rpartition("/")[0]
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if not name.startswith(".") and key != HEADERS_FILE and key.startswith(prefix):
                    yield key

    def _write(self, key: str, path: Path, data: bytes, headers: Headers, found: ObjectInfo | None) -> ObjectInfo:
        """Write an object in place of the one ``found``; the lock is held."""
        sha256 = sha256_hex(data)
        known = {found.sha256: found.headers} if found else {}  # its bytes stay until the new ones are in place
        document = {name: its.named() for name, its in (known | {sha256: headers}).items()}
        with explained(path):
            _replace(self._record(key), json.dumps(document, indent=1).encode())
            _replace(path, data)
            return _info(key, data, sha256, headers, path.stat().st_mtime, written=True)

    def _headers_by_sha256(self, key: str) -> dict[str, Headers]:
        record = self._record(key)
        try:
            document = json.loads(record.read_bytes())
            return {
                sha256: Headers(named["Content-Type"], named.get("Cache-Control"), named.get("Content-Encoding"))
                for sha256, named in document.items()
            }
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
            raise InputError(
                f"{record}, which holds the headers of {key}, cannot be used.",
                fix="Remove it, and publish to a new folder.",
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out, those of other processes too. The operating system frees the lock of a dead one."""
        from filelock import FileLock, Timeout

        lock = self._records / "lock"
        with explained(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            self._records.mkdir(parents=True, exist_ok=True)
            held = FileLock(lock, timeout=_LOCK_SECONDS, poll_interval=_POLL_SECONDS, is_singleton=False)
            try:
                held.acquire()
            except Timeout as error:
                raise OutputError(
                    f"Something else has been writing to {self._root} for a minute.",
                    fix="End the other publisher, then try again.",
                ) from error
        try:
            yield
        finally:
            held.release()


def _info(
    key: str, data: bytes, sha256: str, headers: Headers, modified: float, *, written: bool = False
) -> ObjectInfo:
    moment = datetime.fromtimestamp(modified, UTC)
    return ObjectInfo(key, len(data), moment, sha256, f'"{sha256}"', headers, written)


def _replace(target: Path, data: bytes) -> None:
    """Make a file appear whole, in a directory that is made if needed; whoever reads it has the old or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        staging.write_bytes(data)
        os.replace(staging, target)
    finally:
        staging.unlink(missing_ok=True)


def _remove_empty(directory: Path, top: Path) -> None:
    """Remove a directory and those above it, up to ``top``, as long as nothing is in them."""
    while directory != top:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


def _open(address: str, endpoint_url: str | None) -> Store:
    if endpoint_url is not None:
        raise UsageError("A folder has no endpoint.", fix="Leave out the endpoint, or give an s3:// address.")
    if "://" not in address:
        return LocalStore(Path(address).expanduser())
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost") or parts.path in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"{address} is not the address of a folder.", fix="Give file:///folder, or a path.")
    return LocalStore(Path(url2pathname(parts.path)))


STORE_KIND = StoreKind("file", _open)
