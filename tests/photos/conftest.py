"""Fixtures for all tests of photo sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.photos.listening import Listener
from yolo_edge.console import reporting_to


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Everything that is said while the test runs."""
    listener = Listener()
    with reporting_to(listener):
        yield listener.lines
