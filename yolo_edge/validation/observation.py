"""What a model finds on a benchmark: run once a photo, remembered by content.

Answers are kept in the cache by what decides them (model, runtime, photo, decoding), one small file a photo, written as
each photo is done: a validation that was interrupted goes on where it stopped, and one that is repeated takes seconds.
Photos are read one at a time and only persons are kept, so memory does not grow with the photos' size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from yolo_edge.cache import cache_root
from yolo_edge.console import progress
from yolo_edge.files import staged_file
from yolo_edge.photos.photo import Photo
from yolo_edge.photos.reading import ReadablePhotos
from yolo_edge.pose.decode import Person
from yolo_edge.pose.head import PoseHead
from yolo_edge.runtime.base import Runtime
from yolo_edge.validation.detection import Observation, observe_photo

_VERSION = 1
"""Changes whenever persons would: part of the cache key."""


@dataclass
class Observations:
    """What a model found on the photos of a benchmark.

    Attributes:
        by_photo: key of each photo that could be read → what was found.
        remembered: how many came from the cache.
    """

    by_photo: dict[int, Observation] = field(default_factory=dict)
    remembered: int = 0

    @property
    def persons(self) -> dict[int, tuple[Person, ...]]:
        """Key of each photo → persons."""
        return {key: observation.persons for key, observation in self.by_photo.items()}

    @property
    def scales(self) -> dict[int, float]:
        """Key of each photo → input pixels a photo pixel."""
        return {key: observation.scale for key, observation in self.by_photo.items()}


class ObservationStore:
    """Remembers observations of one model in one runtime.

    Args:
        parts: everything that decides an observation beside the photo: digest of the model, runtime, versions.
        head: what the model's output means.
    """

    def __init__(self, parts: Iterable[str], head: PoseHead) -> None:
        key = sha256("\n".join([str(_VERSION), repr(head), *parts]).encode()).hexdigest()
        self._directory = cache_root() / "observations" / key[:32]
        self._shape = (head.keypoint_count, head.keypoint_dimensions)

    def read(self, photo: Photo) -> Observation | None:
        """Return what is remembered of a photo; a damaged file is forgotten."""
        path = self._path(photo)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return Observation(_unpacked(stored["rows"], self._shape), float(stored["scale"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            path.unlink(missing_ok=True)
            return None

    def write(self, photo: Photo, observation: Observation) -> None:
        """Remember a photo's observation."""
        with staged_file(self._path(photo), force=True) as staging, staging.open("wb") as file:
            np.savez(file, rows=_packed(observation.persons), scale=np.array(observation.scale))

    def _path(self, photo: Photo) -> Path:
        return self._directory / f"{photo.digest()[:32]}.npz"


def _packed(persons: Iterable[Person]) -> NDArray[np.float64]:
    rows = [np.concatenate([[p.score, p.class_index], p.box, p.keypoints.ravel()]) for p in persons]
    return np.array(rows, np.float64) if rows else np.zeros((0, 6))


def _unpacked(rows: NDArray[np.float64], shape: tuple[int, int]) -> tuple[Person, ...]:
    return tuple(
        Person(box=row[2:6], score=float(row[0]), class_index=int(row[1]), keypoints=row[6:].reshape(shape))
        for row in rows
    )


def observe(
    open_worker: Callable[[], Runtime],
    head: PoseHead,
    photos: ReadablePhotos,
    *,
    title: str,
    workers: int = 1,
    store: ObservationStore | None = None,
    chosen: Iterable[int] | None = None,
    into: Observations | None = None,
) -> Observations:
    """Run a model on photos.

    Args:
        open_worker: opens the model; called once a worker, and not at all where everything is remembered.
        head: what the output means.
        photos: read one at a time; those that cannot be read are named by them, and left out here.
        title: what the progress bar says.
        workers: how many runtimes work side by side. With one, everything happens in this thread, which the browser
            needs.
        store: where observations are remembered.
        chosen: keys of the photos to run on; all by default.
        into: collects the result, so that what is done before an error is kept.

    Raises:
        ModelError: the model cannot be run.
        MissingComponentError: what runs it is not installed.
    """
    found = into if into is not None else Observations()
    keys = set(photos.benchmark.keys if chosen is None else chosen)
    listed = [photo for photo in photos.benchmark.photos if photo.key in keys]
    unreadable = {skipped.name for skipped in photos.skipped}
    todo = []
    for photo in listed:
        remembered = store.read(photo) if store else None
        if remembered is not None:
            found.by_photo[photo.key] = remembered
            found.remembered += 1
        elif photo.name not in unreadable:
            todo.append(photo)
    if todo:
        work = _alone if workers <= 1 else _side_by_side
        with progress(title, len(todo), "photos") as advance, ExitStack() as stack:
            for photo, observation in work(stack, open_worker, head, photos, todo, min(workers, len(todo))):
                if observation is not None:
                    found.by_photo[photo.key] = observation
                    if store:
                        store.write(photo, observation)
                advance(1)
    found.by_photo = {photo.key: found.by_photo[photo.key] for photo in listed if photo.key in found.by_photo}
    return found


Results = Iterator[tuple[Photo, Observation | None]]


def _alone(
    stack: ExitStack,
    open_worker: Callable[[], Runtime],
    head: PoseHead,
    photos: ReadablePhotos,
    todo: list[Photo],
    _: int,
) -> Results:
    runtime = stack.enter_context(open_worker())
    for photo in todo:
        image = photos.read(photo)
        yield photo, None if image is None else observe_photo(runtime, head, image)


def _side_by_side(
    stack: ExitStack,
    open_worker: Callable[[], Runtime],
    head: PoseHead,
    photos: ReadablePhotos,
    todo: list[Photo],
    workers: int,
) -> Results:
    """Each photo takes a free runtime; at most two a runtime are under way, so that memory stays small."""
    free: SimpleQueue[Runtime] = SimpleQueue()
    pool = ThreadPoolExecutor(workers)
    stack.callback(pool.shutdown, cancel_futures=True)
    for opened in [pool.submit(open_worker) for _ in range(workers)]:
        free.put(stack.enter_context(opened.result()))

    def work(photo: Photo) -> Observation | None:
        image = photos.read(photo)
        if image is None:
            return None
        runtime = free.get()
        try:
            return observe_photo(runtime, head, image)
        finally:
            free.put(runtime)

    waiting = iter(todo)
    running: dict[Future[Observation | None], Photo] = {}
    for photo in islice(waiting, 2 * workers):
        running[pool.submit(work, photo)] = photo
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()
            for following in islice(waiting, 1):
                running[pool.submit(work, following)] = following
