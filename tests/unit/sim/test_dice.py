"""The dice are the same for a seed, and have the distributions they claim."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import pytest

from chronotick.sim.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

N = 20_000


def test_a_seed_and_a_name_give_these_very_numbers() -> None:
    """Pinned: a world that is replayed elsewhere must be the same world."""
    dice = Dice(1, "client/oscillator")

    assert [dice.uniform(), dice.uniform()] == [0.7580628460964708, 0.07877827349062771]


@pytest.mark.parametrize(("seed", "name"), [(1, "b"), (2, "a")])
def test_another_seed_or_name_gives_another_stream(seed: int, name: str) -> None:
    """Streams are told apart by seed and by name."""
    assert Dice(1, "a").uniform() != Dice(seed, name).uniform()


@pytest.mark.parametrize(
    ("draw", "mean", "sd"),
    [
        (lambda d: d.normal(2.0), 0.0, 2.0),
        (lambda d: d.exponential(3.0), 3.0, 3.0),
        (lambda d: d.gamma(3.0, 6.0), 6.0, 6.0 / sqrt(3.0)),
        (lambda d: d.gamma(0.5, 2.0), 2.0, 2.0 / sqrt(0.5)),
        (lambda d: d.pareto(6.0, 5.0), 5.0, 5.0 * sqrt(6.0 / 4.0)),
    ],
    ids=["normal", "exponential", "gamma 3", "gamma 0.5", "pareto"],
)
def test_moments(draw: Callable[[Dice], float], mean: float, sd: float) -> None:
    """Mean and standard deviation are those of the distribution named."""
    dice = Dice(7, "moments")

    values = [draw(dice) for _ in range(N)]

    assert fmean(values) == pytest.approx(mean, abs=5.0 * sd / sqrt(N))
    assert pstdev(values) == pytest.approx(sd, rel=0.08)


def test_delays_are_never_negative() -> None:
    """What is added to a delay floor cannot undercut it."""
    dice = Dice(7, "floor")

    for _ in range(N):
        assert dice.exponential(1.0) >= 0.0
        assert dice.gamma(0.3, 1.0) >= 0.0
        assert dice.pareto(1.5, 1.0) >= 0.0


def test_certain_answers_draw_nothing() -> None:
    """A fault that is off costs no randomness, so it changes nothing else."""
    dice, same = Dice(3, "x"), Dice(3, "x")

    assert not dice.chance(0.0)
    assert dice.uniform() == same.uniform()


def test_bytes_are_of_the_length_asked_for() -> None:
    """A host's entropy comes in the amounts it asks for."""
    dice = Dice(3, "entropy")

    assert len(dice.bytes(16)) == 16
    assert dice.bytes(16) != dice.bytes(16)
