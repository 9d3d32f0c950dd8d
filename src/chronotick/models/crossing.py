"""How much a lone server's other route shifts it, as far as coasting there can tell.

A longer route is askew by an unknown constant, and with one server nothing shows it but
the clock's own steadiness: what was believed on the usual route, carried on. That is
good for minutes. After it the clock may have gone anywhere, and whatever is measured on
the new route shows clock and constant together; so the constant is settled at the
instant at which it is known best, and what is left of its doubt stays.
"""

from __future__ import annotations

from typing import Self

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S
from chronotick.models.filters import Mixture

__all__ = ["Crossing"]

_NOTHING = Mixture(0.0, 0.0, Variance(0.0))


class Crossing:
    """The constant of one route.

    Args:
        before: What was believed when the other route was left.
        raw_ns: Of which instant.
        extra_ns: How much longer this one is. All of that may be on one leg: uniform
            within ± half of it.
    """

    def __init__(self, before: Mixture, raw_ns: int, extra_ns: float) -> None:
        self._before = before
        self._raw_ns = raw_ns
        self.bias_ns = 0.0
        """By how much the route reads high."""
        self.variance = max(extra_ns, 1.0) ** 2 / 12.0
        """Of that, ns². All exchanges on the route share this error."""
        self._precision = 1.0 / self.variance
        self._weighted_ns = 0.0
        self.is_settled = False
        """Whether coasting has no more to say."""

    @classmethod
    def told(cls, bias_ns: float, variance: float) -> Self:
        """Return a crossing whose constant others have told, and coasting can't."""
        crossing = cls(_NOTHING, 0, 0.0)
        crossing.bias_ns, crossing.variance = bias_ns, variance
        crossing.settle()
        return crossing

    def learn(self, raw_ns: int, value_ns: float, noise: float) -> None:
        """Take in one exchange.

        Args:
            raw_ns: Its instant.
            value_ns: Its offset, relative to the epoch of `before`.
            noise: Its variance by itself, ns².
        """
        if self.is_settled:
            return
        x, y, variance = self._before
        age_s = (raw_ns - self._raw_ns) / NS_PER_S
        strayed = variance.at(age_s)
        if strayed >= self.variance:
            self.settle()
            return
        self._precision += 1.0 / noise
        self._weighted_ns += (value_ns - x - y * age_s) / noise
        known = 1.0 / self._precision + strayed
        if known < self.variance:
            self.bias_ns, self.variance = self._weighted_ns / self._precision, known

    def settle(self) -> None:
        """Learn no more: what was believed before says nothing of the clock now."""
        self.is_settled = True
