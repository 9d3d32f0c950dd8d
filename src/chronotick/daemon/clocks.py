"""The host's clocks: the daemon's only door to them.

`HostClock` is the *measured* clock (`chronotick.core.ports.MeasuredClock`): what is
corrected. When to act is the schedule clock's business (`chrono_daemon.Clock`), and
the two never meet in one variable.
"""

from __future__ import annotations

import time

from chronotick.core.records import ClockPair
from chronotick.shm.vmclock import DisruptionMarker

__all__ = ["HostClock"]

_RAW = time.CLOCK_MONOTONIC_RAW
_REALTIME = time.CLOCK_REALTIME
_MONOTONIC = time.CLOCK_MONOTONIC
_BOOTTIME = time.CLOCK_BOOTTIME

# A pair of reads this close was not preempted; nothing tighter is to be had.
_TIGHT_NS = 2_000
_ATTEMPTS = 4


class HostClock:
    """CLOCK_MONOTONIC_RAW and its siblings, by vDSO reads (no system call)."""

    def __init__(self) -> None:
        self._marker = DisruptionMarker()

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW now."""
        return time.clock_gettime_ns(_RAW)

    def pair(self) -> ClockPair:
        """Return the host's clocks read together, as tightly as they can be."""
        return ClockPair(*self.bracket_ns(), _suspend_ns(), self._marker.read())

    def bracket_ns(self) -> tuple[int, int, int]:
        """Read RAW, REALTIME, RAW until the bracket is tight; return the tightest.

        The first three fields of `pair`: what it takes to tell the time, for a third of
        the price. REALTIME is credited to the middle of its bracket, with half of it as
        error.
        """
        read = time.clock_gettime_ns
        loose: list[tuple[int, int, int]] = []
        for _ in range(_ATTEMPTS):
            before_ns, realtime_ns, after_ns = read(_RAW), read(_REALTIME), read(_RAW)
            width_ns = after_ns - before_ns
            if width_ns <= _TIGHT_NS:
                break
            loose.append((width_ns, before_ns, realtime_ns))
        else:
            width_ns, before_ns, realtime_ns = min(loose)
        return before_ns + width_ns // 2, realtime_ns, (width_ns + 1) // 2


def _suspend_ns() -> int:
    """Return CLOCK_BOOTTIME − CLOCK_MONOTONIC: all the time this boot slept.

    The two differ by suspend alone. Read in this order, what passes between the reads
    only makes the difference look smaller, so the largest of a few is the best.
    """
    read = time.clock_gettime_ns
    first_ns = read(_BOOTTIME) - read(_MONOTONIC)
    return max(0, first_ns, read(_BOOTTIME) - read(_MONOTONIC))
