"""Seeded randomness whose every draw is the same on every Python and every platform.

Decides how a seed and a name become an independent stream, and how a stream becomes
the distributions that clocks and networks follow. Knows nothing of either.

Only `random.Random.random` is used: the standard library promises its sequence for a
seed for ever, and the other methods' not.
"""

from __future__ import annotations

import hashlib
import random
from math import cos, log, pi, sin, sqrt

__all__ = ["Dice"]

_TWO_PI = 2.0 * pi


class Dice:
    """One stream of randomness, named within a seed.

    Two names give independent streams, so that adding a server to a world changes
    nothing for the others.

    Args:
        seed: The world's seed.
        name: What the stream is for, such as ``host/oscillator``.
    """

    __slots__ = ("_spare", "uniform")

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        self.uniform = random.Random(int.from_bytes(digest, "big")).random  # noqa: S311
        """Return a number in [0, 1)."""
        self._spare: float | None = None

    def chance(self, probability: float) -> bool:
        """Say yes with `probability`; draws nothing where the answer is certain."""
        return probability > 0.0 and self.uniform() < probability

    def normal(self, sd: float) -> float:
        """Return a draw of the normal distribution around 0 (Box & Muller 1958)."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return sd * spare
        radius = sqrt(-2.0 * log(1.0 - self.uniform()))
        angle = _TWO_PI * self.uniform()
        self._spare = radius * sin(angle)
        return sd * radius * cos(angle)

    def exponential(self, mean: float) -> float:
        """Return a draw of the exponential distribution."""
        return -mean * log(1.0 - self.uniform())

    def gamma(self, shape: float, mean: float) -> float:
        """Return a draw of the gamma distribution (Marsaglia & Tsang 2000).

        Args:
            shape: k > 0; 1 is the exponential, larger is rounder.
            mean: Mean, the scale times `shape`.
        """
        # For k < 1: a draw for k + 1, shrunk by U^(1/k) (ibid. §6).
        boost: float = 1.0
        if shape < 1.0:
            boost = (1.0 - self.uniform()) ** (1.0 / shape)
        d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
        c = 1.0 / sqrt(9.0 * d)
        while True:
            x = self.normal(1.0)
            v = (1.0 + c * x) ** 3
            if v <= 0.0:
                continue
            if log(1.0 - self.uniform()) < 0.5 * x * x + d - d * v + d * log(v):
                return mean / shape * d * v * boost

    def pareto(self, alpha: float, mean: float) -> float:
        """Return a draw of the Pareto distribution that starts at 0 (Lomax).

        Args:
            alpha: Tail exponent > 1; the variance is infinite up to 2.
            mean: Mean, the scale over ``alpha − 1``.
        """
        stretch: float = (1.0 - self.uniform()) ** (-1.0 / alpha)
        return mean * (alpha - 1.0) * (stretch - 1.0)

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes: a host's entropy in an imagined world."""
        return bytes(int(self.uniform() * 256.0) for _ in range(count))
