"""Single requests that no :class:`yolo_edge.publication.store.Store` makes: for looking at how a service behaves.

A store that is reached over a network offers a probe. It says what the service answered, also where a store would
look again, try again or explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from yolo_edge.publication.store import Headers


@dataclass(frozen=True)
class Reply:
    """What a service answered to one request.

    Attributes:
        status: of HTTP.
        code: the service's name for its refusal, such as ``PreconditionFailed``; empty where it did what was asked.
        date: by the service's clock, with a time zone; None where it did not say.
    """

    status: int
    code: str
    date: datetime | None

    @property
    def done(self) -> bool:
        """Tell whether the service did what was asked."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.status} {self.code}".rstrip()


class Probe(Protocol):
    """Sends single requests, as the holder of the credentials or as a stranger, who has none.

    Every method raises a NetworkError where the service is not reached.

    Attributes:
        endpoint: address of the service.
    """

    endpoint: str

    def put(
        self,
        key: str,
        data: bytes,
        headers: Headers,
        *,
        conditions: Mapping[str, str] | None = None,
        sha256: str | None = None,
        as_stranger: bool = False,
    ) -> Reply:
        """Write an object.

        Args:
            key: of the object.
            data: its bytes.
            headers: what it shall be served with.
            conditions: ``If-None-Match`` or ``If-Match`` → value; none writes in any case.
            sha256: lowercase hex, what the service is told that ``data`` has; that of ``data`` by default.
            as_stranger: without credentials.
        """

    def list(self, prefix: str, *, as_stranger: bool = False) -> Reply:
        """Ask which objects there are."""

    def delete(self, key: str, *, as_stranger: bool = False) -> Reply:
        """Remove an object."""


@runtime_checkable
class Probeable(Protocol):
    """A store of a service."""

    def probe(self) -> Probe:
        """Return what makes single requests to the service."""
