"""Fetching a described set: what is there already is kept, what breaks off goes on, and every hash is checked."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from yolo_edge.console import Advance, progress, say
from yolo_edge.downloads import DownloadError, blocks, download
from yolo_edge.errors import InputError, NetworkError, OutputError
from yolo_edge.files import explained, make_directory, sha256_of
from yolo_edge.photos.benchmark import chosen
from yolo_edge.photos.description import RECORDED, DescribedFile, Description, is_inside
from yolo_edge.photos.record import FetchedFile, Record, is_fetched, read_record, write_record
from yolo_edge.photos.sources.coco import parse_coco
from yolo_edge.photos.sources.described import PHOTO_FOLDER

THREADS = 8
"""Photos that are fetched at the same time."""

_PATIENCE = 30.0  # seconds without a byte
_NAMED = 3  # how many of many failures a message tells
_CHANGED = "If a file was changed on purpose, delete the set and fetch it anew."


@dataclass(frozen=True)
class FetchedSet:
    """What a fetch left behind.

    Attributes:
        description: of the set.
        directory: where it lies.
        files: how many of its files were asked for.
        downloaded: how many of them were not there yet.
        bytes: size of all that were asked for.
    """

    description: Description
    directory: Path
    files: int
    downloaded: int
    bytes: int


def fetch_set(
    description: Description, directory: Path, *, limit: int | None = None, seed: int = 0, location: str | None = None
) -> FetchedSet:
    """Fetch a set, or as many of its photos as are wanted.

    Args:
        description: of the set.
        directory: where to put it. What an earlier call left there is checked and kept.
        limit: the most photos to fetch where they are fetched one by one; all by default.
        seed: of the choice of those.
        location: an address to use in place of the description's: a mirror's.

    Raises:
        NetworkError: files did not come, or are not what was described or came the first time; the others are kept.
        InputError: what came cannot be used.
        OutputError: the directory holds another set, or cannot be written.
    """
    limit, seed = description.narrowed(limit, seed)
    fetch = _Fetch(description, directory, location or description.location or "")
    try:
        for file in description.files:
            fetch.file(file)
            fetch.remember()  # a kill while photos come must not cost an archive
        if description.photos:
            document = parse_coco(directory / description.open)
            names = document.eligible(with_unlabelled=description.unlabelled == "background")
            keys = chosen(names, limit, seed)
            fetch.photos({name: description.photos.address(name) for key, name in names.items() if key in keys})
    except KeyboardInterrupt:
        say(f"What has come stays in {directory}: the same command goes on from there")
        raise
    finally:
        fetch.remember()
    return fetch.result()


@dataclass
class _Fetch:
    """A fetch on its way: what is known of the files so far."""

    description: Description
    directory: Path
    location: str
    before: Mapping[str, FetchedFile] = field(default_factory=dict)
    asked: dict[str, FetchedFile] = field(default_factory=dict)
    downloaded: int = 0

    def __post_init__(self) -> None:
        make_directory(self.directory)
        if is_fetched(self.directory):
            record = read_record(self.directory)
            if record.description.name != self.description.name:
                raise OutputError(
                    f"{self.directory} holds the set {record.description.name}.", fix="Choose another directory."
                )
            self.before = record.files

    def file(self, file: DescribedFile) -> None:
        """Fetch one of the files that the description lists."""
        with _explained(file.url), progress(f"Downloading {file.url}", file.bytes, "bytes") as advance:
            self._take(file.path, self._one(file.path, lambda target: self._described(file, target, advance)))

    def photos(self, addresses: Mapping[str, str]) -> None:
        """Fetch photos, several at a time.

        Args:
            addresses: file name → address below the location.
        """
        wrong = next((name for name in addresses if not is_inside(name)), None)
        if wrong is not None:
            raise InputError(f"The labels list a photo outside the set: {wrong!r:.80}.", fix="Use another source.")
        failed: list[str] = []
        pool = ThreadPoolExecutor(THREADS)
        try:
            waiting = {  # each in a copy of this context: that is where console knows whom to talk to
                pool.submit(copy_context().run, self._photo, name, address): name for name, address in addresses.items()
            }
            with progress(f"Downloading photos of {self.description.name}", len(waiting), "photos") as advance:
                for future in as_completed(waiting):
                    self._settle(future, waiting[future], failed)
                    advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
        if failed:
            raise NetworkError(
                f"{len(failed)} of {len(waiting)} photos could not be fetched: {'; '.join(sorted(failed)[:_NAMED])}.",
                fix=f"The others are kept: run the same command again for the rest. {_CHANGED}",
            )

    def remember(self) -> None:
        """Write down size and hash of what came, whether or not all did."""
        files = dict(sorted({**self.before, **self.asked}.items()))
        if files:
            write_record(self.directory, Record(schema_version=1, description=self.description, files=files))

    def result(self) -> FetchedSet:
        """Sum up."""
        size = sum(file.bytes for file in self.asked.values())
        return FetchedSet(self.description, self.directory, len(self.asked), self.downloaded, size)

    def _settle(self, future: Future[tuple[FetchedFile, bool]], name: str, failed: list[str]) -> None:
        try:
            self._take(f"{PHOTO_FOLDER}/{name}", future.result())
        except DownloadError as error:
            failed.append(f"{name}: {error}")

    def _take(self, path: str, fetched: tuple[FetchedFile, bool]) -> None:
        self.asked[path], is_new = fetched
        self.downloaded += is_new

    def _photo(self, name: str, address: str) -> tuple[FetchedFile, bool]:
        def fetch(target: Path) -> FetchedFile:
            download(self._url(address), target, lambda amount: None, timeout=_PATIENCE)
            return _measured(target)

        return self._one(f"{PHOTO_FOLDER}/{name}", fetch)

    def _one(self, path: str, fetch: Callable[[Path], FetchedFile]) -> tuple[FetchedFile, bool]:
        """Return what a path holds, and whether it was fetched now: only if it is not there as it once came."""
        target, known = self.directory / path, self.before.get(path)
        if target.is_file():
            held = _measured(target)
            if known is not None and held.sha256 == known.sha256:
                return known, False
            if known is None and self._is_expected(path, held):
                return held, False
            say(f"{target} has changed since it was fetched, or is another file: fetching it again")
        make_directory(target.parent)
        incoming = target.with_name(f".{target.name}.incoming")
        try:
            fetched = fetch(incoming)
            if known is not None and fetched.sha256 != known.sha256:
                raise DownloadError("gave another file than the first time (its sha256 is not the recorded one)")
            with explained(target):
                incoming.replace(target)
        finally:
            incoming.unlink(missing_ok=True)
        return fetched, True

    def _is_expected(self, path: str, held: FetchedFile) -> bool:
        """Whether a file that nobody recorded, since a fetch was killed, may be what the description means."""
        described = next((file for file in self.description.files if file.path == path), None)
        if described is None or described.sha256 == RECORDED:
            return True
        return described.member is None and described.sha256 == held.sha256

    def _described(self, file: DescribedFile, target: Path, advance: Advance) -> FetchedFile:
        """Fetch a listed file, or the archive that holds it, and check that against the description."""
        source = target if file.member is None else target.with_name(f"{target.name}.zip")
        download(self._url(file.url), source, advance, timeout=_PATIENCE)
        try:
            came = _measured(source)
            if file.sha256 not in (RECORDED, came.sha256) or file.bytes not in (None, came.bytes):
                raise DownloadError("gave another file than the one described (its size or sha256 is wrong)")
            if file.member is None:
                return came
            _extract(source, file.member, target)
            return _measured(target).model_copy(update={"archive": came.sha256})
        finally:
            if file.member is not None:
                source.unlink(missing_ok=True)

    def _url(self, address: str) -> str:
        return f"{self.location.rstrip('/')}/{quote(address)}"


def _measured(path: Path) -> FetchedFile:
    return FetchedFile(sha256=sha256_of(path), bytes=path.stat().st_size)


def _extract(archive: Path, member: str, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            opened.open(member) as source,
            explained(target),
            target.open("wb") as file,
        ):
            for block in blocks(source):
                file.write(block)
    except KeyError as error:
        raise DownloadError(f"gave an archive without {member}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DownloadError(f"gave a damaged archive ({error})") from error


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except DownloadError as error:
        raise NetworkError(
            f"{url} could not be fetched: the server {error}.",
            fix=f"Run the same command again to go on, or give --source-url another place. {_CHANGED}",
        ) from error
