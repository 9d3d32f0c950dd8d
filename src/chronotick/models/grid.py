"""The short-term bank's grid: which wander and which noise its filters assume.

Decides the range of oscillators and paths that the bank can describe, and how long
evidence about them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["BankTuning", "Grid", "ONE_SIDED_SHARE"]

ONE_SIDED_SHARE = 0.5
"""Queues on both legs: all of the excess on one of them shifts the offset by a half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTuning:
    """The grid, and how the filters' weights are kept."""

    random_walk_fm: tuple[float, ...] = tuple(10.0**k for k in range(-3, 9))
    """q2, ns²/s³: from an oven (0.03 ppb/√s) to a clock that is being shaken."""
    white_fm: float = 1.0
    """q1, ns²/s: an ADEV of 1e-9 at 1 s, an ordinary crystal."""
    one_sided_jitter_ns: tuple[float, ...] = (1e2, 1e3, 1e4, 1e5)
    """Base jitter of the filters that take the error as within ± half the excess."""
    jitter_ns: tuple[float, ...] = (1e3, 1e4, 1e5, 1e6)
    """Base jitter of the filters with normal noise."""
    delay_weight: tuple[float, ...] = (0.05, 0.5)
    """Their error per excess delay: delay says nothing, delay says it all."""
    rate_sd_ppb: float = 100_000.0
    """Spread of crystals that nobody has trimmed: 100 ppm."""
    memory_samples: float = 100.0
    """Weights forget over so many samples or over `memory_s`, whichever is longer."""
    memory_s: float = 4 * 3600.0
    """Wander shows over hours, however often one looks."""
    fixed_share: float = 1e-4
    """Belief that is spread evenly at each step, so no filter is ever out for good."""
    prune: float = 0.03
    """Filters below this share of the best one don't speak."""

    @property
    def memory_by_count(self) -> float:
        """What is left of a weight's logarithm after one more sample."""
        return 1.0 - 1.0 / self.memory_samples

    def grid(self) -> Grid:
        """Return the filters' parameters."""
        one_sided = [
            (q2, jitter * jitter, ONE_SIDED_SHARE)
            for q2 in self.random_walk_fm
            for jitter in self.one_sided_jitter_ns
        ]
        normal = [
            (q2, jitter * jitter, weight)
            for q2 in self.random_walk_fm
            for weight in self.delay_weight
            for jitter in self.jitter_ns
        ]
        q2, base, weight = np.array(one_sided + normal).T.copy()
        return Grid(q2=q2, base=base, delay_weight=weight, one_sided=len(one_sided))


class Grid(NamedTuple):
    """One entry per filter; the one-sided ones come first."""

    q2: Vector
    """ns²/s³."""
    base: Vector
    """Variance of the base jitter, ns²."""
    delay_weight: Vector
    one_sided: int
    """How many take the error as within ± half the excess."""
