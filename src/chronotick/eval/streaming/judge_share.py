"""How sure is a share? Limits by chance, and how many outcomes there really were.

Arrivals come many times a second and share a clock's error, which changes over seconds or
not at all: a thousand of them may be one outcome, told a thousand times. Decides how many
they count as, and what share may lie behind the one that was counted.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.eval.streaming.judged import by_node

if TYPE_CHECKING:
    from chronotick.eval.streaming.tables import Ints, Run

__all__ = ["Limits", "independent", "limits"]

# One-sided, of a normal distribution: chance alone goes further once in a thousand runs.
_SIGMAS = 3.0902


class Limits(NamedTuple):
    """The least and the greatest share that chance leaves possible, 0 to 1."""

    least: float
    greatest: float


def limits(share: float, outcomes: float) -> Limits:
    """Return Wilson's limits of a share, each of which chance breaks once in a thousand.

    Args:
        share: What was counted, 0 to 1.
        outcomes: Of how many independent outcomes, above 0.
    """
    square = _SIGMAS**2 / outcomes
    middle = share + square / 2
    reach = sqrt(square * (share * (1 - share) + square / 4))
    return Limits((middle - reach) / (1 + square), (middle + reach) / (1 + square))


def independent(run: Run, error: Ints) -> float:
    """Return as how many independent outcomes the rows' errors count, at least 1.

    Errors that keep their sign belong together. The sums of the signs over stretches of
    1, 2, 4, … rows of a node spread by the root of the length if each is an outcome of its
    own, and by the length if all are one; the worst stretch counts. Signs, because one
    large error would hide all the others, and not about their mean, because an offset
    that stays for the whole run is one outcome, too.

    Args:
        run: At least one row.
        error: Of each row, in any unit; only its sign counts.
    """
    # An error of exactly 0 is like any other that stays: it must not count as noise.
    signs_of = np.where(error < 0, -1, 1)
    nodes = [mine for (mine,) in by_node(run.node, len(run.nodes), signs_of)]
    longest = max(len(signs) for signs in nodes)
    worst, length = 1.0, 1
    while length < 2 * longest:
        worst = max(worst, sum(_squares(signs, length) for signs in nodes) / len(error))
        length *= 2
    return len(error) / worst


def _squares(signs: Ints, length: int) -> int:
    """Return the sum of the squares of the signs' sums over stretches of `length`."""
    sums = np.add.reduceat(signs, np.arange(0, len(signs), length))
    return int(np.square(sums).sum())
