"""``demo``: a release and a page that uses it, served on this machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from yolo_edge.console import say
from yolo_edge.errors import UsageError
from yolo_edge.publication.channel import require_channel
from yolo_edge.publication.content import Compression, read_content
from yolo_edge.publication.edge import serve_store
from yolo_edge.publication.layout import channel_key, check_name
from yolo_edge.publication.promotion import Flipping, promote
from yolo_edge.publication.release import plan_release, publish_release, require_record
from yolo_edge.publication.store import Store, open_store
from yolo_edge.runtime.loopback import served_files
from yolo_edge.runtime.packages import tfjs_packages
from yolo_edge.verbs.convert import convert

NAME, VERSION, CHANNEL = "demo", "0.0.0", "latest"
SOURCE, SIZE = "yolo11n-pose", 320
SCHEMES = ("float32", "int8")
_PAGE = "web/demo"


@dataclass(frozen=True)
class Demo:
    """A page that is being served.

    Attributes:
        address: of the page.
        channel: address of the channel file that it loads from.
        variants: names of the models to choose from.
    """

    address: str
    channel: str
    variants: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the addresses as JSON-ready values."""
        return {"address": self.address, "channel": self.channel, "variants": list(self.variants)}


@contextmanager
def demo(
    directory: str | Path | None = None,
    *,
    store: str | None = None,
    name: str | None = None,
    channel: str = CHANNEL,
    endpoint_url: str | None = None,
    port: int = 0,
) -> Iterator[Demo]:
    """Serve a page on 127.0.0.1 that finds poses in the camera, a photo or a video, as long as the block runs.

    Args:
        directory: a converted directory or a folder of several; by default yolo11n-pose at 320 px is converted.
        store: show what is published there instead; with ``name``.
        name: of the model in the store.
        channel: of the model in the store.
        endpoint_url: of an S3 service other than Amazon's.
        port: on 127.0.0.1; 0 takes a free one.

    Yields:
        Where the page is.

    Raises:
        UsageError: a store and a directory are given, or a store without a name; the port is taken.
        InputError: the directory holds no models.
        ConflictError: the store has no such channel.
        NetworkError: the store or TensorFlow.js cannot be reached.
    """
    if (store is None) != (name is None) or (store is not None and directory is not None):
        raise UsageError(
            "The demo shows a directory, or a model of a store.", fix="Give a directory alone, or --store and --name."
        )
    with ExitStack() as stack:
        if store is not None and name is not None:
            place, key = open_store(store, endpoint_url=endpoint_url), channel_key(check_name(name, "model"), channel)
            variants = _variants(place, name, check_name(channel, "channel"))
        else:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yolo-edge-demo-")))
            place, variants = _published(Path(directory) if directory is not None else _converted(scratch), scratch)
            key = channel_key(NAME, CHANNEL)
        base = stack.enter_context(serve_store(place, port=port, static=page_files(key)))
        yield Demo(base, base + key, variants)


def page_files(channel: str) -> dict[str, bytes]:
    """Return what is served beside the store: the page, TensorFlow.js, and which channel to load.

    Args:
        channel: key of the channel file.

    Raises:
        NetworkError: TensorFlow.js is not cached and cannot be fetched.
    """
    folder = package_files("yolo_edge").joinpath(_PAGE)
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    for path, file in served_files(tfjs_packages()).items():
        if path.startswith("tfjs/"):
            found[path] = file.read_bytes()
    found["demo.json"] = json.dumps({"channel": channel}).encode()
    return found


def _converted(scratch: Path) -> Path:
    folder = scratch / "models"
    for scheme in SCHEMES:
        say(f"Converting {SOURCE} at {SIZE} px, {scheme}")
        convert(SOURCE, folder / scheme, imgsz=str(SIZE), quantize=scheme)
    return folder


def _published(directory: Path, scratch: Path) -> tuple[Store, tuple[str, ...]]:
    store = open_store(str(scratch / "site"))
    content = read_content(directory, Compression(shards=False))
    record = publish_release(store, content, plan_release(content, NAME, VERSION)).record
    promote(Flipping(store, NAME, CHANNEL), VERSION, record=record)
    return store, tuple(record.variants)


def _variants(store: Store, name: str, channel: str) -> tuple[str, ...]:
    record = require_record(store, name, require_channel(store, name, channel).version)
    if record.web is None:
        raise UsageError(
            f"{name} {record.version} was published without the loader for browsers.",
            fix="Publish a new version with this yolo-edge.",
        )
    return tuple(record.variants)
