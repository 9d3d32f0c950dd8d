"""Whether a path's queues swell and ebb slowly, by how each delay follows the last.

Where every exchange meets a queue of its own, errors average out, and models claim a
hundredth of a queue. Where a buffer fills for minutes on one leg, or a line is busy all
afternoon, all exchanges of that time are off alike: a clock that has changed its rate
looks just the same, and the models follow it. Decides how much such a swell may have
added to the guess's error; corrects nothing, since which leg it is on shows in nothing.
"""

from __future__ import annotations

from collections import deque

from chronotick.core.units import NS_PER_S

__all__ = ["QueueSwell"]

# The lowest of so many delays in a row is what all of them share. Longer rows see slow
# swells beneath quick queues, shorter ones see quick swells.
_ROWS = (1, 8, 32)
# How alike a row is to the one before is learned from the last 64 or so. Queues that
# have nothing to do with each other are alike by a tenth by chance, rarely by a quarter.
_GAIN = 1.0 / 64.0
_LEARNED = 8
_CHANCE, _CERTAIN = 0.25, 0.5
_WINDOW_NS = 72 * 3600 * NS_PER_S
# All of a queue may be on one leg: the offset is off by anything up to half, uniform.
_QUEUE_VARIANCE = 1.0 / 12.0


class QueueSwell:
    """One server's delays, in rows of several lengths."""

    def __init__(self) -> None:
        self._rows = [_Rows(length) for length in _ROWS]
        self.variance = 0.0
        """Variance of what a swell may have added to the guess's error, ns²."""

    def add(self, raw_ns: int, delay_ns: int) -> None:
        """Take in one exchange."""
        swollen_ns = max(rows.add(raw_ns, float(delay_ns)) for rows in self._rows)
        self.variance = swollen_ns**2 * _QUEUE_VARIANCE


class _Rows:
    """Rows of one length: the lowest of all, the newest, and how alike neighbours are."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._late: deque[float] = deque(maxlen=length)
        # Each lower than all that came after it: the first is the window's lowest.
        self._lows: deque[tuple[int, float]] = deque()
        self._mean_ns = self._last_ns = 0.0
        self._square = self._product = 0.0
        self._arrived = self._count = 0

    def add(self, raw_ns: int, delay_ns: float) -> float:
        """Take in one delay; return how far above its floor the path is swollen, ns."""
        self._late.append(delay_ns)
        self._arrived += 1
        shared_ns = min(self._late)
        if self._arrived % self._length == 0:
            self._correlate(shared_ns)
            self._remember(raw_ns, shared_ns)
        if not self._lows:
            return 0.0
        return self._is_swell() * max(shared_ns - self._lows[0][1], 0.0)

    def _is_swell(self) -> float:
        """Return how sure it is that neighbours have a queue in common, 0..1."""
        if self._count < _LEARNED or not self._square:
            return 0.0
        alike = self._product / self._square
        return min(max((alike - _CHANCE) / (_CERTAIN - _CHANCE), 0.0), 1.0)

    def _remember(self, raw_ns: int, shared_ns: float) -> None:
        lows = self._lows
        while lows and lows[-1][1] >= shared_ns:
            lows.pop()
        lows.append((raw_ns, shared_ns))
        while lows[0][0] < raw_ns - _WINDOW_NS:
            lows.popleft()

    def _correlate(self, shared_ns: float) -> None:
        self._count += 1
        gain = max(_GAIN, 1.0 / self._count)
        self._mean_ns += gain * (shared_ns - self._mean_ns)
        apart_ns = shared_ns - self._mean_ns
        self._square += gain * (apart_ns * apart_ns - self._square)
        self._product += gain * (apart_ns * self._last_ns - self._product)
        self._last_ns = apart_ns
