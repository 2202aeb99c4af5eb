import pytest

from kveraser_core.evaluation.metrics import contains, f1, interval, normalise


def test_answers_are_compared_as_squad_does():
    assert normalise("The  Quick, (brown) fox!") == "quick brown fox"
    assert contains("It is 30 days.", "30 days")
    assert not contains("It is 130 days.", "30 days")
    assert not contains("anything", "")


def test_f1_by_hand():
    assert f1("the cat sat", "a cat") == pytest.approx(2 / 3)
    assert f1("dog", "cat") == 0
    assert f1("", "") == 1


def test_the_interval_holds_the_mean_and_narrows_with_n():
    few, many = [0.0, 1.0] * 5, [0.0, 1.0] * 500
    mean, low, high = interval(few)
    assert mean == 0.5
    assert low < 0.5 < high
    wide = high - low
    _, low, high = interval(many)
    # The standard error of 1,000 coins is 0.0158; the interval spans 2 * 1.96 of it.
    assert high - low == pytest.approx(0.062, abs=0.006)
    assert wide > 5 * (high - low)
