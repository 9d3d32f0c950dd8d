"""The imagined world of the demo: hosts, paths and servers from one seed; plain values.

Decides how bad the world is: oscillators off by tens of ppm that wander and step,
system clocks that somebody set wrongly, sets again and slews, paths that are lopsided,
jittery and lossy. Nothing outside what the product promises to survive.
"""

from __future__ import annotations

from typing import NamedTuple

from chronotick.sim.dice import Dice
from chronotick.sim.specs import (
    ClockStep,
    Exponential,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    PathSpec,
    RateStep,
    RealtimeSpec,
    Slew,
)

__all__ = ["COORDINATOR", "SERVERS", "Surroundings", "imagine"]

COORDINATOR = "head"
SERVERS = 3
"""Honest servers, each reached by paths of its own."""


class Surroundings(NamedTuple):
    """What is around one node."""

    host: HostSpec
    ntp_paths: tuple[PathSpec, ...]
    """To each server."""
    event_path: PathSpec
    """From the coordinator."""


def imagine(seed: int, workers: int) -> dict[str, Surroundings]:
    """Return the surroundings of the coordinator and of each worker, by name."""
    names = [COORDINATOR, *(f"worker{k + 1}" for k in range(workers))]
    return {name: _surroundings(Dice(seed, f"demo/{name}")) for name in names}


def _surroundings(dice: Dice) -> Surroundings:
    return Surroundings(
        host=_host(dice),
        ntp_paths=tuple(_path(dice, 300.0) for _ in range(SERVERS)),
        event_path=_path(dice, 150.0),
    )


def _host(dice: Dice) -> HostSpec:
    return HostSpec(
        oscillator=OscillatorSpec(
            rate_ppb=_between(dice, -60_000.0, 60_000.0),
            white_fm_ppb=20.0,
            random_walk_ppb=5.0,
            rate_steps=(
                RateStep(
                    at_s=_between(dice, 15.0, 35.0), by_ppb=_between(dice, -2e3, 2e3)
                ),
            ),
        ),
        realtime=RealtimeSpec(
            error_s=_between(dice, -0.02, 0.02),
            steps=(
                ClockStep(
                    at_s=_between(dice, 20.0, 40.0), by_s=_between(dice, -0.02, 0.02)
                ),
            ),
            slews=(Slew(at_s=0.0, for_s=600.0, by_ppm=_between(dice, -50.0, 50.0)),),
        ),
    )


def _path(dice: Dice, base_us: float) -> PathSpec:
    """Return a path whose way back is up to three times as long as the way there."""
    return PathSpec(
        forward=_leg(dice, base_us),
        backward=_leg(dice, base_us * (1 + 2 * dice.uniform())),
    )


def _leg(dice: Dice, base_us: float) -> LegSpec:
    return LegSpec(
        base_us=base_us * (0.5 + dice.uniform()),
        jitter=Exponential(mean_us=50.0 + 250.0 * dice.uniform()),
        loss=0.02 * dice.uniform(),
        duplication=0.01,
    )


def _between(dice: Dice, low: float, high: float) -> float:
    return low + (high - low) * dice.uniform()
