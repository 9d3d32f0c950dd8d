"""A two-state (offset, rate) Kalman filter with delay-dependent measurement noise.

Feed-forward on CLOCK_MONOTONIC_RAW: the filter never steers what it measures. It
decides how much each measurement counts; it does not decide which servers are
truthful (`chronotick.ntp.select`) nor what is published (`chronotick.fusion`).

State and units: ``x`` is UTC − RAW in ns relative to the first sample's offset (floats
lose nothing there), ``y`` its rate in ns/s, which is ppb. Process noise is the usual
two-state clock model (white FM q1, random-walk FM q2; Zucca & Tavella, IEEE T-UFFC 52
(2005) 289): ``Q(t) = [[q1 t + q2 t³/3, q2 t²/2], [q2 t²/2, q2 t]]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source

if TYPE_CHECKING:
    from chronotick.core.records import Sample

__all__ = ["KalmanModel", "KalmanTuning"]

# With fewer, the filter only repeats the newest measurement: that is `hold`'s answer,
# and is published under that name.
_MIN_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KalmanTuning:
    """What the filter assumes before it has seen anything."""

    white_fm: float = 1.0
    """q1, ns²/s: an ADEV of 1e-9 at 1 s, an ordinary crystal."""
    random_walk_fm: float = 0.09
    """q2, ns²/s³: (0.3 ppb/√s)², an office PC; a quiet VM wanders a third of it."""
    rate_sd_ppb: float = 100_000.0
    """Spread of crystals that nobody has trimmed: 100 ppm."""
    delay_weight: float = 0.5
    """Error per excess delay. All of it on one leg shifts the offset by a half."""
    asymmetry_share: float = 0.1
    """Standard deviation of a path's constant asymmetry over its delay floor.

    No amount of averaging on one path shows it, so it never shrinks; a prior, capped by
    the hard bound in any case.
    """
    noise_memory: float = 0.97
    """Forgetting of a server's base jitter, per sample."""
    gate_sd: float = 3.0
    """Innovations beyond this count for less, never for nothing."""
    jump_after: int = 4
    """So many gated innovations of one sign in a row are a jump, not noise."""
    lag_after: int = 6
    """So many innovations of one sign in a row, each beyond one sigma, are a rate that
    has changed: by chance it takes 30,000 samples."""


class _Path:
    """What is known of one server's path: delay floor and base jitter."""

    def __init__(self, sample: Sample) -> None:
        self.floor_ns = sample.delay_ns
        # Inverse-gamma on the base jitter: the prior is worth two samples and as wide
        # as a path of this delay can make it (uniform asymmetry), so that the first
        # answers are believed no more than physics allows.
        self._prior_weight = 2.0
        self._weight = 0.0
        self._sum = 0.0
        self._prior = max(sample.half_width_ns, 1) ** 2 / 3.0
        self._least = sample.reading_variance

    def seen(self, sample: Sample) -> None:
        self.floor_ns = min(self.floor_ns, sample.delay_ns)

    def base_variance(self) -> float:
        """Return the variance of measurements at the delay floor, ns²."""
        total = self._prior_weight * self._prior + self._sum
        return max(total / (self._prior_weight + self._weight), self._least)

    def learn(self, square: float, memory: float) -> None:
        self._sum = self._sum * memory + square
        self._weight = self._weight * memory + 1.0
        # The prior fades as well: it was a guess about asymmetry, and a path that
        # has shown 50 quiet samples is quiet.
        self._prior_weight *= memory * 0.9


