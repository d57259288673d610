"""A network between a client and a service that fails in the ways networks fail, on the loopback.

Each connection draws one fault from those asked for. Bytes pass through unread, so it works for TLS as well; only the
answers that the proxy makes up itself (503, 429) need plain http.

==============  ==============================================================================
fault           what happens
==============  ==============================================================================
``reset``       the connection is reset after some bytes of a request
``cut``         it is closed after some bytes of a request
``lost reply``  it is reset after some bytes of an answer: the request took effect
``stall``       nothing passes for some seconds, then it is reset
``503``         while ``refusals`` last, requests are answered ``503 SlowDown`` without being passed on
``429``         likewise ``429 TooManyRequests``
==============  ==============================================================================
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

STALL_SECONDS = 1.0
_BLOCK = 1 << 16
_BREAKS = ("reset", "cut", "lost reply", "stall")
_REASONS = {"503": "SlowDown", "429": "TooManyRequests"}


@dataclass
class FaultyNetwork:
    """A proxy in front of one address.

    Attributes:
        target: host and port of the service.
        faults: drawn from for each connection; ``ok`` for none.
        delay: seconds that each direction takes longer.
        refusals: how many more requests are answered by a made-up status, of all connections.
        counts: connections by fault.
    """

    target: tuple[str, int]
    faults: Sequence[str] = ("ok",)
    delay: float = 0.0
    refusals: int = 0
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self._random.choice(list(self.faults))
            self.counts[fault] += 1
            threading.Thread(target=self._serve, args=(client, fault, self._random.random()), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str, draw: float) -> None:
        with suppress(OSError), client:
            while fault in _REASONS and self._refuses():
                if not _refuse(client, int(fault), _REASONS[fault]):
                    return
            with socket.create_connection(self.target, 5) as service:
                for end in (client, service):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pass(client, service, fault, draw)

    def _refuses(self) -> bool:
        with self._lock:
            self.refusals -= 1
            return self.refusals >= 0

    def _pass(self, client: socket.socket, service: socket.socket, fault: str, draw: float) -> None:
        """Carry bytes both ways until an end closes or the fault comes."""
        sent = {client: 0, service: 0}
        watched = service if fault == "lost reply" else client
        limit = None if fault not in _BREAKS else int(1 + draw * (400 if watched is service else 30_000))
        late: list[tuple[float, socket.socket, bytes]] = []
        selector = selectors.DefaultSelector()
        selector.register(client, selectors.EVENT_READ, service)
        selector.register(service, selectors.EVENT_READ, client)
        while True:
            wait = max(0.0, late[0][0] - time.monotonic()) if late else 60.0
            for key, _ in selector.select(wait):
                source, sink = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(_BLOCK)
                if not data:
                    _flush(late)
                    return
                sent[source] += len(data)
                if limit is not None and source is watched and sent[source] >= limit:
                    self._fail(client, service, fault, data[: len(data) // 2])
                    return
                late.append((time.monotonic() + self.delay, sink, data))
            while late and late[0][0] <= time.monotonic():
                _, sink, data = late.pop(0)
                sink.sendall(data)

    def _fail(self, client: socket.socket, service: socket.socket, fault: str, half: bytes) -> None:
        if fault != "lost reply":
            service.sendall(half)
        if fault == "stall":
            time.sleep(STALL_SECONDS)
        if fault == "cut":
            client.shutdown(socket.SHUT_RDWR)
            return
        _reset(client)


def _flush(late: list[tuple[float, socket.socket, bytes]]) -> None:
    for due, sink, data in late:
        time.sleep(max(0.0, due - time.monotonic()))
        sink.sendall(data)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _refuse(client: socket.socket, status: int, code: str) -> bool:
    """Read one request and answer it with a status; tell whether there was one."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(_BLOCK)
        if not data:
            return False
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = (int(lengths[0].split(b":")[1]) if lengths else 0) - len(body)
    while missing > 0:
        data = client.recv(_BLOCK)
        if not data:
            return False
        missing -= len(data)
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Slow down.</Message></Error>".encode()
    reply = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\n\r\n"
    client.sendall(reply.encode() + (b"" if head.startswith(b"HEAD") else text))
    return True


@contextmanager
def faulty_network(
    endpoint: str, faults: Sequence[str] = ("ok",), **options: float
) -> Iterator[tuple[str, FaultyNetwork]]:
    """Yield an address that leads to ``endpoint`` through a faulty network, and the network."""
    parts = urlsplit(endpoint)
    assert parts.hostname and parts.port
    network = FaultyNetwork((parts.hostname, parts.port), faults, **options)  # type: ignore[arg-type]
    try:
        yield f"{parts.scheme}://127.0.0.1:{network.port}", network
    finally:
        network.close()
