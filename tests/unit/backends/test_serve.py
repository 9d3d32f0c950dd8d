"""`backends.serve`: rates in, mean rates out, whatever the model in between."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.backends.registry import Choice
from chronotick.backends.serve import answer, converse
from chronotick.core.rates import RateHistory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

rates = st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=500)


class Persistent:
    """A model that expects the newest value for ever, plus a slope."""

    described = "persistence"

    def __init__(self, slope: float = 0.0) -> None:
        self._slope = slope
        self.shown: list[Vector] = []

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Go on."""
        self.shown.append(series)
        ahead: Vector = series[-1] + self._slope * np.arange(steps, dtype=np.float32)
        return ahead


class Returning:
    """A model that answers with what it is given."""

    described = "a parrot"

    def __init__(self, path: list[float] | list[list[float]]) -> None:
        self._path = np.array(path, np.float32)

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Say it."""
        del series, steps
        return self._path


def past(rates_ppb: list[float]) -> RateHistory:
    """Return a history of these rates."""
    return RateHistory(raw_ns=77, step_s=600, rates_ppb=tuple(rates_ppb))


@given(rates)
def test_persistence_is_the_newest_rate(rates_ppb: list[float]) -> None:
    """No change foreseen: every mean is the newest rate, exactly."""
    said = answer(Persistent(), Choice(), past(rates_ppb))
    assert (said.raw_ns, said.step_s) == (77, 600)
    assert said.means_ppb == (rates_ppb[-1],) * 48


def test_the_model_sees_ppm_below_the_newest_rate() -> None:
    """The unit is ppm, the level is off, and no more than the context is shown."""
    model = Persistent()
    answer(model, Choice(context=3), past([9.0, 20_000.0, 18_500.0, 20_000.0]))
    assert model.shown[0].dtype == np.float32
    assert model.shown[0].tolist() == [0.0, -1.5, 0.0]


def test_a_slope_is_a_mean_that_grows() -> None:
    """1 ppm per step: the mean over n steps is (n − 1) / 2 ppm above the first."""
    said = answer(Persistent(1.0), Choice(steps=5), past([100.0]))
    assert said.means_ppb == pytest.approx([100.0 + 500.0 * n for n in range(5)])


def test_a_level_that_the_model_invents_is_halved() -> None:
    """A first step away from the newest rate is believed half."""
    said = answer(Returning([4.0, 6.0]), Choice(steps=2), past([0.0]))
    assert said.means_ppb == pytest.approx([2000.0, 3000.0])


@given(rates, st.floats(-1e5, 1e5))
def test_a_constant_error_of_frequency_passes_through(
    rates_ppb: list[float], level_ppb: float
) -> None:
    """A clock that is 30 ppm off gets the forecast of one that is not, 30 ppm off."""
    plain = answer(Persistent(0.5), Choice(), past(rates_ppb))
    moved = answer(Persistent(0.5), Choice(), past([r + level_ppb for r in rates_ppb]))
    assert moved.means_ppb == pytest.approx([m + level_ppb for m in plain.means_ppb])


@pytest.mark.parametrize("path", [[], [float("nan")], [1.0, float("inf")]])
def test_an_answer_that_is_none_is_an_error(path: list[float]) -> None:
    """Never passed on, never mended."""
    with pytest.raises(ValueError, match="answer"):
        answer(Returning(path), Choice(), past([1.0]))


def test_an_answer_of_another_shape_is_an_error() -> None:
    """A row for each quantile, or for each series, would pass for steps."""
    with pytest.raises(ValueError, match="answer"):
        answer(Returning([[1.0, 2.0], [3.0, 4.0]]), Choice(), past([1.0]))


@pytest.mark.parametrize("rates_ppb", [[], [1.0, float("nan")]])
def test_a_history_that_is_none_is_an_error(rates_ppb: list[float]) -> None:
    """Nothing is forecast from nothing."""
    with pytest.raises(ValueError, match="history"):
        answer(Persistent(), Choice(), past(rates_ppb))


def test_a_conversation_is_a_line_each() -> None:
    """As many answers as questions, each about its own history."""
    asked = [
        RateHistory(raw_ns=k, step_s=600, rates_ppb=(1.0 * k,) * 9) for k in range(1, 4)
    ]
    out = io.StringIO()
    questions = [json.dumps(asdict(each)) + "\n" for each in asked]
    converse(Persistent(), Choice(steps=2), questions, out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"forecast": {"raw_ns": k, "step_s": 600, "means_ppb": [1.0 * k] * 2}}
        for k in range(1, 4)
    ]


@pytest.mark.parametrize("line", ["garbage\n", '{"raw_ns": 1}\n', "[]\n", "{}\n"])
def test_a_question_that_is_none_ends_it(line: str) -> None:
    """It raises, and the process with it: no answer is made up."""
    out = io.StringIO()
    with pytest.raises((ValueError, TypeError)):
        converse(Persistent(), Choice(), [line], out)
    assert out.getvalue() == ""
