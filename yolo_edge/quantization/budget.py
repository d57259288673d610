"""Budgets as people write them."""

from __future__ import annotations

import re

from yolo_edge.errors import UsageError

_UNITS = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "kib": 1024, "mib": 1024**2}
_FEWEST_BITS, _MOST_BITS = 0.5, 16.0


def parse_bytes(text: str) -> int:
    """Parse ``"1.4MB"``, ``"900 kB"`` or ``"1400000"`` into bytes (decimal units; ``MiB`` and ``kiB`` are binary).

    Raises:
        UsageError: it is no positive size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if match is None or match[2].lower() not in _UNITS or float(match[1]) == 0:
        raise UsageError(f"{text!r} is not a size.", fix="Write 1.4MB, 900kB or a number of bytes.")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def bytes_for_bits(bits: float, parameters: int) -> int:
    """Return the budget of ``bits`` on the wire a parameter, everything included.

    Raises:
        UsageError: ``bits`` is outside 0.5 to 16.
    """
    if not _FEWEST_BITS <= bits <= _MOST_BITS:
        raise UsageError(
            f"--bits {bits:g} is out of range: a parameter takes {_FEWEST_BITS:g} to {_MOST_BITS:g} bits.",
            fix="3.3 to 4.5 is the useful range.",
        )
    return int(bits * parameters / 8)
