"""Whether a path's queues lean to one leg, by how errors follow the delay.

A constant asymmetry shows in nothing. But queues that are longer one way make an
exchange wrong by the more, the longer it took: a trend of its error in its delay.
Where there is one, the quickest exchanges are off by some of it as well, and with them
all that was learned. Decides how much that may be, anything that queues can do before
there is a trend to be seen; corrects nothing, since how the trend goes on below the
quickest exchange depends on queues that nobody has seen.
"""

from __future__ import annotations

from collections import deque

__all__ = ["QueueLean"]

# The slope is learned from the last thousand exchanges or so: hours at 4 s polls, which
# average what one exchange is off by (some tenths of its queue) down to percents. Each
# counts alike for it, however long queues were at its time.
_MEMORY = 1.0 - 1.0 / 1000.0
# How long the queues of the quicker exchanges are, of late. Not over the slope's memory:
# there one quick exchange outweighs ten thousand that queued a hundred times as long.
_LATE = 64
# All queueing on one leg: an exchange is off by half of it.
_STEEPEST = 0.5
# Before anything was seen a slope may be anything up to that, either way: uniform.
_SEEN_BEFORE = 3.0 / _STEEPEST**2
# At the floor the rest of the trend is anything between none and all of it: uniform.
_UNIFORM = 1.0 / 3.0


class QueueLean:
    """A weighted straight line through errors over delays in excess of the floor."""

    def __init__(self) -> None:
        self._w = self._wx = self._wy = self._wxx = self._wxy = 0.0
        self._late_weights: deque[float] = deque(maxlen=_LATE)
        self._late_weighted_ns: deque[float] = deque(maxlen=_LATE)
        self.count = 0
        """Exchanges that were taken in."""
        self.variance = 0.0
        """Variance of what the trend leaves to be wrong at the floor, ns²."""

    def add(self, excess_ns: float, error_ns: float, noise: float) -> None:
        """Take in one exchange.

        Args:
            excess_ns: Its delay, less the floor.
            error_ns: Its offset, less what was predicted without it.
            noise: Variance of that error, ns².
        """
        weight = 1.0 / max(noise, 1.0)
        self.count += 1
        self._w = _MEMORY * self._w + weight
        self._wx = _MEMORY * self._wx + weight * excess_ns
        self._wy = _MEMORY * self._wy + weight * error_ns
        self._wxx = _MEMORY * self._wxx + weight * excess_ns * excess_ns
        self._wxy = _MEMORY * self._wxy + weight * excess_ns * error_ns
        self._late_weights.append(weight)
        self._late_weighted_ns.append(weight * excess_ns)
        self.variance = self._slope_square() * self._late_ns() ** 2 * _UNIFORM

    def _slope_square(self) -> float:
        """Return what the square of the slope is expected to be, by all that is known.

        What is known of a slope grows with the spread of the delays it was seen at. No
        part of it is taken for chance, nor no trend for none: the claims that errors
        are held against have learned from such queues and lean along with them.
        """
        mean_ns = self._wx / self._w
        spread = max(self._wxx - self._wx * mean_ns, 0.0)
        variance = 1.0 / (spread + _SEEN_BEFORE)
        slope = (self._wxy - self._wy * mean_ns) * variance
        return min(slope * slope + variance, _STEEPEST**2)

    def _late_ns(self) -> float:
        """Return the mean excess of late, as whoever trusts the quicker ones has it."""
        return sum(self._late_weighted_ns) / sum(self._late_weights)
