"""The calibrated bound: how many sigmas hold what they promise, learned from misses.

Quantile tracking: a factor per horizon and level goes up at each miss and down a little
at each hit, so that misses become as rare as stated whatever the errors' shape. Decides
the factors; the sigmas are the models', and the hard bound stands above both. Like all
statistics it is blind to an asymmetry that every measurement shares.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from math import exp, sqrt
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.core.records import Estimate
    from chronotick.fusion.quiet import Check

__all__ = ["HORIZONS_S", "NORMAL_99", "NORMAL_999", "Calibrator", "Coverage"]

HORIZONS_S = (64.0, 300.0, 3600.0, 28800.0)
"""Upper ends of the horizons that have their own factors."""
_GAIN = 0.05
NORMAL_99, NORMAL_999 = 2.576, 3.291
"""Quantiles of the normal distribution: no model earns less than those."""
# Sigma is itself learned from outcomes. With n that are independent, errors over it
# follow Student's t rather than the normal distribution, and the models' own idea of
# sigma is worth two more. The quantiles of t over the normal's are exp(a/n + b/n²)
# within 5 % from two on.
_FEW_99, _FEW_999 = (2.0, 1.2), (3.0, 2.9)
# However many there were, sigma is known to an eighth at best, as if by thirty: clocks do
# what no model has. At 99 % that hardly shows; one miss in a thousand hangs on it, and
# days are too short to learn that from misses.
_MOST_99, _MOST_999 = float("inf"), 30.0
_KNOWN_BEFORE = 2.0
# Fewer scores than this say nothing of a horizon by itself.
_ENOUGH = 20
# Claims are kept this many to a horizon.
_PER_HORIZON = 8


class Coverage(NamedTuple):
    """Half widths in units of sigma that hold 99 % and 99.9 %, and on what grounds."""

    factor_99: float
    factor_999: float
    scores: int
    """Predictions that have been checked at this horizon; 0 means a guess."""


class _Quantile:
    """The factor of one level at one horizon.

    Args:
        level: The share of errors that it is to hold.
        least: What it never falls below.
        few: How much wider few outcomes make it, a and b.
        most: What any number of outcomes is worth at most.
    """

    def __init__(
        self, level: float, least: float, few: tuple[float, float], most: float
    ) -> None:
        self._up = _GAIN * (1.0 - (1.0 - level))
        self._down = _GAIN * (0.0 - (1.0 - level))
        self._least = self._factor = least
        self._few = few
        self._doubt = 1.0 / most
        self._log_excess = 0.0

    def score(self, ratio: float) -> None:
        step = self._up if ratio > self._factor else self._down
        self._log_excess = max(self._log_excess + step, 0.0)
        self._factor = self._least * exp(self._log_excess)

    def widened(self, outcomes: float) -> float:
        """Return it for so many outcomes, those before the first among them."""
        first, second = self._few
        doubt = self._doubt + 1.0 / outcomes
        return self._factor * exp(first * doubt + second * doubt**2)


class _Track:
    """Factors of one horizon."""

    def __init__(self, horizon_s: float) -> None:
        self.horizon_s = horizon_s
        self._horizon_ns = round(horizon_s * NS_PER_S)
        self._spacing_ns = round(horizon_s * NS_PER_S / _PER_HORIZON)
        self.claims: deque[Estimate] = deque()
        self._low = _Quantile(0.99, NORMAL_99, _FEW_99, _MOST_99)
        self._high = _Quantile(0.999, NORMAL_999, _FEW_999, _MOST_999)
        self.count = 0
        # Scores that don't share what they are about: an hour has one an hour.
        self._outcomes = 0.0
        self._scored_ns = 0
        self.factors = self._widened()
        """Half widths in sigmas, per level, wider for how few outcomes there were."""

    def keep(self, claim: Estimate) -> None:
        claims, raw_ns = self.claims, claim.raw_ns
        if not claims or raw_ns - claims[-1].raw_ns >= self._spacing_ns:
            claims.append(claim)
        while raw_ns - claims[0].raw_ns > self._horizon_ns:
            claims.popleft()

    def score(self, ratio: float, raw_ns: int) -> None:
        self.count += 1
        since_ns = raw_ns - self._scored_ns
        self._outcomes += min(since_ns / self._horizon_ns, 1.0)
        self._scored_ns = raw_ns
        self._low.score(ratio)
        self._high.score(ratio)
        self.factors = self._widened()

    def _widened(self) -> tuple[float, float]:
        outcomes = self._outcomes + _KNOWN_BEFORE
        return self._low.widened(outcomes), self._high.widened(outcomes)


class Calibrator:
    """Learns coverage factors from published estimates and later measurements."""

    def __init__(self) -> None:
        self._tracks = [_Track(horizon_s) for horizon_s in HORIZONS_S]

    def score(self, check: Check) -> None:
        """Hold earlier claims against a measurement that no model has seen yet."""
        shortest_s = 0.0
        for track in self._tracks:
            for claim in track.claims:
                age_s = (check.raw_ns - claim.raw_ns) / NS_PER_S
                if shortest_s < age_s <= track.horizon_s:
                    # The oldest claim of the horizon's own range.
                    track.score(_ratio(claim, check, age_s), check.raw_ns)
                    break
            shortest_s = track.horizon_s

    def forget_claims(self) -> None:
        """Drop what was claimed: the clock or the servers have jumped since.

        The factors stay: a jump says nothing of how good claims are between jumps.
        """
        for track in self._tracks:
            track.claims.clear()

    def claim(self, estimate: Estimate) -> None:
        """Remember what was claimed; estimates come in the order of their instants."""
        for track in self._tracks:
            track.keep(estimate)

    def coverage(self, age_s: float) -> Coverage:
        """Return the factors for a claim that is `age_s` old, 8 h and beyond alike.

        A horizon that has hardly been checked (none is shorter than the polls) borrows
        from the next longer one that has, where errors are more surprising if anything.
        """
        first = min(bisect_left(HORIZONS_S, age_s), len(HORIZONS_S) - 1)
        track = self._tracks[first]
        for longer in self._tracks[first:]:
            if longer.count >= _ENOUGH:
                track = longer
                break
        low, high = track.factors
        return Coverage(low, max(low, high), track.count)

    def stretched(
        self, variance: Variance, age_s: float, published: Coverage
    ) -> Variance:
        """Return `variance` with what later ages need beyond `published` added to it.

        A reader is given one factor a level for all ages and may be left alone with it:
        where the hours miss more than the minutes, or have not been checked yet, the
        claim must grow faster.
        """
        v0, *terms = variance
        for k, track in enumerate(self._tracks[1:]):
            horizon_s = track.horizon_s
            if horizon_s <= age_s:
                continue
            stretch = max(
                track.factors[0] / published.factor_99,
                track.factors[1] / published.factor_999,
            )
            need = stretch**2 * variance.at(horizon_s)
            v1, v2, v3 = terms
            stated = v0 + horizon_s * (v1 + horizon_s * (v2 + horizon_s * v3))
            # Minutes grow linearly, an hour quadratically, hours cubically: so that
            # what the longer ones need does not spoil the shorter ones.
            terms[k] += max(need - stated, 0.0) / horizon_s ** (k + 1)
        return Variance(v0, *terms)


def _ratio(claim: Estimate, check: Check, age_s: float) -> float:
    """Return the error in deviations; offsets are subtracted as integers first."""
    moved_ns = claim.rate_ppb * age_s
    error_ns = check.offset_ns - claim.offset_ns - moved_ns
    return abs(error_ns) / sqrt(max(claim.variance.at(age_s) + check.noise, 1.0))
