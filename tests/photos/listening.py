"""What the work says while it goes on."""

from __future__ import annotations

from yolo_edge.console import SilentReporter


class Listener(SilentReporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)
