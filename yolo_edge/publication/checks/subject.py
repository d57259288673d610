"""What the checks look at: a store, the service behind it, the site before it, a scratch prefix to try things in."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import cache

from yolo_edge.errors import YoloEdgeError
from yolo_edge.publication.checks.site import Site
from yolo_edge.publication.conditions import scratch_prefix
from yolo_edge.publication.layout import IMMUTABLE, JSON_TYPE, SHORT_LIVED
from yolo_edge.publication.probe import Probe, Probeable
from yolo_edge.publication.store import Headers, Store

_AT_ONCE = 8
_HOSTS = {".amazonaws.com": "Amazon S3", ".r2.cloudflarestorage.com": "R2"}


class Need(Enum):
    """What a check may need; the value says what is the case where it is lacking."""

    SERVICE = "the store is a folder, not a service"
    CONTACT = "the service was not reached"
    WRITING = "nothing could be written"
    URL = "no --url was given"
    SITE = "the site was not reached"


@dataclass(frozen=True)
class Sample:
    """An object like those of a release.

    Attributes:
        suffix: how its key ends.
        content: its bytes before compression.
        stored: its bytes in the store.
        headers: what it is stored with.
    """

    suffix: str
    content: bytes
    stored: bytes
    headers: Headers


@cache
def shard() -> Sample:
    """Weights: stored as Brotli, since hardly any edge compresses their type."""
    import brotli

    content = bytes(random.Random(0).choices(range(16), k=1 << 16))
    headers = Headers("application/octet-stream", IMMUTABLE, "br")
    return Sample(".bin", content, brotli.compress(content, quality=5), headers)


@cache
def model() -> Sample:
    """A ``model.json`` of the size of a real one, so that edges find it worth compressing."""
    nodes = [{"name": f"node_{number}", "op": "Conv2D", "input": [f"node_{number - 1}"]} for number in range(500)]
    content = json.dumps({"format": "graph-model", "nodes": nodes}).encode()
    return Sample(".json", content, content, Headers(JSON_TYPE, IMMUTABLE))


@cache
def loader() -> Sample:
    """A module of the loader."""
    content = b"export const version = '0';\n" * 100
    return Sample(".js", content, content, Headers("text/javascript; charset=utf-8", IMMUTABLE))


@cache
def channel() -> Sample:
    """A channel, which caches may keep for seconds."""
    content = b'{"kind":"channel","seq":1}'
    return Sample(".json", content, content, Headers(JSON_TYPE, SHORT_LIVED))


class Subject:
    """A store under examination.

    Args:
        store: to look at.
        url: under which its ``models/…`` are served; None looks at the store alone.

    Attributes:
        store: as given.
        lacks: what checks cannot have; those that find out add to it.
        prefix: of all scratch objects.

    Raises:
        UsageError: the address is none.
    """

    def __init__(self, store: Store, url: str | None) -> None:
        self.store = store
        self._site = Site(url) if url is not None else None
        self._probe: Probe | None = store.probe() if isinstance(store, Probeable) else None
        parts = {Need.SERVICE: self._probe, Need.URL: self._site}
        self.lacks = {need for need, part in parts.items() if part is None}
        self.prefix = scratch_prefix()
        self._made: list[str] = []

    @property
    def probe(self) -> Probe:
        """The service, for checks that need it."""
        assert self._probe is not None
        return self._probe

    @property
    def site(self) -> Site:
        """The site, for checks that need it."""
        assert self._site is not None
        return self._site

    @property
    def service(self) -> str | None:
        """Name the service behind the store, as far as its address tells."""
        host = self._probe.endpoint if self._probe else ""
        return next((name for ending, name in _HOSTS.items() if host.split("//")[-1].endswith(ending)), None)

    def key(self, name: str) -> str:
        """Return the key of a scratch object, which is removed at the end."""
        key = self.prefix + name
        self._made.append(key)
        return key

    def write(self, name: str, sample: Sample) -> str:
        """Make a scratch object that nobody has asked for yet, and return its key."""
        key = self.key(name + sample.suffix)
        self.store.put_once(key, sample.stored, sample.headers)
        return key

    def clean(self) -> YoloEdgeError | None:
        """Remove all scratch objects; return why some stay, if any do."""

        def remove(key: str) -> YoloEdgeError | None:
            try:
                self.store.delete(key)
            except YoloEdgeError as error:
                return error
            return None

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return next((error for error in pool.map(remove, dict.fromkeys(self._made)) if error), None)
