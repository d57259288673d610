"""A look at a runtime: missing ones, failing ones and different ones are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.tiny_pose import known_output, write_pose_onnx
from tests.validation.test_observation import Known
from yolo_edge.checkpoint.export import load_onnx
from yolo_edge.errors import MissingComponentError, ModelError
from yolo_edge.validation import probe as probing
from yolo_edge.validation.candidate import Candidate
from yolo_edge.validation.probe import Expected, probe

IMAGES = [np.zeros((1, 64, 64, 3), np.float32)] * 3


@pytest.fixture
def head(tmp_path):
    return load_onnx(write_pose_onnx(tmp_path / "pose.onnx")).head


@pytest.fixture
def candidate(tmp_path):
    return Candidate("model", tmp_path, "foreign", "0" * 64, 1, 1, (64, 64))


def look(candidate, head, opener, expected=None, *, is_asked=True):
    return probe("known", opener, candidate, head, None, expected or Expected(IMAGES), is_asked=is_asked)


class Moved(Known):
    def _compute(self, images):
        output = known_output()
        output[0, 8, 11] += 0.5  # the first keypoint's x... and, below, a detection that is nobody's
        output[0, 0, 40] += 99
        output[0, 4, 11] -= 0.01
        return output, 0.01


def test_the_first_runtime_sets_what_the_others_are_compared_with(candidate, head):
    expected = Expected(IMAGES)
    first = look(candidate, head, Known, expected)
    assert (first.status, first.pixels, first.compared) == ("ok", None, 0) and expected.runtime == "known"
    same = look(candidate, head, Known, expected)
    assert (same.pixels, same.score, same.compared) == (0, 0, 3)
    other = look(candidate, head, Moved, expected)
    assert other.pixels == pytest.approx(0.5) and other.score == pytest.approx(0.01, rel=1e-3)


def test_a_missing_runtime_is_skipped_unless_someone_asked_for_it(candidate, head):
    def missing():
        raise MissingComponentError("No Chromium or Chrome was found.", fix="Install one.")

    assert look(candidate, head, missing, is_asked=False).status == "skipped"
    run = look(candidate, head, missing)
    assert run.status == "failed" and run.message == "No Chromium or Chrome was found. Install one."


def test_a_crash_is_tried_once_more(candidate, head):
    tries = []

    def opener():
        tries.append(1)
        if len(tries) == 1:
            raise ModelError("the page crashed")
        return Known()

    assert look(candidate, head, opener).status == "ok"
    tries.append(1)

    def always():
        raise ModelError("did not run the model within 300 seconds")

    run = look(candidate, head, always)
    assert run.status == "failed" and "within 300 seconds" in run.message


def test_a_slow_runtime_runs_one_photo(candidate, head, monkeypatch):
    expected = Expected(IMAGES)
    look(candidate, head, Known, expected)
    monkeypatch.setattr(probing, "SECONDS", -1)
    assert look(candidate, head, Known, expected).compared == 1


def test_answers_that_are_no_numbers_are_infinitely_far(candidate, head):
    class Broken(Known):
        def _compute(self, images):
            return known_output() * np.nan, 0.0

    expected = Expected(IMAGES)
    look(candidate, head, Known, expected)
    assert look(candidate, head, Broken, expected).pixels == np.inf
