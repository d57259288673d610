"""How many bytes travel: Brotli, as a CDN sends it.

Measured on yolo11n-pose: quality 11 takes 3 s a MB. On codes it saves 20 to 60 %; on float weights quality 5 comes
within 1.5 % of quality 11 in a hundredth of the time, so float shards are measured with 5 (``docs/format.md``).
"""

from __future__ import annotations

from functools import lru_cache

BEST_QUALITY = 11
FLOAT_QUALITY = 5


@lru_cache(maxsize=8)
def brotli_bytes(data: bytes, quality: int = BEST_QUALITY) -> int:
    """Return the size of ``data`` after Brotli at a quality of 0 to 11.

    The last few answers are kept: the search for a budget measures the very files that are then written.
    """
    import brotli

    return len(brotli.compress(data, quality=quality))
