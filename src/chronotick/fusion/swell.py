"""Whether a path's queues swell and ebb slowly, by how each delay follows the last.

Where every exchange meets a queue of its own, errors average out, and models claim a
hundredth of a queue. Where a buffer fills for minutes on one leg, or a line is busy all
afternoon, all exchanges of that time are off alike: a clock that has changed its rate
looks just the same, and the models follow it. Decides how much such a swell may have
added to the guess's error; corrects nothing, since which leg it is on shows in nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import TYPE_CHECKING

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Likeness", "QueueSwell"]

# The lowest of so many delays in a row is what all of them share. Longer rows see slow
# swells beneath quick queues, shorter ones see quick swells.
_ROWS = (1, 8, 32)
# How alike a row is to the one before is learned from the last 64 or so. Queues that
# have nothing to do with each other are alike by a tenth by chance, rarely by a quarter.
_LATE = 64
_GAIN = 1.0 / _LATE
_LEARNED = 8
_CHANCE, _CERTAIN = 0.25, 0.5
_WINDOW_NS = 72 * 3600 * NS_PER_S
# All of a queue may be on one leg: the offset is off by anything up to half, uniform.
_QUEUE_VARIANCE = 1.0 / 12.0


class Likeness:
    """How alike neighbours are: the correlation of their places, one after another."""

    def __init__(self) -> None:
        self._square = self._product = 0.0
        self._last = 0.0
        self._count = 0

    def add(self, place: float) -> None:
        """Take in where the next one stands among its like, -0.5 to 0.5."""
        self._count += 1
        gain = 1.0 / self._count if self._count < _LATE else _GAIN
        self._square += gain * (place * place - self._square)
        self._product += gain * (place * self._last - self._product)
        self._last = place

    @property
    def certainty(self) -> float:
        """How sure it is that neighbours have a queue in common, 0 to 1."""
        if self._count < _LEARNED or not self._square:
            return 0.0
        alike = self._product / self._square
        if alike <= _CHANCE:
            return 0.0
        return min((alike - _CHANCE) / (_CERTAIN - _CHANCE), 1.0)


class QueueSwell:
    """One server's delays, in rows of several lengths."""

    def __init__(self) -> None:
        self._rows = [_Rows(length) for length in _ROWS]
        self._single = self._rows[0]
        self.ranked: Sequence[int] = self._single.ranks.ranked
        """The late delays, the newest among them, in order."""
        self._swollen_ns = 0.0

    def add(self, raw_ns: int, delay_ns: int) -> None:
        """Take in one exchange."""
        self._swollen_ns = max([rows.add(raw_ns, delay_ns) for rows in self._rows])

    @property
    def place(self) -> float:
        """Where the newest exchange stands among the late ones, -0.5 to 0.5."""
        return self._single.place

    @property
    def variance(self) -> float:
        """Variance of what a swell may have added to the guess's error, ns²."""
        return self.variance_if(0.0)

    def variance_if(self, shared: float) -> float:
        """Return it where others make it as sure as `shared` that this is a swell."""
        swollen_ns = max(self._swollen_ns, shared * self._single.excess_ns)
        return swollen_ns**2 * _QUEUE_VARIANCE


class _Rows:
    """Rows of one length: the lowest of all, the newest, and how alike neighbours are."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._late: deque[int] = deque(maxlen=length)
        # Each lower than all that came after it: the first is the window's lowest.
        self._lows: deque[tuple[int, int]] = deque()
        self.ranks = _Ranks()
        self._likeness = Likeness()
        self._certainty = 0.0
        self._arrived = 0
        self.place = 0.0
        """Where the newest row stands among the late ones, -0.5 to 0.5."""

    def add(self, raw_ns: int, delay_ns: int) -> float:
        """Take in one delay; return how far above its floor the path is swollen, ns."""
        self._late.append(delay_ns)
        self._arrived += 1
        if self._arrived % self._length == 0:
            self._complete(raw_ns)
        # Mostly nothing is alike, and how long the queues are does not matter.
        return self._certainty * self.excess_ns if self._certainty else 0.0

    @property
    def excess_ns(self) -> int:
        """How far the newest delays, as many as a row has, are above the lowest row."""
        return max(min(self._late) - self._lows[0][1], 0) if self._lows else 0

    def _complete(self, raw_ns: int) -> None:
        shared_ns = min(self._late)
        self.place = self.ranks.place(shared_ns)
        self._likeness.add(self.place)
        self._certainty = self._likeness.certainty
        self._remember(raw_ns, shared_ns)

    def _remember(self, raw_ns: int, shared_ns: int) -> None:
        lows = self._lows
        while lows and lows[-1][1] >= shared_ns:
            lows.pop()
        lows.append((raw_ns, shared_ns))
        while lows[0][0] < raw_ns - _WINDOW_NS:
            lows.popleft()


class _Ranks:
    """Places among the last few: one wild delay outweighs sixty products, no ranks."""

    def __init__(self) -> None:
        self._arrived: deque[int] = deque()
        self.ranked: list[int] = []

    def place(self, value: int) -> float:
        """Take in a value and return its place, -0.5 to 0.5; 0 if all are equal."""
        ranked = self.ranked
        self._arrived.append(value)
        insort(ranked, value)
        if len(self._arrived) > _LATE:
            del ranked[bisect_left(ranked, self._arrived.popleft())]
        # Between the first and the last of its equals: ties are no order.
        twice = bisect_left(ranked, value) + bisect_right(ranked, value)
        return twice / (2 * len(ranked)) - 0.5
