"""How many bytes travel: Brotli, as a CDN sends it.

Measured on yolo11n-pose: quality 11 takes 3 s a MB. On codes it saves 20 to 60 %; on float weights quality 5 comes
within 1.5 % of quality 11 in a hundredth of the time, so float shards are measured with 5 (``docs/format.md``).

What is compressed for the files of a finished directory is kept in the cache, so that publishing them does not do it
again. Entries are named by the sha256 of the bytes, the quality and the library's version: the same name is the same
content.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from yolo_edge.cache import cache_root
from yolo_edge.errors import OutputError
from yolo_edge.files import staged_file

BEST_QUALITY = 11
FLOAT_QUALITY = 5


@lru_cache(maxsize=8)
def brotli_bytes(data: bytes, quality: int = BEST_QUALITY) -> int:
    """Return the size of ``data`` after Brotli at a quality of 0 to 11.

    The last few answers are kept: the search for a budget measures the very files that are then written.
    """
    return len(_compressed(data, quality))


def compressed(data: bytes, quality: int = BEST_QUALITY) -> bytes:
    """Return ``data`` after Brotli at a quality of 0 to 11, from the cache where it is there.

    Law: ``brotli.decompress(compressed(data)) == data``, whatever the cache holds.
    """
    import brotli

    path = _cache_path(data, quality)
    with suppress(OSError, brotli.error):
        kept = path.read_bytes()
        if brotli.decompress(kept) == data:
            return kept
    made = _compressed(data, quality)
    keep_compressed(data, quality, made)
    return made


def keep_compressed(data: bytes, quality: int, made: bytes) -> None:
    """Put compressed bytes into the cache; where nothing can be written, nothing is kept."""
    path = _cache_path(data, quality)
    with suppress(OutputError), staged_file(path, force=True) as staging:
        staging.write_bytes(made)


@lru_cache(maxsize=8)
def _compressed(data: bytes, quality: int) -> bytes:
    import brotli

    made: bytes = brotli.compress(data, quality=quality)
    return made


def _cache_path(data: bytes, quality: int) -> Path:
    name = f"{hashlib.sha256(data).hexdigest()}-{quality}-{metadata.version('brotli')}.br"
    return cache_root() / "brotli" / name
