"""Keep the last samples of one server and say which of them is worth most.

Decides between samples of *one* server by how wide their bounds are, never by how large
their offsets are. Which servers to believe is for `select`; what the oscillator does in
between is for the models.

It follows the clock filter of RFC 5905 §10: eight stages; the bound of a stored sample
grows with age; the best stage represents the server; old news is never used twice. It
departs where the RFC's reasons do not hold here:

* The RFC sorts by delay alone. The claim of a sample is its whole root distance, and a
  server's own share changes between samples, so the whole is compared.
* The RFC lets φ = 15 ppm age a *disciplined* clock. RAW is free-running, so whoever
  wants a bound must say what is known of its rate.
* The RFC's jitter is the rms of offset differences in the window. On a free-running
  clock that measures the frequency error, so here a line is taken out first; and one
  queue in the window would hide the next, so line and scatter are medians, not means.
* The RFC hands on only samples that are the best of eight, which throws most away. A
  feed-forward filter weights by delay, so all are used but those that can't tell it
  anything (`Verdict.is_worth_using`).
"""

from __future__ import annotations

from collections import deque
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from chronotick.core.units import NS_PER_S, grow_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import Sample

__all__ = ["SampleFilter", "Verdict"]

_STAGES: Final = 8  # NSTAGE, RFC 5905 §10.
_JITTERS_OF_SLACK: Final = 3.0
# A median line passes through one pair exactly; below four points what is left is luck.
_MIN_FOR_JITTER: Final = 4
_MAD_TO_SIGMA: Final = 1.4826  # For normal noise.


class Verdict(NamedTuple):
    """What one new sample is worth."""

    is_worth_using: bool
    """False: old news, or its bound is so wide that what is known already says more."""
    delay_excess_ns: int
    """Its delay above the server's floor: the asymmetry it may hide, twice."""


class SampleFilter:
    """The clock filter of one server (RFC 5905 §10).

    Args:
        wander_ppb: by how much stored samples lose against newer ones with age. It
            ranks samples and bounds nothing; what may be claimed is
            `chronotick.fusion.hard`'s.
        floor_window_s: how far back the delay floor looks. Long, since quiet moments
            are rare on a busy path; finite, since routes change.
    """

    def __init__(
        self, *, wander_ppb: int = 15_000, floor_window_s: float = 3600.0
    ) -> None:
        self._wander_ppb = wander_ppb
        self._floor_window_ns = round(floor_window_s * NS_PER_S)
        self._window: deque[Sample] = deque(maxlen=_STAGES)
        # (instant, delay), both rising: the first is the floor, each later one takes
        # over when those before it have left the window.
        self._floors: deque[tuple[int, int]] = deque()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The stored samples, oldest first."""
        return tuple(self._window)

    @property
    def delay_floor_ns(self) -> int | None:
        """Smallest delay over the floor window; None before the first sample."""
        return self._floors[0][1] if self._floors else None

    @property
    def jitter_ns(self) -> float | None:
        """Scatter (1 sigma) of the stored offsets about a line; None below four samples.

        Robust: one or two outliers among eight don't move it.
        """
        if len(self._window) < _MIN_FOR_JITTER:
            return None
        return _scatter_ns(self._window)

    def add(self, sample: Sample) -> Verdict:
        """Store `sample` and say what it is worth beside those stored before it."""
        if self._window and sample.raw_ns <= self._window[-1].raw_ns:
            # RFC 5905 §10: a sample older than the newest is never used.
            floor_ns = self.delay_floor_ns or 0
            return Verdict(False, max(sample.delay_ns - floor_ns, 0))
        is_worth_using = self._tells_something(sample)
        self._lower_floor(sample)
        self._window.append(sample)
        return Verdict(is_worth_using, sample.delay_ns - self._floors[0][1])

    def best(self, raw_ns: int) -> Sample | None:
        """Return the stored sample with the tightest bound at `raw_ns`."""
        if not self._window:
            return None
        growth = self._wander_ppb
        # Among equals the newest: it needs the least extrapolation.
        return min(
            reversed(self._window), key=lambda each: _aged_ns(each, raw_ns, growth)
        )

    def reset(self) -> None:
        """Forget everything: another address now answers under the server's name."""
        self._window.clear()
        self._floors.clear()

    def _tells_something(self, sample: Sample) -> bool:
        """Say whether the sample's bound comes near the best one known, carried here.

        If not, a queue somewhere added more than the oscillator can have wandered and
        than the path usually scatters; its offset then tells of that queue only.
        """
        if len(self._window) < _MIN_FOR_JITTER:
            return True
        known_ns = min(
            [_aged_ns(each, sample.raw_ns, self._wander_ppb) for each in self._window]
        )
        beyond_ns = sample.half_width_ns - known_ns
        # The scatter is dear, and nothing to a bound that is the best one itself.
        return beyond_ns <= 0 or beyond_ns <= _JITTERS_OF_SLACK * _scatter_ns(
            self._window
        )

    def _lower_floor(self, sample: Sample) -> None:
        while self._floors and self._floors[-1][1] >= sample.delay_ns:
            self._floors.pop()
        self._floors.append((sample.raw_ns, sample.delay_ns))
        while self._floors[0][0] < sample.raw_ns - self._floor_window_ns:
            self._floors.popleft()


def _aged_ns(sample: Sample, raw_ns: int, growth_ppb: int) -> int:
    return sample.half_width_ns + grow_ns(raw_ns - sample.raw_ns, growth_ppb)


def _scatter_ns(samples: Sequence[Sample]) -> float:
    """Return the scaled median distance of the offsets from their Theil–Sen line."""
    first = samples[0]
    # Relative to the first while still integers: offsets are as large as Unix time,
    # and a float of that size resolves 240 ns.
    points = [
        (float(s.raw_ns - first.raw_ns), float(s.offset_ns - first.offset_ns))
        for s in samples
    ]
    slope = _median(
        [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2)]
    )
    residuals = [y - slope * x for x, y in points]
    middle = _median(residuals)
    return _MAD_TO_SIGMA * _median([abs(r - middle) for r in residuals])


def _median(values: list[float]) -> float:
    values = sorted(values)
    half = len(values) // 2
    return (values[half] + values[~half]) / 2
