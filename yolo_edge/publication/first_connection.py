"""A client of S3 makes its first connection alone.

urllib3 loads the certificates into the client's one TLS context for each new connection
(``urllib3/util/ssl_.py``, ``ssl_wrap_socket``). OpenSSL does not lock where the first of these is noted
(``crypto/x509/x509_lu.c``, ``X509_STORE_add_lookup``): threads that connect at the same time may note it twice, and the
process dies when the context is freed. Once a connection was made, later ones note nothing more.
"""

from __future__ import annotations

import threading
from typing import Any

_PATIENCE = 60.0
"""Seconds to wait for another thread's first answer; then that thread has died without one."""


class FirstConnection:
    """Lets one thread send at a time until an answer has come."""

    def __init__(self) -> None:
        """Start with no connection made."""
        self._turn = threading.Lock()
        self._mine = threading.local()
        self._is_made = False

    def watch(self, client: Any) -> None:
        """Watch the requests of a boto3 client of S3; each attempt of each counts."""
        client.meta.events.register_first("before-send.s3", self._before)
        client.meta.events.register_first("needs-retry.s3", self._after)

    def _before(self, **_: object) -> None:
        if self._is_made or not self._turn.acquire(timeout=_PATIENCE):
            return
        if self._is_made:
            self._turn.release()
        else:
            self._mine.is_held = True

    def _after(self, response: object, **_: object) -> None:
        if getattr(self._mine, "is_held", False):
            self._is_made = response is not None
            self._mine.is_held = False
            self._turn.release()
