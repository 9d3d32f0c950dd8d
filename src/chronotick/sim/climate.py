"""The temperature of an imagined oscillator, relative to the long-term mean.

Decides what the room, its thermostat and the machine's own load do to the crystal's
case. What the crystal makes of it is `oscillator`'s business.
"""

from __future__ import annotations

from math import exp, pi, sin
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronotick.sim.dice import Dice
    from chronotick.sim.specs import TemperatureSpec

__all__ = ["Climate"]

_DAY_S = 86_400.0


class Climate:
    """°C above the mean, one grid step after another.

    Args:
        spec: Amplitudes and time constants.
        grid_s: Length of a step, s.
        dice: Phases, and the load's ups and downs.
    """

    def __init__(self, spec: TemperatureSpec, grid_s: float, dice: Dice) -> None:
        self._spec = spec
        self._grid_s = grid_s
        self._dice = dice
        self._now_s = 0.0
        day = spec.diurnal_phase
        self._day_phase = dice.uniform() if day is None else day
        self._hvac_phase = dice.uniform()
        self._loaded = False
        self._load_until_s = dice.exponential(spec.load_off_s)
        self._reach = 1.0 - exp(-grid_s / spec.lag_s) if spec.lag_s else 1.0
        self._case_c = self._ambient()

    def step(self) -> float:
        """Return the case's temperature for the next grid step."""
        here_c = self._case_c
        self._now_s += self._grid_s
        if self._spec.load_c:
            self._switch_load()
        self._case_c += self._reach * (self._ambient() - here_c)
        return here_c

    def _ambient(self) -> float:
        spec = self._spec
        ambient_c = spec.load_c if self._loaded else 0.0
        if spec.diurnal_c:
            day = self._now_s / _DAY_S + self._day_phase
            ambient_c += spec.diurnal_c * sin(2.0 * pi * day)
        if spec.hvac_c:
            # A thermostat: warms slowly until the cooling cuts in, every time alike.
            cycle = (self._now_s / spec.hvac_period_s + self._hvac_phase) % 1.0
            ambient_c += spec.hvac_c * (2.0 * cycle - 1.0)
        return ambient_c

    def _switch_load(self) -> None:
        """Let the machine's load come and go, each for an exponential while."""
        spec = self._spec
        while self._now_s >= self._load_until_s:
            self._loaded = not self._loaded
            mean_s = spec.load_on_s if self._loaded else spec.load_off_s
            self._load_until_s += self._dice.exponential(mean_s)
