"""Points of a frontier, as people write them: schemes, with a budget where the scheme takes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolo_edge.errors import UsageError
from yolo_edge.quantization.budget import bytes_for_bits, parse_bytes
from yolo_edge.quantization.scheme import SCHEME_NAMES, find_scheme

DEFAULT_SCHEMES = ("float16", "int8", "int4")
DEFAULT_BITS = (4.6, 4.0, 3.4, 3.0)
"""Sizes of the ``rd`` points that are drawn when none are named, bits on the wire a parameter."""

_BUDGETED = "rd"
DEFAULT_NAMES = (*DEFAULT_SCHEMES, _BUDGETED)
"""The schemes of these points."""

_FIX = "Write points as float16,int8,rd:1.6MB,rd:1.4MB."


@dataclass(frozen=True)
class PlannedPoint:
    """A point to measure: ``scheme``, or ``scheme:budget``."""

    name: str
    scheme: str
    max_bytes: int | None = None


def parse_points(schemes: str | Sequence[str]) -> tuple[PlannedPoint, ...]:
    """Read points as people write them: ``"float16,int8,rd:1.6MB"``.

    Raises:
        UsageError: there are none, one is named twice, a scheme is unknown, or a budget is missing or wrong.
    """
    texts = schemes.split(",") if isinstance(schemes, str) else schemes
    points = [_parse_point(text.strip()) for text in texts if text.strip()]
    if not points:
        raise UsageError("--schemes names no point.", fix=_FIX)
    names = [point.name for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--schemes names {', '.join(twice)} twice.", fix="Name each point once.")
    return tuple(points)


def _parse_point(text: str) -> PlannedPoint:
    name, colon, budget = text.partition(":")
    takes_budget = "max_bytes" in find_scheme(name).options
    if colon and not takes_budget:
        raise UsageError(f"{name} takes no budget, so {text!r} is no point.", fix=f"Write {name}.")
    if takes_budget and not budget:
        raise UsageError(f"{name} needs a budget.", fix=f"Write {name}:1.4MB.")
    return PlannedPoint(text, name, parse_bytes(budget) if colon else None)


def default_points(parameters: int) -> tuple[PlannedPoint, ...]:
    """Return the points to measure when none are named.

    Args:
        parameters: how many the model has.
    """
    fixed = [PlannedPoint(name, name) for name in DEFAULT_SCHEMES if name in SCHEME_NAMES]
    kilobytes = [bytes_for_bits(bits, parameters) // 1000 for bits in DEFAULT_BITS]
    sized = [PlannedPoint(f"{_BUDGETED}:{size / 1000:.3f}MB", _BUDGETED, size * 1000) for size in kilobytes if size]
    return (*fixed, *sized)
