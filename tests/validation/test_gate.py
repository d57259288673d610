"""A gate judges by intervals, and says how many images more would tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_edge.errors import UsageError
from yolo_edge.quantization.scheme import SCHEME_NAMES
from yolo_edge.validation.bootstrap import Estimate
from yolo_edge.validation.gate import DEFAULT_LIMITS, METRICS, advice, check_limits, exact, limits_for, overall


def checked(metric, bound, figure, images=50):
    (check,) = check_limits({metric: bound}, {metric: figure}, images)
    return check


@pytest.mark.parametrize(
    ("metric", "bound", "low", "high", "verdict"),
    [
        ("ap_loss", 0.5, -0.2, 0.4, "pass"),
        ("ap_loss", 0.5, 0.6, 1.4, "fail"),
        ("ap_loss", 0.5, 0.1, 0.9, "inconclusive"),
        ("mean_oks", 0.98, 0.985, 0.999, "pass"),
        ("mean_oks", 0.98, 0.9, 0.97, "fail"),
        ("mean_oks", 0.98, 0.97, 0.99, "inconclusive"),
    ],
)
def test_the_interval_decides(metric, bound, low, high, verdict):
    check = checked(metric, bound, Estimate((low + high) / 2, low, high, 50))
    assert check.verdict == verdict and METRICS[metric].title in check.sentence()


def test_images_that_are_needed_grow_with_the_square_of_what_is_missing():
    check = checked("ap_loss", 0.5, Estimate(0.3, -0.5, 1.1, 50))
    assert abs(check.more_images - 50 * 15) <= 1  # the interval must become a quarter as wide
    assert "needs about 75" in check.sentence()
    beyond = checked("ap_loss", 0.5, Estimate(0.7, 0.3, 1.1, 50))
    assert abs(beyond.more_images - 50 * 3) <= 1


def test_a_figure_on_its_bound_cannot_be_told():
    check = checked("ap_loss", 0.5, Estimate(0.5, 0.1, 0.9, 50))
    assert "more than 100,000" in check.sentence()


def test_shares_are_told_in_percent_and_bytes_with_separators():
    lost = checked("lost_share", 0.03, Estimate(0.015, 0.0, 0.025, 50))
    assert lost.sentence() == "persons lost: at most 3 %, measured 1.5 % (0 % to 2.5 %)."
    assert "at most 2,000,000 bytes, measured 1,947,177." in checked("wire_bytes", 2e6, exact(1_947_177)).sentence()
    assert "manifest's: must be 0, measured 2." in checked("integrity", 0, exact(2)).sentence()
    assert "at most 0 points, measured -0.3" in checked("ap_loss", 0, exact(-0.3)).sentence(), "a gain is no loss"
    assert "at most 1 tolerance, measured 0.5." in checked("vector_excess", 1, exact(0.5)).sentence()
    assert "at most 6 % of body size" in checked("displacement_p95", 0.06, exact(0.01)).sentence()


def test_images_do_not_help_times():
    check = checked("steady_ratio", 1.1, Estimate(1.08, 1.0, 1.2, 8))
    assert (check.verdict, check.more_images) == ("inconclusive", None) and "quiet machine" in check.sentence()


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3), st.floats(-5, 5))
def test_verdicts_agree_with_the_bound(value, below, above, bound):
    check = checked("ap_loss", bound, Estimate(value, value - below, value + above, 50))
    expected = {"pass": value + above <= bound, "fail": value - below > bound}
    expected["inconclusive"] = not any(expected.values())
    assert expected[check.verdict]
    assert (check.more_images is not None) == (check.verdict == "inconclusive")


def test_the_worst_check_decides():
    checks = [checked("ap_loss", 1, exact(value)) for value in (0.5, 2.0)]
    assert overall(checks) == "fail" and overall(checks[:1]) == "pass"
    doubtful = checked("ap_loss", 1, Estimate(0.9, 0.5, 1.2, 50))
    assert overall([checks[0], doubtful]) == "inconclusive" and overall([doubtful, *checks]) == "fail"
    assert overall([]) == "inconclusive", "nothing checked is nothing known"


def test_a_default_that_was_not_measured_is_left_out_and_one_asked_for_is_not():
    assert check_limits({"ap_loss": 1}, {}, 50) == ()
    (check,) = check_limits({"ap_loss": 1}, {"ap_loss": None}, 50, asked=["ap_loss"])
    assert check.verdict == "inconclusive" and "not measured" in check.sentence()


def test_every_scheme_has_bounds_that_are_measured():
    assert set(DEFAULT_LIMITS) == set(SCHEME_NAMES)
    assert all(set(limits) <= set(METRICS) for limits in DEFAULT_LIMITS.values())
    assert limits_for("foreign") == DEFAULT_LIMITS["int8"]


def test_a_recipe_goes_before_the_defaults_and_must_bound_what_is_measured():
    assert limits_for("rd", {"ap_loss": 0.3})["ap_loss"] == 0.3
    with pytest.raises(UsageError, match="bounds beauty, which nothing measures"):
        limits_for("rd", {"beauty": 1.0})


def test_advice_is_that_of_the_broken_bounds():
    assert "fetch" in advice(["mean_oks", "integrity"]) and "photos" not in advice(["mean_oks", "integrity"])
    assert "quiet machine" in advice(["steady_ratio"])
    assert "fewer bytes" in advice(["wire_bytes"]) and "more bytes" not in advice(["wire_bytes"])
    assert advice(["mean_oks", "lost_share"]).count("better photos") == 1
    both = advice(["mean_oks", "wire_bytes", "steady_ratio"])
    assert "one of the bounds" in both and "quiet machine" in both
    assert "more bytes" not in both and "fewer bytes" not in both, "these two contradict each other"
    assert all(advice([metric]).endswith(".") for metric in METRICS)
