"""Where downloads are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "YOLO_EDGE_CACHE"
"""Environment variable that moves the cache to another directory."""


def cache_root() -> Path:
    """Return the directory for downloads: ``$YOLO_EDGE_CACHE``, else the platform's cache directory of yolo-edge.

    The directory is not created here: whoever writes into it does that.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("yolo-edge")
