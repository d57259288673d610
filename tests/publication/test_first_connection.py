"""Threads that ask at once connect one after the other, until there is a connection."""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from yolo_edge.errors import NetworkError
from yolo_edge.publication.seaweedfs import BUCKET
from yolo_edge.publication.store import open_store

THREADS = 8


@pytest.fixture
def loading(monkeypatch):
    """How many threads were loading certificates at the same time, at each load into a context."""
    lock, now, seen = threading.Lock(), [0], []
    load = ssl.SSLContext.load_verify_locations

    def watched(context, *arguments, **options):
        with lock:
            now[0] += 1
            seen.append(now[0])
        try:
            threading.Event().wait(0.05)
            return load(context, *arguments, **options)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", watched)
    return seen


def test_certificates_are_first_loaded_by_one_thread(s3_settings, loading):
    store = open_store(f"s3://{BUCKET}/first", endpoint_url=s3_settings.endpoints["https"])
    barrier = threading.Barrier(THREADS)

    def ask(number: int) -> object:
        barrier.wait()
        return store.head(f"nothing-{number}")

    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(ask, range(THREADS))) == [None] * THREADS
    assert loading[:2] == [1, 1], "the second began when the first was done"
    assert max(loading) > 1, "after that they go side by side"


def test_an_attempt_without_an_answer_lets_the_next_one_go(s3_settings):
    store = open_store(f"s3://{BUCKET}/first", endpoint_url="http://127.0.0.1:9")
    with ThreadPoolExecutor(2) as threads:
        for asked in [threads.submit(store.head, "nothing") for _ in range(2)]:
            with pytest.raises(NetworkError):
                asked.result(timeout=50)
