"""A Node process that is spoken to in binary frames.

The frames are described at the top of ``js/frames.mjs``. The child ends when its stdin closes, or is killed through its
own handle; nothing else is ever stopped.
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from yolo_edge.errors import ModelError
from yolo_edge.runtime.base import raise_engine_error

_CLOSE_SECONDS = 5.0
_STDERR_TAIL = 800
_LENGTH = struct.Struct("<I")

Frame = tuple[dict[str, Any], bytes]
"""A JSON header and a payload."""


class NodeChild:
    """Runs one script in Node.

    Args:
        command: Node, the script and its arguments.
        subject: what the script works on, for messages.
    """

    def __init__(self, command: Sequence[str | Path], subject: str) -> None:
        self._subject = subject
        self._talk: threading.Thread | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr)

    def receive(self, action: str, seconds: float) -> Frame:
        """Wait for a frame of the child's own accord.

        Args:
            action: what the child is to do, as ``load the model``.
            seconds: longest wait.

        Raises:
            MissingComponentError: the child says that the backend does not start.
            ModelError: it reports another error, ended, or answered nothing in time (it is killed then).
        """
        return self._within(seconds, action, self._receive)

    def exchange(self, action: str, seconds: float, header: dict[str, Any], payload: memoryview | bytes = b"") -> Frame:
        """Send a frame and wait for the answer; see :meth:`receive`."""

        def both() -> Frame:
            self._send(header, payload)
            return self._receive()

        return self._within(seconds, action, both)

    def close(self) -> None:
        """Close the child's stdin, which ends it; kill it if it does not end, or is in the middle of something."""
        if self._talk is not None and self._talk.is_alive():
            self.process.kill()
            self._talk.join()
        with contextlib.suppress(OSError):  # a dead child's pipe breaks when the rest of the buffer is flushed
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self._stderr.close()

    def _within(self, seconds: float, action: str, exchange: Callable[[], Frame]) -> Frame:
        """Talk to the child in a thread, so that a child that hangs can be given up on."""
        answer: list[Frame] = []
        failure: list[Exception] = []

        def talk() -> None:
            try:
                answer.append(exchange())
            except (OSError, ValueError, EOFError) as error:
                failure.append(error)

        thread = self._talk = threading.Thread(target=talk, name="yolo-edge-node", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self.process.kill()
            thread.join()
            raise ModelError(
                f"Node did not {action} {self._subject} within {seconds:g} seconds.",
                fix="Try a smaller image size, or another runtime.",
            )
        if failure:
            raise ModelError(
                f"Node ended while it was to {action} {self._subject}{self._last_words()}",
                fix="Try another runtime, and report it if the model runs there.",
            ) from failure[0]
        header, payload = answer[0]
        raise_engine_error(header, f"Node could not {action} {self._subject}")
        return header, payload

    def _last_words(self) -> str:
        """How the child ended, and the end of what it wrote to stderr."""
        try:
            code = self.process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return "."
        self._stderr.seek(0)
        text = self._stderr.read().decode("utf-8", "replace").strip()
        return f" (exit status {code}): …{text[-_STDERR_TAIL:]}" if text else f" (exit status {code})."

    def _send(self, header: dict[str, Any], payload: memoryview | bytes) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        text = json.dumps({**header, "bytes": memoryview(payload).nbytes}).encode()
        stdin.write(_LENGTH.pack(len(text)) + text)
        stdin.write(payload)
        stdin.flush()

    def _receive(self) -> Frame:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        header: dict[str, Any] = json.loads(self._read(length))
        return header, self._read(header["bytes"])

    def _read(self, count: int) -> bytes:
        stdout = self.process.stdout
        assert stdout is not None
        block = stdout.read(count)
        if len(block) < count:
            raise EOFError("the pipe is closed")
        return block
