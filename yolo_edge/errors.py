"""The one exception tree. Every message says what is wrong, with which file or value, and what to do.

Exit codes (documented in README.md; the CLI is the only place that exits):

====  ==================================================================
code  meaning
====  ==================================================================
0     done
1     unexpected failure (a bug: please report it)
2     usage: an option or argument is wrong
3     bad input: a file, model or output folder cannot be used
4     a gate failed
5     conflict: already published differently, or a stale expectation
6     store or network
7     a component is missing (the message says how to install it)
130   interrupted
====  ==================================================================
"""

from __future__ import annotations

INTERRUPTED_EXIT_CODE = 130


class YoloEdgeError(Exception):
    """Base of everything yolo-edge raises on purpose.

    Args:
        what: one or two sentences that say what is wrong, naming the file or value.
        fix: what the reader can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.fix}" if self.fix else self.what


def first_line(error: BaseException) -> str:
    """Return the first line of another library's message, or the class of an error without one."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class UsageError(YoloEdgeError):
    """An option or argument is wrong, or two of them do not go together."""

    exit_code = 2


class InputError(YoloEdgeError):
    """A file the user gave cannot be used."""

    exit_code = 3


class CheckpointError(InputError):
    """A ``.pt`` file is damaged, unsafe, or holds no pose model."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint's pickle asks for a global that is not on the allow-list."""


class WeightsUnavailableError(InputError):
    """Catalogue weights are not cached, and no source gave them."""


class ModelError(InputError):
    """An ONNX or TF.js model is damaged, or not a YOLO pose model of a known layout."""


class UnsupportedOperationError(ModelError):
    """The lowering met an ONNX operation or attribute it has no rule for."""


class ImageError(InputError):
    """An image cannot be read."""


class OutputError(InputError):
    """The output cannot be written: it exists, is not writable, or the disk is full."""


class SignatureError(ModelError):
    """A published document is not signed by the key that was asked for, was changed, is expired or was replayed."""


class GateError(YoloEdgeError):
    """A validation gate failed."""

    exit_code = 4


class ConflictError(YoloEdgeError):
    """Something else is already published there, or an expectation is stale."""

    exit_code = 5


class NetworkError(YoloEdgeError):
    """A store, download or page could not be reached, or answered wrongly."""

    exit_code = 6


class MissingComponentError(YoloEdgeError):
    """An optional component is not installed."""

    exit_code = 7
