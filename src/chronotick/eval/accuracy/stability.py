"""How stable a clock is over time: overlapping Allan deviation and MTIE.

Plain formulas over phase in nanoseconds on an even grid; decides how unevenly timed
errors come onto one. Errors are rows of `chronotick.eval.accuracy.scores`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["Point", "Series", "allan_deviation", "even_series", "factors", "mtie"]

_LEAST_TERMS = 3
# Two steps apart is still one missing row; beyond that, nothing is known in between.
_GAP_STEPS = 2.5


class Point(NamedTuple):
    """One averaging time (or window) and what was found there."""

    tau_s: float
    value: float
    """ADEV: a fraction of frequency (1e-9 is a ppb). MTIE: ns."""
    terms: int
    """How many differences (or windows) it is made of."""


class Series(NamedTuple):
    """Phase on an even grid."""

    begin_s: float
    step_s: float
    phase_ns: Vector


def even_series(t_s: Vector, phase_ns: Vector) -> Series | None:
    """Return the longest stretch without a gap, on a grid of the median step.

    Rows of one instant count as one, their mean. Rows that are not on the grid are joined
    by straight lines; a gap is anything longer than two and a half steps. None with fewer
    than four rows.

    Args:
        t_s: Instants, never falling: a log of whole seconds has several servers in one.
        phase_ns: Error of the clock at those instants.
    """
    t_s, place = np.unique(t_s, return_inverse=True)
    phase_ns = np.bincount(place, weights=phase_ns) / np.bincount(place)
    if t_s.size < _LEAST_TERMS + 1:
        return None
    steps = np.diff(t_s)
    step_s = float(np.median(steps))
    cuts = np.flatnonzero(steps > _GAP_STEPS * step_s) + 1
    edges = np.concatenate(([0], cuts, [t_s.size]))
    lengths = t_s[edges[1:] - 1] - t_s[edges[:-1]]
    longest = int(np.argmax(lengths))
    begin, end = int(edges[longest]), int(edges[longest + 1])
    count = int((t_s[end - 1] - t_s[begin]) / step_s + 1e-6) + 1
    if count <= _LEAST_TERMS:
        return None
    grid = t_s[begin] + step_s * np.arange(count)
    phase = np.interp(grid, t_s[begin:end], phase_ns[begin:end])
    return Series(float(t_s[begin]), step_s, phase)


def factors(size: int) -> list[int]:
    """Return averaging factors 1, 2, 4, … for `size` phases, a quarter of them at most.

    Longer ones rest on so few independent differences that they mislead.
    """
    found = [1]
    while found[-1] * 2 <= size // 4:
        found.append(found[-1] * 2)
    return found


def allan_deviation(series: Series, factor: int) -> Point | None:
    """Return the overlapping Allan deviation at `factor` steps (IEEE 1139, NIST SP 1065).

    A constant phase or frequency error doesn't enter. None with fewer than three terms.
    """
    phase = series.phase_ns
    terms = phase.size - 2 * factor
    if terms < _LEAST_TERMS:
        return None
    second = phase[2 * factor :] - 2.0 * phase[factor:-factor] + phase[: -2 * factor]
    tau_s = factor * series.step_s
    deviation = np.sqrt(np.mean(second**2) / 2.0) / (tau_s * 1e9)
    return Point(tau_s, float(deviation), terms)


def mtie(series: Series, factor: int) -> Point | None:
    """Return the maximum time interval error over `factor` steps (ITU-T G.810), ns.

    The largest peak-to-peak error within any window of that length. None where there
    are fewer than three windows.
    """
    phase = series.phase_ns
    windows = phase.size - factor
    if windows < _LEAST_TERMS:
        return None
    spread = _running(phase, factor, np.maximum) - _running(phase, factor, np.minimum)
    return Point(factor * series.step_s, float(spread.max()), windows)


def _running(phase: Vector, factor: int, extreme: np.ufunc) -> Vector:
    """Return the extreme of each window of ``factor + 1`` phases.

    By doubling: a window is covered by two of half its length or more, so the work is
    n log n and not n times the window.
    """
    reach, size = phase, 1
    while 2 * size <= factor + 1:
        reach = extreme(reach[:-size], reach[size:])
        size *= 2
    rest = factor + 1 - size
    result: Vector = extreme(reach[: reach.size - rest], reach[rest:])
    return result
