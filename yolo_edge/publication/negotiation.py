"""What headers of HTTP say: which encodings a client takes, how long a shared cache may keep an answer."""

from __future__ import annotations

_FOREVER = 31_536_000


def accepts_brotli(accept_encoding: str | None) -> bool:
    """Tell whether an ``Accept-Encoding`` takes ``br`` (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in (accept_encoding or "").split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights[name] = _weight(parameters)
    return weights.get("br", weights.get("*", 0.0)) > 0


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def directives(cache_control: str | None) -> dict[str, str]:
    """Return the parts of a ``Cache-Control`` by their lowercase names; those without a value have an empty one."""
    found = {}
    for part in (cache_control or "").split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found[name.lower()] = value.strip('"')
    return found


def cache_seconds(cache_control: str | None) -> tuple[int, int]:
    """Return how long a shared cache may keep an answer, and how much longer when the origin fails, in seconds.

    ``s-maxage`` comes before ``max-age``, as RFC 9111 has it; what says nothing, or forbids it, is not kept.
    """
    said = directives(cache_control)
    if {"no-store", "no-cache", "private"} & said.keys():
        return 0, 0
    if "immutable" in said:
        return _FOREVER, _FOREVER
    return _seconds(said.get("s-maxage", said.get("max-age"))), _seconds(said.get("stale-if-error"))


def _seconds(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 0


def names_etag(if_none_match: str | None, etag: str) -> bool:
    """Tell whether an ``If-None-Match`` names a tag, by the weak comparison of RFC 9110, section 13.1.2."""
    named = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return "*" in named or etag in named
