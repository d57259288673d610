"""What needs no browser: the canary rule, the letterbox's place, test cards, circuit breaker, smoothing."""

from __future__ import annotations

import base64
import hashlib
import json

import numpy as np
import pytest

from tests.web.scripts import run_script
from yolo_edge.bundle.testcard import CARDS
from yolo_edge.pose.letterbox import Letterbox

CLIENTS = [f"client {number}" for number in range(2000)]
CANARY = {"salt": "5eed", "percent": 12.5}
SHAPES = ([1, 64, 64, 3], [1, 192, 160, 3])
STILL, MOVING, GAP = 60, 60, 60_000
FRAME = 1000 / 30


def sizes():
    random = np.random.default_rng(0)
    ties = [(w, 1280, 640, 640) for w in range(1, 40, 2)]
    return [(int(w), int(h), 640, 480) for w, h in random.integers(1, 5000, (300, 2))] + ties


def clip():
    """A noisy point that stands still, then moves 500 px a second; a minute later it is somewhere near."""
    random = np.random.default_rng(1)
    still = [(n * FRAME, 200 + random.normal(0, 2), 200 + random.normal(0, 2)) for n in range(STILL)]
    start = still[-1][0]
    moving = [(start + n * FRAME, 200 + 0.5 * n * FRAME, 200) for n in range(1, MOVING + 1)]
    return [*still, *moving, (moving[-1][0] + GAP, moving[-1][1] + 20, 210)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "cases.json"
    cards = [{"card": card.model_dump(mode="json"), "shape": shape} for card in CARDS for shape in SHAPES]
    cases = {"clients": CLIENTS, "canary": CANARY, "sizes": sizes(), "cards": cards, "clip": clip()}
    path.write_text(json.dumps(cases))
    return run_script("rules.mjs", path)


def test_the_canary_is_taken_by_the_clients_that_the_rule_names(answers):
    def takes(client):
        digest = hashlib.sha256(f"{CANARY['salt']}:{client}".encode()).hexdigest()
        return int(digest[:8], 16) / 2**32 * 100 < CANARY["percent"]

    assert answers["canaries"] == [takes(client) for client in CLIENTS]
    assert 0.09 < np.mean(answers["canaries"]) < 0.16
    assert answers["nobody"] == [False, False]


def test_sources_are_placed_as_python_places_photos(answers):
    for (w, h, width, height), found in zip(sizes(), answers["places"], strict=True):
        fit = Letterbox.fit((h, w), (height, width))
        place = {"width": fit.resized_size[1], "height": fit.resized_size[0], "left": fit.left, "top": fit.top}
        assert found == {"w": w, "h": h, "W": width, "H": height, **place}


def test_cards_are_those_of_python_bit_by_bit(answers):
    expected = [card.images((shape[1], shape[2])).tobytes() for card in CARDS for shape in SHAPES]
    assert [base64.b64decode(card) for card in answers["cards"]] == expected


def test_the_breaker_opens_pauses_twice_as_long_and_lets_one_call_through(answers):
    told = answers["breaker"]["told"]
    assert told[:4] == [
        [0, None, "closed", 1],
        [0, None, "closed", 2],
        [0, None, "open", 3],
        [0, None, "open", 3],
    ]
    assert told[4:8] == [
        [999, None, "open", 3],
        [1000, None, "open", 4],
        [2999, None, "open", 4],
        [3000, None, "open", 5],
    ]
    assert told[8] == ["half-open", None, "half-open"], "a second call does not join the probe"
    assert told[9] == ["probe", "probed", "closed", 0]
    assert told[10] == ["late", None, "no answer in time"]
    spread = answers["breaker"]["spread"]
    assert len(spread) > 10 and all(500 <= pause <= 1000 for pause in spread)


def test_smoothing_steadies_who_stands_and_follows_who_moves(answers):
    raw, smooth = np.array(clip()), np.array(answers["smooth"])
    settled = slice(20, STILL)
    assert smooth[settled, :2].std() < 0.5 * raw[settled, 1:].std()
    lag = raw[STILL + MOVING - 1, 1] - smooth[STILL + MOVING - 1, 0]
    assert 0 <= lag < 30, "less than two frames behind at 500 px a second"
    assert len({row[2] for row in answers["smooth"][:-1]}) == 1


def test_after_a_minute_in_a_hidden_tab_smoothing_starts_anew(answers):
    _, x, y = clip()[-1]
    assert answers["smooth"][-1][:2] == [x, y]
    assert answers["smooth"][-1][2] != answers["smooth"][-2][2]
