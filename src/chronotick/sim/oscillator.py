"""An imagined oscillator: what CLOCK_MONOTONIC_RAW reads at each instant of true time.

Decides the reading, in whole nanoseconds, and its exact inverse. Does not decide when
anyone reads it. Rates have the project's sign (`chronotick.core.units`): ``rate_ppb``
is d(UTC − RAW)/dRAW, so a positive one is a *slow* oscillator.

The path of the clock is a chain of straight lines between knots at whole nanoseconds of
both times: one a grid step, and one at each event. Knots are generated strictly in
order, from one stream of randomness, as far as anyone has asked: so the clock is a
function of seed and specification alone, whatever is asked when.

The noises, and why these: white FM (the ADEV falls as 1/√τ), flicker FM (a floor), random
walk FM (rises as √τ), aging (a line), temperature (a day, a thermostat, the load of
the machine, each through the case's thermal lag). Pure Python on purpose: 24 h are
generated in about 0.2 s, and numpy would be the base install's largest dependency.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from math import exp, sqrt
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S, PPB
from chronotick.sim.climate import Climate
from chronotick.sim.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chronotick.sim.specs import OscillatorSpec

__all__ = ["Oscillator", "Pause"]

# With a ratio of 4 between the stages' time constants, the sum of their spectra is
# s²/(ln 4 · f), and the flicker floor of the ADEV, √(2 ln 2 · h₋₁), is just s.
_FLICKER_RATIO = 4
_FLICKER_STAGES = 9
# A stage lasts one time constant before it is drawn anew around its last value.
_FLICKER_KEEP = exp(-1.0)
_AHEAD_NS = 256 * NS_PER_S
_DAY_S = 86_400.0


class _Event(NamedTuple):
    """What happens to the clock at an instant, besides running."""

    at_ns: int
    rate_ppb: float = 0.0
    """Added to the rate from here on."""
    jump_ns: int = 0
    """RAW leaps forward."""
    stop_ns: int = 0
    """RAW stands still for so long."""


class Pause(NamedTuple):
    """RAW stands still from one instant of true time to another."""

    from_ns: int
    until_ns: int
    known: bool
    """Whether the kernel knows (suspend) or nobody does (a paused machine)."""


class Oscillator:
    """RAW against true time, both in ns since the world's start.

    Args:
        spec: What the oscillator is like.
        seed: The world's seed.
        name: The host's name: each gets noise of its own.
    """

    def __init__(self, spec: OscillatorSpec, *, seed: int, name: str) -> None:
        self._spec = spec
        self.pauses = _pauses(spec)
        """When the host stood still, in order, never overlapping."""
        self._true = array("q", [0])
        self._raw = array("q", [0])
        self._knots = self._generate(seed, f"{name}/oscillator")

    def raw_ns(self, true_ns: int) -> int:
        """Return what RAW reads at `true_ns`, rounded down; 0 at the start.

        Raises:
            ValueError: `true_ns` is before the start.
        """
        if true_ns < 0:
            raise ValueError(f"the world starts at 0 ns, asked for {true_ns}")
        self._extend_true(true_ns)
        i = bisect_right(self._true, true_ns) - 1
        then_ns, raw_ns = self._true[i], self._raw[i]
        span_ns = self._true[i + 1] - then_ns
        return raw_ns + (true_ns - then_ns) * (self._raw[i + 1] - raw_ns) // span_ns

    def true_ns(self, raw_ns: int) -> int:
        """Return the last instant at which RAW read at most `raw_ns`.

        The exact inverse of `raw_ns`: it returns the instant that gave `raw_ns`, or
        the last of the few (or, where RAW stood still, the many) that give it.

        Raises:
            ValueError: RAW has never read so little.
        """
        if raw_ns < 0:
            raise ValueError(f"RAW starts at 0 ns, asked for {raw_ns}")
        self._extend_raw(raw_ns)
        i = bisect_right(self._raw, raw_ns) - 1
        span_ns = self._true[i + 1] - self._true[i]
        # raw(t) <= r  ⟺  (t − T) · dR < (r − R + 1) · dT, all of it in integers.
        steps_ns = (raw_ns - self._raw[i] + 1) * span_ns
        return self._true[i] - 1 - (-steps_ns // (self._raw[i + 1] - self._raw[i]))

    def rate_ppb(self, true_ns: int, *, over_s: float = 1.0) -> float:
        """Return the true mean d(UTC − RAW)/dRAW over the `over_s` after `true_ns`."""
        later_ns = true_ns + round(over_s * NS_PER_S)
        moved_ns = self.raw_ns(later_ns) - self.raw_ns(true_ns)
        return (later_ns - true_ns - moved_ns) / moved_ns * PPB

    def _extend_true(self, true_ns: int) -> None:
        # One knot beyond the instant, and then a block: asking is cheaper that way.
        if self._true[-1] <= true_ns:
            self._extend(true_ns + _AHEAD_NS)

    def _extend_raw(self, raw_ns: int) -> None:
        while self._raw[-1] <= raw_ns:
            self._extend(self._true[-1] + _AHEAD_NS + raw_ns - self._raw[-1])

    def _extend(self, until_true_ns: int) -> None:
        true, raw = self._true, self._raw
        for then_ns, reading_ns in self._knots:
            true.append(then_ns)
            raw.append(reading_ns)
            if then_ns > until_true_ns:
                return

    def _generate(self, seed: int, name: str) -> Iterator[tuple[int, int]]:
        """Yield the knots after the first, for ever."""
        step_ns = round(self._spec.grid_s * NS_PER_S)
        rates = self._rates(seed, name)
        events = iter(self._events())
        event = next(events, None)
        now_ns = raw_ns = 0
        stepped_ppb = carry_ns = 0.0
        cell_end_ns = 0
        rate_ppb = 0.0
        while True:
            if now_ns == cell_end_ns:
                cell_end_ns += step_ns
                rate_ppb = next(rates)
            until_ns = min(cell_end_ns, event.at_ns) if event else cell_end_ns
            if until_ns > now_ns:
                passed_ns = until_ns - now_ns
                ratio = (rate_ppb + stepped_ppb) / PPB
                # dRAW = dT / (1 + ρ). Only the small difference is a float, and what
                # is rounded off is carried over, so that no error accumulates.
                carry_ns -= passed_ns * (ratio / (1.0 + ratio))
                whole_ns = round(carry_ns)
                carry_ns -= whole_ns
                now_ns, raw_ns = until_ns, raw_ns + passed_ns + whole_ns
                yield now_ns, raw_ns
            # Not `==`: what was due while the clock stood still happens on waking.
            if event and event.at_ns <= now_ns:
                stepped_ppb += event.rate_ppb
                if event.jump_ns:
                    raw_ns += event.jump_ns
                    yield now_ns, raw_ns
                if event.stop_ns:
                    now_ns += event.stop_ns
                    yield now_ns, raw_ns
                    # The grid goes on in running time: a sleeping crystal ages not.
                    cell_end_ns += event.stop_ns
                event = next(events, None)

    def _events(self) -> Sequence[_Event]:
        """Return all events by time; those of one instant in the order given here."""
        spec = self._spec
        ns = NS_PER_S
        return sorted(
            [_Event(round(e.at_s * ns), e.by_ppb) for e in spec.rate_steps]
            + [_Event(round(e.at_s * ns), 0.0, round(e.by_s * ns)) for e in spec.jumps]
            + [_Event(p.from_ns, 0.0, 0, p.until_ns - p.from_ns) for p in self.pauses],
            key=lambda event: event.at_ns,
        )

    def _rates(self, seed: int, name: str) -> Iterator[float]:
        """Yield the rate in ppb of one grid cell after another, without steps."""
        spec = self._spec
        dice = Dice(seed, name)
        normal = dice.normal
        white_sd = spec.white_fm_ppb / sqrt(spec.grid_s)
        walk_sd = spec.random_walk_ppb * sqrt(spec.grid_s)
        aging_step = spec.aging_ppb_per_day * spec.grid_s / _DAY_S
        climate = Climate(spec.temperature, spec.grid_s, Dice(seed, f"{name}/climate"))
        heated = spec.temperature.ppb_per_c != 0.0
        flicker = self._flicker(Dice(seed, f"{name}/flicker"))
        slow_ppb = spec.rate_ppb
        while True:
            now_ppb = slow_ppb
            if white_sd:
                now_ppb += normal(white_sd)
            if spec.flicker_fm_ppb:
                now_ppb += next(flicker)
            if heated:
                now_ppb += spec.temperature.ppb_per_c * climate.step()
            yield now_ppb
            slow_ppb += aging_step
            if walk_sd:
                slow_ppb += normal(walk_sd)

    def _flicker(self, dice: Dice) -> Iterator[float]:
        """Yield flicker FM: stages that are redrawn every 4^k cells, summed."""
        sd = self._spec.flicker_fm_ppb
        fresh_sd = sd * sqrt(1.0 - _FLICKER_KEEP**2)
        stages = [dice.normal(sd) for _ in range(_FLICKER_STAGES)]
        cell = 0
        while True:
            yield sum(stages)
            cell += 1
            due, k = cell, 0
            while k < _FLICKER_STAGES:
                stages[k] = _FLICKER_KEEP * stages[k] + dice.normal(fresh_sd)
                due, left = divmod(due, _FLICKER_RATIO)
                if left:
                    break
                k += 1


def _pauses(spec: OscillatorSpec) -> tuple[Pause, ...]:
    """Return all pauses by time; one that is due during another begins at its end."""
    due = sorted(
        [(stop.at_s, stop.for_s, True) for stop in spec.suspends]
        + [(stop.at_s, stop.for_s, False) for stop in spec.stalls]
    )
    pauses: list[Pause] = []
    for at_s, for_s, known in due:
        from_ns = round(at_s * NS_PER_S)
        if pauses:
            from_ns = max(from_ns, pauses[-1].until_ns)
        pauses.append(Pause(from_ns, from_ns + round(for_s * NS_PER_S), known))
    return tuple(pauses)
