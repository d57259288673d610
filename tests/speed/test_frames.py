"""Frame times are taken beside the reference, however many models there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from yolo_edge.errors import ModelError, UsageError
from yolo_edge.speed import frames
from yolo_edge.speed.contender import directory_contenders
from yolo_edge.speed.frames import take_frame_times

PHOTO = np.full((48, 64, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def contender(tiny):
    (found,) = directory_contenders([tiny])
    return replace(found, decode=None)


def test_times_come_in_the_order_of_the_models_over_several_heats(contender, monkeypatch):
    heats = []
    raced = frames.race

    def race(kind, contenders, track, *, rounds):
        heats.append([entry.name for entry in contenders])
        return raced(kind, contenders, track, rounds=rounds)

    monkeypatch.setattr(frames, "race", race)
    monkeypatch.setattr(frames, "MOST_LANES", 2)
    reference, *others = (replace(contender, name=name) for name in "abc")
    times = take_frame_times(reference, others, PHOTO, rounds=2)
    assert heats == [["a", "b"], ["a", "c"]]
    assert len(times) == 3 and times[0].ratio == 1.0
    assert all(time.milliseconds > 0 and time.ratio > 0 for time in times)


def test_a_model_alone_is_its_own_reference(contender):
    (time,) = take_frame_times(contender, (), PHOTO, rounds=1)
    assert time.ratio == 1.0


def test_what_cannot_be_run_is_an_error(contender, tmp_path):
    with pytest.raises(ModelError):
        take_frame_times(contender, [replace(contender, name="gone", folder=tmp_path)], PHOTO, rounds=1)
    with pytest.raises(UsageError, match="--rounds 0"):
        take_frame_times(contender, (), PHOTO, rounds=0)
