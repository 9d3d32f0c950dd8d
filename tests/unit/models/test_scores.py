"""`models.scores`: only matured forecasts count, and only better ones get a say."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chronotick.core.units import NS_PER_S
from chronotick.models.scores import HORIZONS_S, ScoreBoard

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_PPB = 100.0
SPEAKING = np.ones((3, HORIZONS_S.size), dtype=bool)


def play(board: ScoreBoard, errors_ppb: tuple[float, float, float], steps: int) -> None:
    """Let three experts miss a constant rate by fixed errors, every 10 minutes."""
    for k in range(steps):
        raw_ns = 600 * k * NS_PER_S
        offset_ns = round(600 * k * RATE_PPB)
        board.mature(raw_ns, offset_ns)
        means = RATE_PPB + np.outer(errors_ppb, np.ones(HORIZONS_S.size))
        board.record(raw_ns, offset_ns, means)


def weights_of(
    board: ScoreBoard, speaking: NDArray[np.bool_] = SPEAKING
) -> NDArray[np.float64]:
    """Return the weights, by what the board itself has found."""
    return board.weights(speaking, board.ratios())


def test_nothing_matured_leaves_the_bank_alone() -> None:
    """Before any horizon has passed, all of the weight is the bank's."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    play(board, (1.0, 0.0, 2.0), 1)
    assert weights_of(board)[0].tolist() == [1.0] * HORIZONS_S.size


def test_a_better_expert_takes_over_and_a_worse_one_never_does() -> None:
    """After two days the best has most of the weight, the worst none."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    play(board, (1.0, 0.5, 2.0), 288)
    weights = weights_of(board)
    assert weights.sum(axis=0) == pytest.approx(np.ones(HORIZONS_S.size))
    assert (weights[1] > weights[0]).all()
    assert (weights[2] == 0.0).all()
    ratios = board.ratios()
    assert (ratios[0] == 1.0).all()
    assert (ratios[1] < 0.7).all()
    assert (ratios[2] > 1.5).all()


def test_short_horizons_mature_first() -> None:
    """After two hours, eight-hour forecasts have proven nothing."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    play(board, (1.0, 0.1, 1.0), 13)
    weights = weights_of(board)
    assert weights[1, 0] > 0.5
    assert weights[1, -1] == 0.0


def test_an_expert_that_falls_silent_has_no_say() -> None:
    """A record does not speak for itself."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    play(board, (1.0, 0.1, 1.0), 100)
    speaking = SPEAKING.copy()
    speaking[1] = False
    assert (weights_of(board, speaking)[1] == 0.0).all()


def test_silence_is_not_scored() -> None:
    """NaN forecasts change nothing, and don't spread."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    play(board, (1.0, float("nan"), 2.0), 100)
    assert (board.ratios()[1] == 1.0).all()
    assert np.isfinite(board.ratios()).all()


def test_the_newest_forecast_can_be_amended() -> None:
    """Who speaks late of the same instant is scored as if it had spoken in time."""
    board = ScoreBoard((1.0, 1.0, 1.0))
    silent = np.full((3, HORIZONS_S.size), np.nan)
    for k in range(100):
        raw_ns, offset_ns = 600 * k * NS_PER_S, round(600 * k * RATE_PPB)
        board.mature(raw_ns, offset_ns)
        board.record(raw_ns, offset_ns, silent)
        errors = np.outer((1.0, 0.1, 2.0), np.ones(HORIZONS_S.size))
        board.amend(RATE_PPB + errors)
    assert (weights_of(board)[1] > weights_of(board)[0]).all()
    assert (weights_of(board)[2] == 0.0).all()


def test_a_prior_is_heard_first_and_outvoted_later() -> None:
    """An expert with a reputation speaks at once, and loses its say by being wrong."""
    board = ScoreBoard((1.0, 0.5, 1.0))
    assert (weights_of(board)[1] > 0.9).all()
    play(board, (1.0, 3.0, 1.0), 288)
    assert (weights_of(board)[1] == 0.0).all()


def test_a_copy_learns_as_the_original_does() -> None:
    """It shares nothing with it."""
    board, untouched = ScoreBoard((1.0, 1.0, 1.0)), ScoreBoard((1.0, 1.0, 1.0))
    twin = deepcopy(board)
    play(twin, (1.0, 0.0, 2.0), 100)
    play(board, (1.0, 0.0, 2.0), 100)
    np.testing.assert_array_equal(twin.ratios(), board.ratios())
    assert not np.array_equal(twin.ratios(), untouched.ratios())
