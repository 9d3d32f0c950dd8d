"""The filters' states as rows of one matrix, so that time moves all of them at once.

A state's mean and covariance after some seconds, the innovation of a measurement then
and what is expected of its square are all linear in the state: one product of matrices.
Decides what is predicted; what a measurement changes is `chronotick.models.arithmetic`'s.

``x`` is the offset in ns, ``y`` its rate in ns/s, which is ppb. Process noise is the
two-state clock model (white FM q1, random-walk FM q2; Zucca & Tavella, IEEE T-UFFC 52
(2005) 289): ``Q(t) = [[q1 t + q2 t³/3, q2 t²/2], [q2 t²/2, q2 t]]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.models.grid import BankTuning

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["Measurement", "Motion", "ROWS", "States"]

# Rows of the matrix, as in `_bank.c`. What a step in time makes new:
_INNOVATION, _SPREAD, _SCALE, _X, _Y, _PYY, _PXX, _PXY = range(8)
_MOVED = 8
# What stays as it is:
_ONE, _Q2, _BASE, _SLOPE_SQUARED, _SIDED = range(8, 13)
_LINEAR = 13
# What others made of the filters:
_WEIGHT, _TRUST = 13, 14
ROWS = 15
"""How many there are: C must know the same."""


class Measurement(NamedTuple):
    """What the filters are told of one exchange."""

    value_ns: float
    excess_ns: float
    """How far the delay may be above the path's floor."""
    variance: float
    """Noise that has nothing to do with the delay, ns²."""


class States:
    """All filters at one instant, a column each; rows are views into the matrix."""

    def __init__(self, matrix: Matrix, one_sided: int) -> None:
        self.matrix, self.buffer = matrix, matrix.data
        self.moved, self.linear = matrix[:_MOVED], matrix[:_LINEAR]
        """What a step in time makes new, and what it is made from."""
        self.innovation, self.spread, self.scale = matrix[:_X]
        """Of `Motion`: the newest measurement less its prediction, what is expected of its
        square, and the same with the interval's own width on top."""
        self.x, self.y, self.pyy, self.pxx, self.pxy = matrix[_X:_MOVED]
        self.one, self.q2, self.base = matrix[_ONE : _BASE + 1]
        self.mixed, self.predictive = matrix[_X:_BASE], matrix[_X : _BASE + 1]
        """What a mixture is made from: x, y, pyy, pxx, pxy, 1 and q2; then with the
        base jitter's variance."""
        self.variances = matrix[_PYY : _PXX + 1]
        self.weight, self.trust = matrix[_WEIGHT:]
        """How far each filter is believed, in all 1; and whether measurements have been
        what it expected of late, 0..1."""
        self.one_sided = self.innovation[:one_sided], self.spread[:one_sided]
        self.normal = self.innovation[one_sided:], self.spread[one_sided:]
        self._split = one_sided

    @classmethod
    def first(cls, tuning: BankTuning) -> States:
        """Return the filters of `tuning`'s grid, all alike, knowing nothing."""
        q2, base, slope, one_sided = tuning.grid()
        matrix = np.zeros((ROWS, q2.size))
        matrix[_PYY] = tuning.rate_sd_ppb**2
        matrix[_ONE], matrix[_Q2], matrix[_BASE] = 1.0, q2, base
        # Intervals have a width instead.
        matrix[_SLOPE_SQUARED, one_sided:] = slope[one_sided:] ** 2
        matrix[_SIDED, :one_sided] = 1.0
        matrix[_WEIGHT], matrix[_TRUST] = 1.0 / q2.size, 1.0
        return cls(matrix, one_sided)

    def put(self, which: NDArray[np.bool_], state: tuple[float, ...]) -> None:
        """Let these filters start again from x, y, pyy, pxx and pxy, trusted as at first."""
        self.moved[_X:, which] = np.array(state)[:, None]
        self.trust[which] = 1.0

    def __reduce__(self) -> tuple[type[States], tuple[Matrix, int]]:
        """Copy the matrix alone: copies of views would no longer be views."""
        return States, (self.matrix, self._split)


class Motion:
    """Carries the states along, by numpy."""

    def __init__(self, states: States, white_fm: float) -> None:
        self._white_fm = white_fm
        self._states = states
        self._moved = np.empty_like(states.moved)
        self._step = step = np.zeros((_MOVED, _LINEAR))
        step[_INNOVATION, _X] = -1.0
        for row in range(_X, _MOVED):
            step[row, row] = 1.0
        for row in (_SPREAD, _SCALE):
            step[row, _PXX] = step[row, _BASE] = 1.0

    def advance(
        self, elapsed_s: float, measurement: Measurement, half_width_ns: float
    ) -> None:
        """Carry the filters to a measurement, and find its innovation.

        Args:
            elapsed_s: Since the last one.
            measurement: What is innovative.
            half_width_ns: What queues on one leg can do, for the filters that take
                errors as within an interval.
        """
        step, t = self._step, elapsed_s
        square, cube = t * t, t * t * t
        step[_INNOVATION, _ONE], step[_INNOVATION, _Y] = measurement.value_ns, -t
        for row, noise in (
            (_PXX, 0.0),
            (_SPREAD, measurement.variance),
            (_SCALE, measurement.variance),
        ):
            step[row, _PYY], step[row, _PXY] = square, 2.0 * t
            step[row, _ONE], step[row, _Q2] = self._white_fm * t + noise, cube / 3.0
        excess = measurement.excess_ns * measurement.excess_ns
        step[_SPREAD, _SLOPE_SQUARED] = step[_SCALE, _SLOPE_SQUARED] = excess
        step[_SCALE, _SIDED] = half_width_ns * half_width_ns
        step[_X, _Y] = step[_PXY, _PYY] = step[_PYY, _Q2] = t
        step[_PXY, _Q2] = square / 2.0
        step.dot(self._states.linear, out=self._moved)
        self._states.moved[:] = self._moved
