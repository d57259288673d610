"""Does a service honour conditional writes? Asked before anything is published to it.

Some services that speak like S3 ignore ``If-None-Match`` and ``If-Match``, and write whatever is sent. Nothing in an
answer of theirs tells, so the only way to know is to try on a key that nobody else uses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from yolo_edge.console import say
from yolo_edge.errors import ConflictError, NetworkError
from yolo_edge.publication.local import LocalStore
from yolo_edge.publication.store import Headers, ObjectInfo, Store

STALE_ETAG = '"00000000000000000000000000000000"'
"""A well-formed tag of no object that is written here."""

_SCRATCH = Headers("text/plain", "no-store")


def require_conditional_writes(store: Store) -> None:
    """Check that a store refuses to replace what it should not, with one scratch object that is removed again.

    Four requests one after the other (six in all). A folder is not asked: its conditions are those of a lock.

    Args:
        store: to publish to.

    Raises:
        NetworkError: the store ignores a condition, is not reached, or refuses to write at all.
    """
    if isinstance(store, LocalStore):
        return
    key = f"{scratch_prefix()}conditions.txt"
    with _removed_afterwards(store, key):
        store.put_once(key, _content(), _SCRATCH)
        attempts = {
            "If-None-Match": lambda: store.put_once(key, _content(), _SCRATCH),
            "If-Match": lambda: store.swap(key, _content(), _SCRATCH, STALE_ETAG),
        }
        with ThreadPoolExecutor(len(attempts)) as pool:
            refused = dict(zip(attempts, pool.map(is_refused, attempts.values()), strict=True))
    ignored = [name for name, was_refused in refused.items() if not was_refused]
    if ignored:
        raise NetworkError(
            f"The service of {store.address} does not honour {' and '.join(ignored)}, so two publishers could "
            "overwrite each other.",
            fix="Publish to a service with conditional writes, such as Amazon S3, Cloudflare R2 or SeaweedFS.",
        )


def scratch_prefix() -> str:
    """Return a prefix of keys that nobody else uses, below ``models/`` so that the rules of a bucket apply to it."""
    return f"models/_doctor-{secrets.token_hex(8)}/"


def is_refused(write: Callable[[], ObjectInfo]) -> bool:
    """Tell whether a write ends in a conflict."""
    with suppress(ConflictError):
        write()
        return False
    return True


def _content() -> bytes:
    return f"A probe of yolo-edge: {secrets.token_hex(8)}\n".encode()  # no two equal: an equal write is no conflict


@contextmanager
def _removed_afterwards(store: Store, key: str) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            store.delete(key)
        except NetworkError as error:  # publishing does not need the right to delete
            say(f"The probe {key} stays in {store.address}: {error.what}")
