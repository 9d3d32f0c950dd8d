"""An imagined path: when each copy of a packet arrives, if ever, and in which state.

Decides delay, loss, duplication, reordering and damage, by seed. Does not decide who is
at the other end, and moves no packets: instants in, arrivals out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S
from chronotick.sim.dice import Dice
from chronotick.sim.specs import Exponential, Gamma

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.sim.specs import (
        Congestion,
        Jitter,
        LegSpec,
        Outage,
        PathSpec,
        Shift,
    )

__all__ = ["Arrival", "Leg", "Path"]

_NS_PER_US = 1_000.0
_MAX_PAYLOAD = 1280


class Arrival(NamedTuple):
    """One copy of a packet at the other end."""

    true_ns: int
    payload: bytes


class Leg:
    """One direction of a path.

    Arrivals depend on the departures so far on this leg and on nothing else in the
    world, so that packets elsewhere never change a packet's fate here.
    """

    def __init__(
        self, spec: LegSpec, outages: Sequence[Outage], *, seed: int, name: str
    ) -> None:
        self._spec = spec
        self._outages = outages
        self._dice = Dice(seed, f"{name}/delay")
        # Apart: a lost packet must not shift the delays of all that follow.
        self._fate = Dice(seed, f"{name}/fate")

    def carry(self, payload: bytes, departure_ns: int) -> Sequence[Arrival]:
        """Return the copies of `payload` that arrive; none where it is lost."""
        spec, fate = self._spec, self._fate
        delay_ns = self._delay_ns(departure_ns)
        if self.is_down(departure_ns) or fate.chance(spec.loss):
            return ()
        if fate.chance(spec.reordering):
            delay_ns += spec.reordering_us * _NS_PER_US
        if fate.chance(spec.corruption):
            payload = _damaged(payload, fate)
        first = Arrival(departure_ns + round(delay_ns), payload)
        if not fate.chance(spec.duplication):
            return (first,)
        late_ns = self._delay_ns(departure_ns) - self._floor_ns(departure_ns)
        return (first, Arrival(first.true_ns + round(max(late_ns, 0.0)), payload))

    def is_down(self, true_ns: int) -> bool:
        """Say whether the path is partitioned at `true_ns`."""
        return any(_is_on(outage, true_ns) for outage in self._outages)

    def _floor_ns(self, true_ns: int) -> float:
        floor_us = self._spec.base_us
        for shift in self._spec.shifts:
            if _is_on(shift, true_ns):
                floor_us += shift.by_us
        # A shift may shorten a route, but nothing arrives before it left.
        return max(floor_us, 0.0) * _NS_PER_US

    def _delay_ns(self, true_ns: int) -> float:
        delay_ns = self._floor_ns(true_ns)
        if self._spec.jitter is not None:
            delay_ns += _draw_us(self._spec.jitter, self._dice) * _NS_PER_US
        for congestion in self._spec.congestion:
            if _is_on(congestion, true_ns):
                delay_ns += _draw_us(congestion.jitter, self._dice) * _NS_PER_US
        return delay_ns


class Path:
    """The way to a server and back.

    Args:
        spec: What the path is like.
        seed: The world's seed.
        name: Unique in the world, such as ``client-192.0.2.1``.
    """

    def __init__(self, spec: PathSpec, *, seed: int, name: str) -> None:
        self.forward = Leg(spec.forward, spec.outages, seed=seed, name=f"{name}/there")
        self.backward = Leg(spec.back, spec.outages, seed=seed, name=f"{name}/back")


def _is_on(what: Outage | Shift | Congestion, true_ns: int) -> bool:
    """Say whether an episode, perhaps a repeated one, is going on."""
    since_s = true_ns / NS_PER_S - what.at_s
    if since_s < 0.0:
        return False
    return (since_s % what.every_s if what.every_s else since_s) < what.for_s


def _draw_us(jitter: Jitter, dice: Dice) -> float:
    if isinstance(jitter, Exponential):
        return dice.exponential(jitter.mean_us)
    if isinstance(jitter, Gamma):
        return dice.gamma(jitter.shape, jitter.mean_us)
    return dice.pareto(jitter.alpha, jitter.mean_us)


def _damaged(payload: bytes, dice: Dice) -> bytes:
    """Return `payload` with a flipped bit, cut short, or with a tail of garbage."""
    kind = int(dice.uniform() * 3.0)
    where = int(dice.uniform() * max(len(payload), 1))
    if kind == 0 and payload:
        flipped = payload[where] ^ (1 << int(dice.uniform() * 8.0))
        return payload[:where] + bytes([flipped]) + payload[where + 1 :]
    if kind == 1:
        return payload[:where]
    return (payload + dice.bytes(1 + where))[:_MAX_PAYLOAD]
