"""``benchmark``: the sets of photos that are known by name, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.addresses import site_address
from yolo_edge.console import say
from yolo_edge.errors import UsageError
from yolo_edge.photos.description import Description, known_descriptions
from yolo_edge.photos.fetching import FetchedSet, fetch_set
from yolo_edge.photos.record import cached_directory, is_fetched, read_record
from yolo_edge.photos.sources.described import describe
from yolo_edge.verbs.seed import check_seed


@dataclass(frozen=True)
class BenchmarkListing:
    """One set known by name.

    Attributes:
        name: what to give where photos are asked for.
        description: what it is.
        kind: the form it has.
        licence: of photos and labels.
        directory: where it lies; None for a set that needs no fetching, or is not fetched.
        files: how many of its files are fetched.
    """

    name: str
    description: str
    kind: str
    licence: str
    directory: Path | None
    files: int

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON-ready values."""
        return {**vars(self), "directory": None if self.directory is None else str(self.directory)}


@dataclass(frozen=True)
class FetchedBenchmark:
    """A set that was fetched.

    Attributes:
        name: of the set.
        directory: where it lies; None for a set that needs no fetching.
        files: how many of its files were asked for: photos and labels.
        photos: how many of those are photos that were fetched one by one.
        downloaded: how many of the files were not there yet.
        bytes: size of all that were asked for.
    """

    name: str
    directory: Path | None
    files: int
    photos: int
    downloaded: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {**vars(self), "directory": None if self.directory is None else str(self.directory)}


def list_benchmarks() -> tuple[BenchmarkListing, ...]:
    """List the sets known by name, and what of them is fetched. Needs no network.

    Raises:
        InputError: a description was edited and is wrong, or the record of a fetched set is damaged.
    """
    return tuple(_listing(description) for description in known_descriptions())


def fetch_benchmark(
    name: str | Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    source_url: str | None = None,
) -> FetchedBenchmark:
    """Fetch a set of photos into the cache, where every command finds it by its name.

    What is there already is checked and kept. After an interruption the same call goes on.

    Args:
        name: what ``list_benchmarks`` names, or the yaml of a description of one's own.
        limit: the most photos to fetch, where they are fetched one by one; all by default.
        seed: of the choice of those.
        output: a directory to put the set into, instead of the cache; give that wherever photos are asked for.
        source_url: the address of a mirror, ``http://…`` or ``https://…``, with the same paths below it.

    Raises:
        UsageError: ``limit`` or ``source_url`` is wrong.
        InputError: there is no such set, or what came cannot be used.
        NetworkError: files did not come, or are not what was described or came the first time; the others are kept.
        OutputError: the directory holds another set, or cannot be written.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} leaves no photo.", fix="Give 1 or more.")
    check_seed(seed)
    if source_url is not None:
        site_address(source_url)  # the record of the set keeps it
    description = describe(str(name))
    if description.kind == "builtin":
        say(f"{description.name} needs no fetching: its photos come with the ultralytics package")
        return FetchedBenchmark(description.name, None, 0, 0, 0, 0)
    if limit is not None and description.photos is None:
        say(f"{description.name} is fetched whole: --limit is of no account")
    directory = cached_directory(description) if output is None else Path(output)
    fetched = fetch_set(description, directory, limit=limit, seed=seed, location=source_url)
    say(f"{fetched.files} files of {description.name} are in {directory}, {fetched.downloaded} of them new")
    return _result(fetched)


def _result(fetched: FetchedSet) -> FetchedBenchmark:
    one_by_one = fetched.files - len(fetched.description.files)
    return FetchedBenchmark(
        fetched.description.name, fetched.directory, fetched.files, one_by_one, fetched.downloaded, fetched.bytes
    )


def _listing(description: Description) -> BenchmarkListing:
    directory = cached_directory(description)
    here = is_fetched(directory)
    return BenchmarkListing(
        name=description.name,
        description=description.description,
        kind=description.kind,
        licence=description.licence,
        directory=directory if here else None,
        files=len(read_record(directory).files) if here else 0,
    )
