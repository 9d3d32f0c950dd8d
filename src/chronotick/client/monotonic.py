"""A view of corrected time that never goes back.

Decides how fast the view may follow the correction, which itself is free to jump when a
measurement says so. It has no bound: for an order that is certain use `Clock`.
"""

from __future__ import annotations

import os
import weakref
from _thread import RLock

from chronotick.client.clock import Clock, PythonClock
from chronotick.core.units import NS_PER_S

__all__ = ["MonotonicClock"]

_STANDSTILL_PPM = 1_000_000


class MonotonicClock:
    """Corrected time that only runs forward, and at nearly the right rate.

    The first reading is the correction's midpoint. From then on the view runs with the
    host's oscillator, faster or slower by `max_slew_ppm` at most, towards the midpoint.
    While the host sleeps its oscillator stands still: the view is then behind by the
    sleep, says so in `lag_ns`, and follows at its rate unless `catch_up` is called.

    Thread-safe: no thread sees a time before one that any thread has seen, nor does a
    signal's handler. A forked child goes on from where its parent was.

    Args:
        clock: What to follow; default: a `Clock` on the default segment.
        max_slew_ppm: Greatest difference from the oscillator's own rate, in ppm; above
            0 and below 1,000,000, where the view would stand still.

    Readings raise what `Clock.now_ns` raises; the view goes on from the next good one.
    """

    def __init__(
        self, clock: PythonClock | None = None, *, max_slew_ppm: float = 500.0
    ) -> None:
        if not 0 < max_slew_ppm < _STANDSTILL_PPM:
            raise ValueError(f"max_slew_ppm is {max_slew_ppm}, not within 0..1,000,000")
        self._clock = Clock() if clock is None else clock
        self._slew = max_slew_ppm * 1e-6
        self._lock = RLock()
        self._last: tuple[int, int] | None = None
        self._lag_ns = 0
        _ALL.add(self)

    @property
    def lag_ns(self) -> int:
        """How far the view was behind the midpoint at the last reading; < 0: ahead."""
        return self._lag_ns

    def now_ns(self) -> int:
        """Return the view in Unix ns: never less than before."""
        return self._move(may_jump=False)

    def now(self) -> float:
        """Return the view in Unix seconds, to 240 ns (a float)."""
        return self.now_ns() / NS_PER_S

    def catch_up(self) -> int:
        """Jump forward to the midpoint if the view is behind; return the view in ns."""
        return self._move(may_jump=True)

    def _move(self, *, may_jump: bool) -> int:
        with self._lock:
            while True:
                seen = self._last
                raw_ns, target_ns = self._clock.paired_ns()
                last_raw_ns, last_ns = seen or (raw_ns, target_ns)
                elapsed_ns = max(raw_ns - last_raw_ns, 0)
                freedom_ns = int(elapsed_ns * self._slew)
                slowest_ns = last_ns + elapsed_ns - freedom_ns
                fastest_ns = last_ns + elapsed_ns + freedom_ns
                view_ns = min(max(target_ns, slowest_ns), fastest_ns)
                if may_jump:
                    view_ns = max(target_ns, last_ns)
                moved = (max(raw_ns, last_raw_ns), view_ns)
                # A signal's handler on this thread may have moved it since: once more,
                # or it would go back to before what the handler has seen.
                if self._last is seen:
                    self._last = moved
                    self._lag_ns = target_ns - view_ns
                    return view_ns


_ALL: weakref.WeakSet[MonotonicClock] = weakref.WeakSet()


def _renew_locks() -> None:
    """A lock that another thread of the parent held would never be freed here."""
    for clock in _ALL:
        clock._lock = RLock()  # noqa: SLF001 - ours


os.register_at_fork(after_in_child=_renew_locks)
