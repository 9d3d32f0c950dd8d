"""An imagined host: its clocks, its timers, its pauses.

Decides what the host's clocks read and when its timers fire. Moves no packets. True
time is whole nanoseconds since the world's start, as the world's `SimClock` has it.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from chronotick.core.records import ClockPair
from chronotick.core.units import NS_PER_S
from chronotick.sim.dice import Dice
from chronotick.sim.oscillator import Oscillator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from chrono_daemon import Clock, SimClock
    from chronotick.sim.oscillator import Pause
    from chronotick.sim.server import LeapSecondAt
    from chronotick.sim.specs import HostSpec, RealtimeSpec

__all__ = ["Host", "HostTimers", "Realtime"]

_PPM = 1_000_000
# What a tight pair of clock reads costs on ordinary hardware.
_PAIR_ERROR_NS = 40


def true_now_ns(clock: SimClock) -> int:
    """Return the clock's virtual time in whole ns.

    Exact for a deadline that was made from whole ns, up to 26 days: a float of seconds
    keeps 2⁻⁵² of relative error, below half a nanosecond there.
    """
    return round(clock.now() * NS_PER_S)


class Realtime:
    """CLOCK_REALTIME of an imagined host: UTC plus what others have done to it."""

    def __init__(self, spec: RealtimeSpec) -> None:
        self._slews = spec.slews
        steps = sorted(spec.steps, key=lambda step: step.at_s)
        self._steps_ns = [round(step.at_s * NS_PER_S) for step in steps]
        by_ns = [round(step.by_s * NS_PER_S) for step in steps]
        self._errors_ns = list(
            accumulate(by_ns, initial=round(spec.error_s * NS_PER_S))
        )

    def error_ns(self, true_ns: int) -> int:
        """Return REALTIME − UTC at `true_ns`."""
        error_ns = self._errors_ns[bisect_right(self._steps_ns, true_ns)]
        for slew in self._slews:
            passed_ns = true_ns - round(slew.at_s * NS_PER_S)
            lasted_ns = min(max(passed_ns, 0), round(slew.for_s * NS_PER_S))
            error_ns += round(lasted_ns * slew.by_ppm / _PPM)
        return error_ns


class Host:
    """The clocks of one host: a `chronotick.core.ports.MeasuredClock`, and the truth.

    Args:
        name: Unique in the world.
        spec: What it is like.
        seed: The world's seed.
        clock: The world's time.
        epoch_utc_ns: Unix time at the world's start.
        leap: The leap second of this world, if there is one.
    """

    def __init__(
        self,
        name: str,
        spec: HostSpec,
        *,
        seed: int,
        clock: SimClock,
        epoch_utc_ns: int,
        leap: LeapSecondAt | None = None,
    ) -> None:
        self.name = name
        self.spec = spec
        self.oscillator = Oscillator(spec.oscillator, seed=seed, name=name)
        self.realtime = Realtime(spec.realtime)
        self.entropy: Callable[[int], bytes] = Dice(seed, f"{name}/entropy").bytes
        """Returns so many seeded bytes: what the kernel's random pool is elsewhere."""
        self._clock = clock
        self._epoch_utc_ns = epoch_utc_ns
        self._leap = leap
        self._boot_raw_ns = round(spec.uptime_s * NS_PER_S)
        pauses = self.oscillator.pauses
        self.timers: Clock = HostTimers(clock, pauses) if pauses else clock
        """When the host's tasks act: virtual time, except that they sleep with it."""

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW now."""
        return self.raw_at(true_now_ns(self._clock))

    def pair(self) -> ClockPair:
        """Return the host's clocks, read together."""
        true_ns = true_now_ns(self._clock)
        return ClockPair(
            raw_ns=self.raw_at(true_ns),
            realtime_ns=self.realtime_at(true_ns),
            error_ns=_PAIR_ERROR_NS,
            suspend_ns=self.suspended_ns(true_ns),
        )

    def raw_at(self, true_ns: int) -> int:
        """Return what RAW reads at `true_ns`."""
        return self._boot_raw_ns + self.oscillator.raw_ns(true_ns)

    def realtime_at(self, true_ns: int) -> int:
        """Return what CLOCK_REALTIME reads at `true_ns`."""
        return self._epoch_utc_ns + true_ns + self.realtime.error_ns(true_ns)

    def true_utc_ns(self, raw_ns: int) -> int:
        """Return the Unix time at which RAW last read at most `raw_ns`: the truth.

        Raises:
            ValueError: RAW never read so little in this world.
        """
        true_ns = self.oscillator.true_ns(raw_ns - self._boot_raw_ns)
        unleaped_ns = self._epoch_utc_ns + true_ns
        return unleaped_ns + (self._leap.shift_ns(unleaped_ns) if self._leap else 0)

    def suspended_ns(self, true_ns: int) -> int:
        """Return CLOCK_BOOTTIME − CLOCK_MONOTONIC at `true_ns`."""
        return sum(
            min(true_ns, pause.until_ns) - pause.from_ns
            for pause in self.oscillator.pauses
            if pause.known and true_ns > pause.from_ns
        )

    def hears_at(self, true_ns: int) -> int | None:
        """Return when a packet that arrives at `true_ns` is received, None for never.

        A sleeping host's network card is off; a paused guest's packets wait for it.
        """
        for pause in self.oscillator.pauses:
            if pause.from_ns <= true_ns < pause.until_ns:
                return None if pause.known else pause.until_ns
        return true_ns


class HostTimers:
    """A schedule clock that stands still while the host does (`chrono_daemon.Clock`).

    ``now()`` is CLOCK_MONOTONIC without its rate error: virtual time less the pauses.
    A timer that is due during a pause fires at its end.
    """

    def __init__(self, clock: SimClock, pauses: tuple[Pause, ...]) -> None:
        self._clock = clock
        self._pauses = pauses

    def now(self) -> float:
        """Return running seconds since the world's start."""
        true_s = self._clock.now()
        paused_s = 0.0
        for pause in self._pauses:
            from_s, until_s = pause.from_ns / NS_PER_S, pause.until_ns / NS_PER_S
            paused_s += max(min(true_s, until_s) - from_s, 0.0)
        return true_s - paused_s

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of running time."""
        if seconds <= 0.0:
            await self._clock.sleep(seconds)
            return
        await self.wait_until(self.now() + seconds)

    async def wait_until(self, deadline: float) -> None:
        """Wait until ``now()`` is `deadline`, and for the end of a pause in progress."""
        true_s = deadline
        for pause in self._pauses:
            # In running time the pause is an instant: what is due at or after it
            # happens after it.
            if true_s >= pause.from_ns / NS_PER_S:
                true_s += (pause.until_ns - pause.from_ns) / NS_PER_S
        await self._clock.wait_until(true_s)

    async def every(
        self, period: float, *, first: Literal["now", "after"] = "after"
    ) -> AsyncIterator[float]:
        """Tick each `period` of running time; missed ticks are dropped, in phase.

        Raises:
            ValueError: `period` is not above 0.
        """
        if not period > 0.0:
            raise ValueError(f"a period must be above 0 s, got {period}")
        start = self.now()
        tick = 0 if first == "now" else 1
        while True:
            due = start + tick * period
            if due > self.now():
                await self.wait_until(due)
            yield due
            tick = max(tick + 1, int((self.now() - start) / period) + 1)
