"""What one measurement does to all filters, in numpy or in C: the numbers are the same.

Each filter is carried to the measurement, moved by what the innovation says to it, and
believed as far as it had predicted it. Decides nothing: it is all in the states' matrix
(`chronotick.models.states`), the densities are `chronotick.models.likelihood`'s, and who
speaks or starts again is `chronotick.models.filters`'.

With a hundred filters, numpy takes 50 µs for ninety calls and C takes 10 µs for the
filters. `InNumpy` is the specification, and serves where no C module is.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from chronotick.core.native import load_native
from chronotick.models.grid import ONE_SIDED_SHARE
from chronotick.models.likelihood import Evidence, between, contaminate, gaussian
from chronotick.models.states import ROWS, Motion

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from chronotick.models.grid import BankTuning
    from chronotick.models.states import Measurement, States

    Vector = NDArray[np.float64]

__all__ = [
    "ARITHMETIC",
    "Arithmetic",
    "BANK",
    "InC",
    "InNumpy",
    "Moments",
    "WHY",
    "fitting",
    "quickest",
]


def fitting(found: ModuleType | None, why: str) -> tuple[ModuleType | None, str]:
    """Return `found` if it is made for this module, else None and why."""
    if found is None or getattr(found, "ROWS", None) == ROWS:
        return found, why
    return None, "the C module is of another version (install chronotick again)"


BANK, WHY = fitting(*load_native("chronotick.models._bank"))
"""The C module or None, and then why."""
ARITHMETIC = "numpy" if BANK is None else f"C {BANK.SOURCE}"
"""What computes; in C with a digest of its source, for the last digit hangs on that."""

_BELIEF_GAIN = np.array(0.1)
# Rounding may take a variance a hair below zero; nothing physical is this small.
_LEAST_VARIANCE = np.array(1e-6)


class Moments(NamedTuple):
    """Of a mixture of filters: means, covariance and wander; ns and s."""

    x: float
    y: float
    pxx: float
    pxy: float
    pyy: float
    q2: float


class Arithmetic(Protocol):
    """What `chronotick.models.filters` needs to have computed."""

    def learn(self, elapsed_s: float, measurement: Measurement) -> tuple[int, float]:
        """Carry all filters `elapsed_s` to a measurement, teach and weigh them.

        Returns:
            The most believed filter, and the least trust that there is in one.
        """
        ...

    def mix(self, least_heard: float) -> Moments:
        """Return what the filters of at least that weight say together."""
        ...


class InC:
    """The arithmetic in C."""

    def __init__(self, bank: ModuleType, states: States, tuning: BankTuning) -> None:
        self._learn: Callable[..., tuple[int, float]] = bank.learn
        self._mix: Callable[..., tuple[float, ...]] = bank.mix
        self._states = states
        self._tuning = (
            tuning.white_fm,
            tuning.fixed_share,
            tuning.memory_by_count,
            tuning.memory_s,
        )

    def learn(self, elapsed_s: float, measurement: Measurement) -> tuple[int, float]:
        """See `Arithmetic`."""
        buffer = self._states.buffer
        return self._learn(buffer, *self._tuning, elapsed_s, *measurement)

    def mix(self, least_heard: float) -> Moments:
        """See `Arithmetic`."""
        return Moments(*self._mix(self._states.buffer, least_heard))


class InNumpy:
    """The arithmetic in numpy."""

    def __init__(self, states: States, tuning: BankTuning) -> None:
        self._states = states
        self._tuning = tuning
        self._motion = Motion(states, tuning.white_fm)
        self._scratch = _Scratch(states.x.size, states.one_sided[0].size)

    def learn(self, elapsed_s: float, measurement: Measurement) -> tuple[int, float]:
        """See `Arithmetic`."""
        # What queues on one leg can have done.
        half_width_ns = max(ONE_SIDED_SHARE * measurement.excess_ns, 1.0)
        self._motion.advance(elapsed_s, measurement, half_width_ns)
        now, found = self._states, self._scratch
        if found.one_sided is not None:
            between(*now.one_sided, half_width_ns, found.one_sided)
        gaussian(*now.normal, found.normal)
        evidence, belief = contaminate(found.all, now.innovation, now.scale)
        _move(now, evidence)
        self._weigh(evidence.density, elapsed_s)
        belief -= now.trust
        belief *= _BELIEF_GAIN
        trust = now.trust
        trust += belief
        return int(now.weight.argmax()), trust.item(trust.argmin())

    def mix(self, least_heard: float) -> Moments:
        """See `Arithmetic`."""
        now = self._states
        weight = now.weight * (now.weight >= least_heard)
        x, y, pyy, pxx, pxy, total, q2 = now.mixed.dot(weight).tolist()
        x, y = x / total, y / total
        # From the mean: of large squares that cancel, little would be left.
        dx, dy = now.x - x, now.y - y
        weighted = weight * dx
        return Moments(
            x,
            y,
            (pxx + float(weighted.dot(dx))) / total,
            (pxy + float(weighted.dot(dy))) / total,
            (pyy + float((weight * dy).dot(dy))) / total,
            q2 / total,
        )

    def _weigh(self, density: Vector, elapsed_s: float) -> None:
        tuning, weight = self._tuning, self._states.weight
        memory = max(tuning.memory_by_count, exp(-elapsed_s / tuning.memory_s))
        # Neither factor can underflow: the shares and the outlier density are floors.
        np.power(weight, memory, out=weight)
        weight *= density
        total = float(weight.dot(self._states.one))
        weight *= (1.0 - tuning.fixed_share) / total
        weight += tuning.fixed_share / weight.size


class _Scratch:
    """Where the evidence is put at each measurement; worth nothing afterwards."""

    def __init__(self, size: int, split: int) -> None:
        found = np.empty((3, size))
        self.all = Evidence(*found)
        self.one_sided = Evidence(*found[:, :split]) if split else None
        self.normal = Evidence(*found[:, split:])
        self._shape = size, split

    def __reduce__(self) -> tuple[type[_Scratch], tuple[int, int]]:
        """Start anew: copies of views would no longer be views."""
        return _Scratch, self._shape


def _move(now: States, evidence: Evidence) -> None:
    """Move each filter by what the innovation says to it."""
    _, score, curvature = evidence
    pxx, pxy = now.pxx, now.pxy
    now.x += pxx * score
    now.y += pxy * score
    cross = pxy * curvature
    now.pyy += pxy * cross
    cross *= pxx
    change = pxx * curvature
    change *= pxx
    pxy += cross
    pxx += change
    np.maximum(now.variances, _LEAST_VARIANCE, out=now.variances)


def quickest(states: States, tuning: BankTuning) -> Arithmetic:
    """Return the quickest arithmetic that there is, working on `states`."""
    return InNumpy(states, tuning) if BANK is None else InC(BANK, states, tuning)
