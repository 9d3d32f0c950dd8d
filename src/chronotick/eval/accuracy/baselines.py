"""What people do without a model: two estimators that any other one must beat.

They believe every server, claim no bound and know no sigma.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.core.records import Sample

__all__ = ["MinDelay", "Regression"]

_NOT_KNOWN = Variance(v0=float("nan"))
_HOUR_NS = 3600 * NS_PER_S
_PICKED_FROM = 8
# Nearer together, two picks say more of their queues than of the clock.
_LEAST_APART_NS = _HOUR_NS // 4


class _Line:
    """Says what a straight line through one point says."""

    def __init__(self) -> None:
        self._recent: deque[Sample] = deque()
        """In the order of arrival."""

    def predict(self, raw_ns: int) -> Estimate | None:
        """Follow the line to `raw_ns`; None before the first sample."""
        if not self._recent:
            return None
        at_ns, offset_ns, rate = self._line()
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=round(offset_ns + rate * (raw_ns - at_ns)),
            rate_ppb=rate * 1e9,
            variance=_NOT_KNOWN,
            source=Source.NTP,
        )

    def bias_ns(self, server: str) -> float:
        """Return 0: no account is kept."""
        return 0.0

    def _line(self) -> tuple[int, float, float]:
        """Return an instant, the offset then, and the rate."""
        raise NotImplementedError


class MinDelay(_Line):
    """The one of eight measurements with the shortest delay, as clock filters do.

    It is carried at the rate between the pick of an hour ago and that one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._window: deque[Sample] = deque(maxlen=_PICKED_FROM)

    def observe(self, sample: Sample) -> None:
        """Pick anew."""
        self._window.append(sample)
        pick = min(self._window, key=lambda each: each.delay_ns)
        if not self._recent or pick is not self._recent[-1]:
            self._recent.append(pick)
        # Where polls are rare, that pick may be older than an hour.
        while len(self._recent) > 1 and pick.raw_ns - self._recent[1].raw_ns > _HOUR_NS:
            self._recent.popleft()

    def _line(self) -> tuple[int, float, float]:
        old, new = self._recent[0], self._recent[-1]
        apart_ns = new.raw_ns - old.raw_ns
        rate = 0.0
        if apart_ns >= _LEAST_APART_NS:
            rate = (new.offset_ns - old.offset_ns) / apart_ns
        return new.raw_ns, float(new.offset_ns), rate


class Regression(_Line):
    """Least squares over all measurements of the last hour, none weighing more."""

    def observe(self, sample: Sample) -> None:
        """Take it in."""
        self._recent.append(sample)
        while sample.raw_ns - self._recent[0].raw_ns > _HOUR_NS:
            self._recent.popleft()

    def _line(self) -> tuple[int, float, float]:
        # From the newest one, for squares of nanoseconds since long ago lose digits.
        end, count = self._recent[-1], len(self._recent)
        ages = [float(each.raw_ns - end.raw_ns) for each in self._recent]
        offsets = [float(each.offset_ns - end.offset_ns) for each in self._recent]
        age, offset = sum(ages) / count, sum(offsets) / count
        spread = sum((a - age) ** 2 for a in ages)
        both = sum((a - age) * (o - offset) for a, o in zip(ages, offsets, strict=True))
        rate = both / spread if spread else 0.0
        return end.raw_ns, end.offset_ns + offset - rate * age, rate
