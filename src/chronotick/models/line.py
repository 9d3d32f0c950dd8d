"""The bound hull's voice beside the filters: when it is asked, how far it is believed.

Decides the weight of the hull's line against the filters' mixture. Both have seen the
same packets, so they are not averaged as if independent: the surer one is believed.
"""

from __future__ import annotations

from typing import NamedTuple

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S
from chronotick.models.filters import Mixture
from chronotick.models.hull import BoundHull, Line

__all__ = ["Bounds", "LineVoice"]

# A line is as straight as the clock of an office PC (q2, ns²/s³), and what shows beyond
# that counts six times, over the last eight exchanges or so.
_BEND = 0.09
_STRAINS = 6.0
_STRAIN_GAIN = 1.0 / 8.0
_LONGEST_WAIT = 64
# The filters use all that a delay says; the line must be surer than they to be heard.
_HANDICAP = 2.0


class Bounds(NamedTuple):
    """One exchange, as the hull wants it."""

    server: str | None
    """None if it came another way than the server's first one."""
    raw_ns: int
    offset_ns: int
    delay_ns: int
    excess_ns: float
    """How far the delay may be above the path's floor."""
    floor_ns: int
    """The path's lowest delay."""
    bias_ns: float
    """By how much the server reads high."""
    doubt: float
    """Variance of that, ns²."""


class LineVoice:
    """One hull per server, and the newest line."""

    def __init__(self) -> None:
        self._hulls: dict[str, BoundHull] = {}
        self._line: Line | None = None
        self._strain = 0.0
        self._wait, self._patience = 0, 1

    def forget(self) -> None:
        """Drop all bounds: the clock or a server has jumped."""
        self._hulls.clear()
        self._line = None

    def hear(self, bounds: Bounds, *, known: float) -> None:
        """Take in one exchange; draw a line if it may be worth it.

        Args:
            bounds: The exchange.
            known: The filters' variance at its instant, ns².
        """
        self._strained_by(bounds)
        self._line = None
        if bounds.server is None:
            return
        hull = self._hulls.get(bounds.server)
        if hull is None:
            hull = self._hulls[bounds.server] = BoundHull()
        hull.add(bounds.raw_ns, bounds.offset_ns, bounds.delay_ns)
        self._wait -= 1
        if self._wait > 0 or hull.least_variance(_BEND) > known:
            return
        line = hull.line(_BEND)
        if line is None:
            return
        # Lines are dear: after one that lost, the next is asked for later and later.
        lost = line.variance.v0 > known
        self._patience = min(2 * self._patience, _LONGEST_WAIT) if lost else 1
        self._wait = self._patience
        # A path that has become longer has done so on one leg, likely.
        longer_ns = max(line.gap_ns - bounds.floor_ns, 0.0)
        doubt = bounds.doubt + self._strain + longer_ns**2 / 4.0
        self._line = line._replace(
            offset_ns=line.offset_ns - round(bounds.bias_ns),
            variance=line.variance._replace(v0=line.variance.v0 + doubt),
        )

    def joins(self, filters: Mixture, raw_ns: int, epoch_ns: int) -> Mixture:
        """Return what filters and line say together at `raw_ns`.

        Weights go with the inverse square of the variance, and the difference between
        the two counts as doubt. The filters alone where there is no line of that
        instant.
        """
        line = self._line
        if line is None or line.raw_ns != raw_ns:
            return filters
        sure, other = filters.variance.v0, _HANDICAP * line.variance.v0
        share = sure**2 / (sure**2 + other**2)
        apart_ns = line.offset_ns - epoch_ns - filters.x
        faster_ppb = line.rate_ppb - filters.y
        pairs = zip(filters.variance, line.variance, strict=True)
        v0, v1, v2, v3 = (a + share * (b - a) for a, b in pairs)
        doubt = share * (1.0 - share)
        return Mixture(
            filters.x + share * apart_ns,
            filters.y + share * faster_ppb,
            Variance(
                v0 + doubt * apart_ns**2,
                v1 + 2.0 * doubt * apart_ns * faster_ppb,
                v2 + doubt * faster_ppb**2,
                v3,
            ),
        )

    def _strained_by(self, bounds: Bounds) -> None:
        """Note by how much an exchange lies further off the line than it may.

        A clock that wanders more than supposed bends away from every straight line.
        """
        if self._line is None:
            return
        age_s = (bounds.raw_ns - self._line.raw_ns) / NS_PER_S
        foreseen_ns = self._line.offset_ns + round(self._line.rate_ppb * age_s)
        off_ns = abs(bounds.offset_ns - foreseen_ns - bounds.bias_ns)
        beyond_ns = max(off_ns - bounds.excess_ns / 2.0, 0.0)
        self._strain += ((_STRAINS * beyond_ns) ** 2 - self._strain) * _STRAIN_GAIN
