"""One reading together with what the system clock said before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chronotick.client.clock import Clock
    from chronotick.core.ports import MeasuredClock
    from chronotick.core.reading import Interval

__all__ = ["Sighting", "sight"]

_ATTEMPTS = 4
_TIGHT_NS = 20_000


class Sighting(NamedTuple):
    """A reading between two reads of CLOCK_REALTIME."""

    now: Interval
    before_ns: int
    after_ns: int

    @property
    def bracket_ns(self) -> int:
        """How long the reading took, as the system clock saw it."""
        return self.after_ns - self.before_ns

    @property
    def system_offset_ns(self) -> int:
        """UTC − CLOCK_REALTIME, by the interval's midpoint. Positive: it is behind."""
        return self.now.midpoint_ns - (self.before_ns + self.after_ns) // 2

    @property
    def holds_system_time(self) -> bool:
        """Whether the interval contains what CLOCK_REALTIME said meanwhile."""
        now = self.now
        return now.earliest_ns <= self.after_ns and self.before_ns <= now.latest_ns


def sight(clock: Clock, host: MeasuredClock) -> Sighting:
    """Read `clock` between two reads of the host's CLOCK_REALTIME.

    The first reading of a clock attaches to its segment, and any can be preempted, so
    a few are made and the one with the tightest bracket is returned.

    Raises:
        ClockError, SegmentError: as `Clock.interval`.
    """
    seen = _sight(clock, host)
    for _ in range(_ATTEMPTS - 1):
        if seen.bracket_ns <= _TIGHT_NS:
            break
        seen = min(_sight(clock, host), seen, key=lambda s: s.bracket_ns)
    return seen


def _sight(clock: Clock, host: MeasuredClock) -> Sighting:
    before_ns = host.pair().realtime_ns
    now = clock.interval()
    return Sighting(now, before_ns, host.pair().realtime_ns)
