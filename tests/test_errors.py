"""Scripts rely on the exit codes, and people on a message that says what to do."""

from __future__ import annotations

import pytest

from yolo_edge import errors

EXIT_CODES = {
    "YoloEdgeError": 1,
    "UsageError": 2,
    "InputError": 3,
    "CheckpointError": 3,
    "UnsafeCheckpointError": 3,
    "WeightsUnavailableError": 3,
    "ModelError": 3,
    "UnsupportedOperationError": 3,
    "SignatureError": 3,
    "ImageError": 3,
    "OutputError": 3,
    "GateError": 4,
    "ConflictError": 5,
    "NetworkError": 6,
    "MissingComponentError": 7,
}


def test_exit_codes_are_those_of_the_documentation():
    found = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.YoloEdgeError)
    }
    assert found == EXIT_CODES
    for code in {*EXIT_CODES.values(), errors.INTERRUPTED_EXIT_CODE}:
        assert f"\n{code} " in (errors.__doc__ or ""), f"exit code {code} is not documented"


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_error_is_caught_as_one_tree_and_reads_as_a_sentence(name):
    error = getattr(errors, name)("It is broken.", fix="Mend it.")
    assert isinstance(error, errors.YoloEdgeError)
    assert (error.what, error.fix, str(error)) == ("It is broken.", "Mend it.", "It is broken. Mend it.")
    assert str(getattr(errors, name)("It is broken.")) == "It is broken."