class KalmanModel:
    """The first short-term model: one filter, noise learned per server."""

    def __init__(self, tuning: KalmanTuning | None = None) -> None:
        self._tuning = tuning or KalmanTuning()
        self._paths: dict[str, _Path] = {}
        self._raw_ns = 0
        self._epoch_ns = 0
        self._x = 0.0
        self._y = 0.0
        self._pxx = 0.0
        self._pxy = 0.0
        self._pyy = 0.0
        self._pxx_before = 0.0
        self._gap_s = 0.0
        self._run = 0
        self._gated = 0
        self.sample_count = 0
        """Samples observed since the start or the last jump."""

    def observe(self, sample: Sample) -> None:
        """Take in one measurement.

        A sample from before the newest one is ignored: the filter runs forwards only,
        and a reordered packet carries nothing that its successors don't.
        """
        if self.sample_count and sample.raw_ns < self._raw_ns:
            return
        path = self._paths.get(sample.server)
        if path is None:
            path = self._paths[sample.server] = _Path(sample)
        path.seen(sample)
        if self.sample_count == 0:
            self._begin(sample, path)
            return
        self._gap_s = (sample.raw_ns - self._raw_ns) / 1e9
        self._advance(self._gap_s)
        self._raw_ns = sample.raw_ns
        self.sample_count += 1
        self._update(sample, path)

    def predict(self, raw_ns: int) -> Estimate | None:
        """Extrapolate to `raw_ns`; for instants before the newest sample, its state.

        None until three samples since the start, or since the last jump.
        """
        if self.sample_count < _MIN_SAMPLES:
            return None
        t = max((raw_ns - self._raw_ns) / 1e9, 0.0)
        q1, q2 = self._tuning.white_fm, self._tuning.random_walk_fm
        bias = min(self._bias_variance(path) for path in self._paths.values())
        # v(t) = pxx + 2 t pxy + t² pyy + q1 t + q2 t³/3, re-anchored at raw_ns by its
        # derivatives there.
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=self._epoch_ns + round(self._x + self._y * t),
            rate_ppb=self._y,
            variance=Variance(
                v0=self._pxx
                + t * (2.0 * self._pxy + q1 + t * (self._pyy + q2 * t / 3.0))
                + bias,
                v1=2.0 * self._pxy + q1 + t * (2.0 * self._pyy + q2 * t),
                v2=self._pyy + q2 * t,
                v3=q2 / 3.0,
            ),
            source=Source.CPU_MODEL,
        )

    @property
    def rate_sd_ppb(self) -> float:
        """Standard deviation of the rate at the newest sample; inf before it."""
        return self._pyy**0.5 if self.sample_count else float("inf")

    def _bias_variance(self, path: _Path) -> float:
        return (self._tuning.asymmetry_share * path.floor_ns) ** 2

    def _begin(self, sample: Sample, path: _Path) -> None:
        self._raw_ns = sample.raw_ns
        self._epoch_ns = sample.offset_ns
        self._x = self._y = 0.0
        self._pxx = path.base_variance()
        self._pxy = 0.0
        self._pyy = self._tuning.rate_sd_ppb**2
        self._run = self._gated = 0
        self.sample_count = 1

    def _advance(self, t: float) -> None:
        q1, q2 = self._tuning.white_fm, self._tuning.random_walk_fm
        self._x += self._y * t
        self._pxx += t * (2.0 * self._pxy + q1 + t * (self._pyy + q2 * t / 3.0))
        self._pxy += t * (self._pyy + q2 * t / 2.0)
        self._pyy += q2 * t

    def _noise(self, sample: Sample, path: _Path) -> float:
        """Return the variance of this measurement, ns²."""
        excess = self._tuning.delay_weight * (sample.delay_ns - path.floor_ns)
        least = min(self._bias_variance(other) for other in self._paths.values())
        # Paths are biased against each other by their asymmetries: a server further
        # away than the best one counts less, by as much as its path may be askew.
        between = self._bias_variance(path) - least
        return path.base_variance() + excess * excess + between

    def _update(self, sample: Sample, path: _Path) -> None:
        noise = self._noise(sample, path)
        innovation = float(sample.offset_ns - self._epoch_ns) - self._x
        spread = self._pxx + noise
        limit = self._tuning.gate_sd**2 * spread
        self._count_run(innovation, spread)
        if innovation * innovation > limit:
            self._gated += 1
            if min(self._gated, abs(self._run)) >= self._tuning.jump_after:
                self._begin(sample, path)
                return
            # Student-like: the weight falls with the square of the surprise, so one
            # spike of any size moves the state by no more than gate_sd would.
            noise = innovation * innovation / self._tuning.gate_sd**2 - self._pxx
        else:
            self._gated = 0
        self._correct(innovation, noise)
        if abs(self._run) * 2 < self._tuning.lag_after:
            # While the filter lags, its residuals are its own fault: learned as noise
            # they would make it lag for good.
            residual = innovation * noise / (self._pxx_before + noise)
            # E[residual²] = R − P⁺: adding P⁺ back gives an unbiased look at R.
            path.learn(
                min(residual * residual, limit) + self._pxx, self._tuning.noise_memory
            )

    def _correct(self, innovation: float, noise: float) -> None:
        """Take in a measurement of variance `noise`.

        Joseph form for a scalar: stays symmetric and positive where the short form
        loses it to rounding after thousands of updates.
        """
        pxx, pxy, pyy = self._pxx, self._pxy, self._pyy
        self._pxx_before = pxx
        gain_x, gain_y = pxx / (pxx + noise), pxy / (pxx + noise)
        keep = 1.0 - gain_x
        self._x += gain_x * innovation
        self._y += gain_y * innovation
        self._pxx = keep * keep * pxx + gain_x * gain_x * noise
        self._pxy = keep * (pxy - gain_y * pxx) + gain_x * gain_y * noise
        self._pyy = pyy - 2.0 * gain_y * pxy + gain_y * gain_y * (pxx + noise)

    def _count_run(self, innovation: float, spread: float) -> None:
        """Count innovations of one sign in a row; a long run opens the rate again."""
        if innovation * innovation <= spread:
            self._run = 0
            return
        sign = 1 if innovation > 0 else -1
        self._run = self._run + sign if self._run * sign > 0 else sign
        if abs(self._run) >= self._tuning.lag_after:
            self._pyy += (innovation / max(self._gap_s, 1e-3)) ** 2
            self._run = 0

    def bias_ns(self, server: str) -> float:
        """Return 0: paths are weighed, not corrected."""
        return 0.0
