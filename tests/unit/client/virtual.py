"""A host whose clocks a test sets: nothing here waits."""

from __future__ import annotations

import time

from chronotick.core.units import NS_PER_S, PPB
from unit.shm.frames import RAW_NS, UTC_NS


class VirtualHost:
    """The host's clocks; true UTC is RAW at `rate_ppb`, REALTIME is 1 us behind.

    Every reading takes `tick_ns`, and sleeping takes exactly as long as was asked.
    """

    def __init__(self, *, rate_ppb: float = 0.0, tick_ns: int = 100) -> None:
        self.raw_ns = RAW_NS
        self.rate_ppb = rate_ppb
        self.tick_ns = tick_ns
        self.suspended_ns = 0
        self.stepped_ns = 0
        self.slept: list[float] = []

    @property
    def utc_ns(self) -> int:
        """Return the truth."""
        age_ns = self.raw_ns - RAW_NS
        drift_ns = round(age_ns * self.rate_ppb / PPB)
        return UTC_NS + age_ns + drift_ns + self.suspended_ns

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Return a clock, as `time.clock_gettime_ns`."""
        self.raw_ns += self.tick_ns
        if clk_id == time.CLOCK_MONOTONIC_RAW:
            return self.raw_ns
        if clk_id == time.CLOCK_MONOTONIC:
            return self.raw_ns + 7
        if clk_id == time.CLOCK_BOOTTIME:
            return self.raw_ns + 7 + self.suspended_ns
        assert clk_id == time.CLOCK_REALTIME
        return self.utc_ns - 1_000 + self.stepped_ns

    def time_ns(self) -> int:
        """Return CLOCK_REALTIME, as `time.time_ns`."""
        return self.clock_gettime_ns(time.CLOCK_REALTIME)

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""
        assert seconds > 0
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let RAW, and with it everything, run on."""
        self.raw_ns += round(seconds * NS_PER_S)

    def suspend(self, seconds: float) -> None:
        """Sleep: RAW and MONOTONIC stand still, the world does not."""
        self.suspended_ns += round(seconds * NS_PER_S)
