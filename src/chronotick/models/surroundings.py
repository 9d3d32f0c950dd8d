"""What surrounds the oscillator: temperature, frequency, load, ten minutes at a time.

Decides which ten minutes a reading belongs to, so that rows stand beside the rates they
may explain. Whether they explain anything is the ensemble's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.units import NS_PER_S
from chronotick.models.history import PAST, STEP_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

__all__ = ["Surroundings"]

_STEP_NS = STEP_S * NS_PER_S
# All rates, and as long a silence after them.
_KEPT = 2 * PAST


class Surroundings:
    """Means over ten minutes of some readings.

    Args:
        width: Readings at a time; those that are absent are NaN.
    """

    def __init__(self, width: int) -> None:
        # A ring: each mark's place is its number modulo the length.
        self._marks = np.full(_KEPT, -1)
        self._sums = np.zeros((_KEPT, width))
        self._counts = np.zeros((_KEPT, 1))

    def feel(self, raw_ns: int, readings: Sequence[float]) -> None:
        """Take in readings made at `raw_ns`.

        Raises:
            ValueError: There are not `width` of them.
        """
        if len(readings) != self._sums.shape[1]:
            raise ValueError(
                f"{len(readings)} readings instead of {self._sums.shape[1]}"
            )
        # A rate that is noted at the start of ten minutes tells of the ten before.
        mark = raw_ns // _STEP_NS + 1
        place = mark % _KEPT
        if self._marks[place] != mark:
            self._marks[place] = mark
            self._sums[place] = self._counts[place] = 0.0
        self._sums[place] += readings
        self._counts[place] += 1.0

    def rows(self, first: int, last: int) -> Matrix:
        """Return a row for each mark from `first` to `last`; NaN where none was felt."""
        marks = np.arange(first, last + 1)
        places = marks % _KEPT
        felt = self._marks[places] == marks
        rows: Matrix = np.full((marks.size, self._sums.shape[1]), np.nan)
        rows[felt] = self._sums[places[felt]] / self._counts[places[felt]]
        return rows
