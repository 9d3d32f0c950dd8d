"""How sure a score is: intervals by block bootstrap, seeded.

Errors of a clock are correlated over hours, so rows are not drawn one by one: whole
blocks of time are. Decides how blocks are cut and drawn; what is scored is
`chronotick.eval.accuracy.scores`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["BLOCK_S", "LEAST_BLOCKS", "Bootstrap", "Interval", "blocks_of"]

BLOCK_S = 7200.0
"""Usual length of a block: what happened two hours ago says little of an error now."""
LEAST_BLOCKS = 6
"""With fewer blocks an interval would say more of the drawing than of the clock."""


class Interval(NamedTuple):
    """Where a score lies, at the stated confidence."""

    low: float
    high: float


def blocks_of(t_s: Sequence[Vector], block_s: float = BLOCK_S) -> Ints:
    """Return each row's block: 0, 1, … without gaps.

    Args:
        t_s: Instants of the rows, run by run; no block spans two runs.
        block_s: Length of a block.
    """
    found: list[Ints] = []
    first = 0
    for instants in t_s:
        number = np.floor(instants / block_s).astype(np.int64)
        _, dense = np.unique(number, return_inverse=True)
        found.append(dense.astype(np.int64) + first)
        first += int(dense.max()) + 1 if dense.size else 0
    return np.concatenate(found)


class Bootstrap:
    """Draws blocks with replacement, the same draws for every score of a set of rows.

    Args:
        block: Each row's block, from `blocks_of`.
        seed: Of the draws: the same seed gives the same intervals.
        draws: How many times.
        confidence: Share of the draws within an interval.
    """

    def __init__(
        self, block: Ints, *, seed: int, draws: int = 1000, confidence: float = 0.95
    ) -> None:
        self._block = block
        self.blocks = int(block.max()) + 1 if block.size else 0
        """How many blocks there are."""
        self._tails = ((1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0)
        rng = np.random.default_rng(seed)
        share = np.full(self.blocks, 1.0 / max(self.blocks, 1))
        # How often each block is in each draw.
        self._times = (
            rng.multinomial(self.blocks, share, size=draws).astype(np.float64)
            if self.blocks >= LEAST_BLOCKS
            else None
        )

    def mean(self, values: Vector) -> Interval | None:
        """Return the interval of the mean; of a share, if `values` are 0 and 1.

        Like the others, None where there are fewer than `LEAST_BLOCKS` blocks.
        """
        return None if (drawn := self._means(values)) is None else self._span(drawn)

    def rms(self, values: Vector) -> Interval | None:
        """Return the interval of the root mean square."""
        drawn = self._means(np.square(values))
        return None if drawn is None else self._span(np.sqrt(drawn))

    def rms_ratio(self, ours: Vector, theirs: Vector) -> Interval | None:
        """Return the interval of RMS(ours) / RMS(theirs), row against row."""
        above, below = self._means(np.square(ours)), self._means(np.square(theirs))
        if above is None or below is None:
            return None
        return self._span(np.sqrt(above / below))

    def quantile(self, values: Vector, q: float) -> Interval | None:
        """Return the interval of a quantile.

        Not for the largest value: no resample ever exceeds it, so it has no interval.
        """
        if self._times is None:
            return None
        order = np.argsort(values, kind="stable")
        ranked, block = values[order], self._block[order]
        found = np.empty(len(self._times))
        for k, times in enumerate(self._times):
            counted = np.cumsum(times[block])
            place = np.searchsorted(counted, q * counted[-1])
            found[k] = ranked[min(int(place), ranked.size - 1)]
        return self._span(found)

    def _means(self, values: Vector) -> Vector | None:
        if self._times is None:
            return None
        total = np.bincount(self._block, weights=values, minlength=self.blocks)
        count = np.bincount(self._block, minlength=self.blocks)
        means: Vector = (self._times @ total) / (self._times @ count)
        return means

    def _span(self, drawn: Vector) -> Interval:
        low, high = np.quantile(drawn, self._tails)
        return Interval(float(low), float(high))
