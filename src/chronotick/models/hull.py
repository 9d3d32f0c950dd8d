"""The bound hull: the straight line with the most margin between all bounds.

Each exchange says that UTC − RAW lay within half of its delay around the measured
offset. Queues on one leg only ever push one end of that away, so the ends that matter
are set by the quietest packets of either leg, not by the rare exchange that is quiet on
both. In the first hours on a busy path that is worth a hundred exchanges. Decides where
such a line runs and how well it is known; not who is asked.

Assumes that the floors of both legs are alike, as all of this room does, and a rate
that stays the same over the window.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["BoundHull", "Line"]

_WINDOW_NS = 3600 * NS_PER_S
_KEPT = 64
_LEAST = 8
# Slopes per round and rounds: each narrows the bracket eightfold.
_SLOPES = np.linspace(0.0, 1.0, 17)
_ROUNDS = 5
_ROWS = np.arange(_SLOPES.size)
# The line itself touches three ends; the next ones say how dense they lie there.
_TOUCHED = 2
_NEXT = 4
# A line that touches three ends is off by a step or two of the next.
_STEPS = 2.0


class Line(NamedTuple):
    """UTC − RAW over the window, at its newest instant."""

    raw_ns: int
    offset_ns: int
    rate_ppb: float
    gap_ns: float
    """Between the bounds at the line: what the floor would be if both legs were quiet
    at once; above the known floor only where the path has become longer."""
    variance: Variance


class BoundHull:
    """The last hour's bounds of one server."""

    def __init__(self) -> None:
        self._bounds: deque[tuple[int, int, int]] = deque(maxlen=_KEPT)

    def add(self, raw_ns: int, offset_ns: int, delay_ns: int) -> None:
        """Take in one exchange; they come in the order of their instants."""
        self._bounds.append((raw_ns, offset_ns, max(delay_ns, 0)))
        while raw_ns - self._bounds[0][0] > _WINDOW_NS:
            self._bounds.popleft()

    def clear(self) -> None:
        """Forget all bounds: the clock or the path has jumped."""
        self._bounds.clear()

    def least_variance(self, bend: float) -> float:
        """Return what the line's variance is at least: the truth is not as straight.

        Args:
            bend: q2 of the oscillator, ns²/s³.
        """
        span_s = (self._bounds[-1][0] - self._bounds[0][0]) / NS_PER_S
        return bend * span_s**3 / 3.0

    def line(self, bend: float) -> Line | None:
        """Return the line with the most margin; None while there is too little.

        Args:
            bend: q2 of the oscillator, ns²/s³.
        """
        if len(self._bounds) < _LEAST:
            return None
        newest_ns, epoch_ns, _ = self._bounds[-1]
        raw_ns, offset_ns, delay_ns = map(np.array, zip(*self._bounds, strict=True))
        t, offset = (raw_ns - newest_ns) / NS_PER_S, offset_ns - epoch_ns
        span_s = -float(t[0])
        if span_s <= 0.0:
            return None
        upper, lower = offset + delay_ns / 2.0, offset - delay_ns / 2.0
        slope = _steepest_margin(t, upper, lower)
        above, below = np.sort(upper - slope * t), np.sort(slope * t - lower)
        # Memoryless queues put the k-th nearest end k steps away.
        step = (above[_NEXT] - above[_TOUCHED] + below[_NEXT] - below[_TOUCHED]) / (
            2.0 * (_NEXT - _TOUCHED)
        )
        here = (_STEPS * float(step)) ** 2 + self.least_variance(bend)
        return Line(
            raw_ns=newest_ns,
            offset_ns=epoch_ns + round(float(above[0] - below[0]) / 2.0),
            rate_ppb=slope,
            gap_ns=float(above[0] + below[0]),
            # A line whose ends may be off by as much as this one, either way.
            variance=Variance(
                v0=here,
                v1=2.0 * here / span_s,
                v2=4.0 * here / span_s**2,
                v3=bend / 3.0,
            ),
        )


def _steepest_margin(t: Vector, upper: Vector, lower: Vector) -> float:
    """Return the slope at which the gap between the bounds is widest.

    The gap is concave in the slope, so brackets may be narrowed around the best.
    """
    span_s = t[-1] - t[0]
    # The true line passes between the bounds at both ends of the window.
    low = float((lower[-1] - upper[0]) / span_s)
    high = float((upper[-1] - lower[0]) / span_s)
    for _ in range(_ROUNDS):
        slopes = low + (high - low) * _SLOPES
        lines = slopes[:, None] * t
        best = int((_least(upper - lines) + _least(lines - lower)).argmax())
        low, high = (
            float(slopes[max(best - 1, 0)]),
            float(slopes[min(best + 1, slopes.size - 1)]),
        )
    return (low + high) / 2.0


def _least(rows: Matrix) -> Vector:
    """Return the least of each row; numpy is quicker to tell where it is."""
    least: Vector = rows[_ROWS, rows.argmin(axis=1)]
    return least
