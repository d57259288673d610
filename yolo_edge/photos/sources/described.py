"""Described sets (:mod:`yolo_edge.photos.description`), once they are fetched: by name, yaml or directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import Benchmark, chosen
from yolo_edge.photos.description import Description, find_description, read_description
from yolo_edge.photos.documents import read_yaml
from yolo_edge.photos.photo import FilePhoto
from yolo_edge.photos.record import Record, cached_directory, check_file, is_fetched, read_record
from yolo_edge.photos.source import Opening, SourceFormat, find_format
from yolo_edge.photos.sources.coco import KIND as COCO
from yolo_edge.photos.sources.coco import as_benchmark, parse_coco

KIND = "described"
PHOTO_FOLDER = "images"
"""Where the photos of a ``coco`` set lie that are fetched one by one."""


def is_described(source: str) -> bool:
    """Say whether a source is a fetched directory, the yaml of a description, or a name that is no file."""
    path = Path(source)
    if path.is_dir():
        return is_fetched(path)
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml") and _is_description(path)
    return find_description(source) is not None


def read_described(opening: Opening) -> Benchmark:
    """Open a described set that is fetched.

    Raises:
        InputError: it is not fetched, or not as much of it as is asked for; a file has changed since.
    """
    if opening.path.is_dir():
        directory = opening.path
        description = read_record(directory).description
    else:
        description = describe(opening.source)
        directory = cached_directory(description)
    limit, seed = description.narrowed(opening.limit, opening.seed)
    opening = replace(opening, limit=limit, seed=seed)
    if description.kind == "builtin":
        return find_format("builtin").read(replace(opening, source="builtin"))
    if not is_fetched(directory):
        raise InputError(f"The set {description.name} is not fetched.", fix=_fetch(description, opening))
    record = read_record(directory)
    for file in description.files:
        check_file(directory, file.path, record)
    if description.kind == COCO and description.photos:
        found = _listed_photos(directory, record, description, opening)
    else:
        source = str(directory / description.open)
        found = _format_of(source, description).read(replace(opening, source=source))
    return replace(found.sample(opening.limit, opening.seed), name=description.name)


def describe(source: str) -> Description:
    """Return the description that a name or a yaml stands for.

    Raises:
        InputError: there is none, or it is wrong.
    """
    if Path(source).is_file():
        return read_description(Path(source))
    description = find_description(source)
    if description is None:
        raise InputError(f"There is no benchmark set called {source}.", fix="yolo-edge benchmark list names them.")
    return description


def _is_description(path: Path) -> bool:
    try:
        return "schema_version" in read_yaml(path)
    except InputError:
        return False


def _format_of(source: str, description: Description) -> SourceFormat:
    found = find_format(source)
    if found.kind != description.kind:
        raise InputError(
            f"The set {description.name} is described as {description.kind}, but {source} is {found.kind}.",
            fix="Correct the description.",
        )
    return found


def _listed_photos(directory: Path, record: Record, description: Description, opening: Opening) -> Benchmark:
    document = parse_coco(directory / description.open)
    names = document.eligible(with_unlabelled=description.unlabelled == "background")
    paths = {key: f"{PHOTO_FOLDER}/{name}" for key, name in names.items()}
    here = {key for key, path in paths.items() if path in record.files and (directory / path).is_file()}
    wanted = here if opening.limit is None else chosen(names, opening.limit, opening.seed)
    missing = len(wanted - here)
    if missing or not wanted:
        raise InputError(
            f"{missing or 'All'} of {len(wanted) or len(names)} photos of {description.name} are not fetched.",
            fix=_fetch(description, opening),
        )
    photos = [
        FilePhoto(key, names[key], directory / path, record.files[path].sha256)
        for key, path in paths.items()
        if key in wanted
    ]
    return as_benchmark(document, description.name, photos)


def _fetch(description: Description, opening: Opening) -> str:
    limit = "" if opening.limit is None else f" --limit {opening.limit}"
    seed = "" if opening.limit is None or opening.seed == 0 else f" --seed {opening.seed}"
    output = f" --output {opening.path}" if opening.path.is_dir() else ""
    name = description.name if output else opening.source
    return f"Run yolo-edge benchmark fetch {name}{limit}{seed}{output}."


FORMAT = SourceFormat(KIND, is_described, read_described)
