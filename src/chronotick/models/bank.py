"""The short-term model: a bank of closed-form filters, weighted by how they predict.

No one knows an oscillator's wander or a path's noise beforehand, and no single filter
fits all. Decides what the raw clock does over the next minutes to hours; not which
servers are truthful (`chronotick.ntp.select`), nor what is published
(`chronotick.fusion`). Feed-forward on CLOCK_MONOTONIC_RAW: it never steers what it
measures, and a prediction is never fed back as data.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.filters import FilterBank, Mixture
from chronotick.models.grid import BankTuning
from chronotick.models.jump import JumpWatch, Verdict
from chronotick.models.line import LineVoice
from chronotick.models.paths import Paths
from chronotick.models.retreat import Retreat

if TYPE_CHECKING:
    from chronotick.core.records import Sample
    from chronotick.models.filters import Measurement
    from chronotick.models.paths import Exchange

__all__ = ["BankModel"]

# Samples after a jump until where it leads is about as well known as before.
_UNTIL_SETTLED = 8


class BankModel:
    """A Bayesian bank of two-state filters behind the `OscillatorModel` protocol.

    What it states is the spread of its own errors, on the assumption that delay floors
    are symmetric: a constant asymmetry that all servers share is invisible to every
    statistic, and the hard bound's business.
    """

    def __init__(self, tuning: BankTuning | None = None) -> None:
        self._filters = FilterBank(tuning or BankTuning())
        self._paths = Paths()
        self._line = LineVoice()
        self._said: Mixture | None = None
        self._latest: Estimate | None = None
        self._jumps = JumpWatch()
        self._withheld: list[Exchange] = []
        self._retreat: Retreat | None = None
        self._doubt = 0.0
        self._last: dict[str, Exchange] = {}
        self._used_ns: dict[str, int] = {}
        self._right_ns = 0
        self._newest_ns = 0
        self._raw_ns = 0
        self._epoch_ns = 0
        self.sample_count = 0
        """Samples observed since the start."""
        self.jump_count = 0
        """Jumps established since the start."""
        self._settled_at = 0

    def observe(self, sample: Sample) -> None:
        """Take in one measurement.

        A sample from before the newest one is ignored, as is one that repeats its
        server's newest instant: the filters run forwards only, and a copy of a packet
        is no second opinion.
        """
        last = self._last.get(sample.server)
        if sample.raw_ns < self._newest_ns and self.sample_count:
            return
        if last is not None and last.raw_ns == sample.raw_ns:
            return
        self._newest_ns = sample.raw_ns
        self._said = self._latest = None
        left = self._paths.crossing_variance
        exchange = self._last[sample.server] = self._paths.take(sample)
        if self._paths.is_crossed_by(exchange):
            self._cross(exchange, left)
        elif left and not self._paths.crossing_variance:
            # Others are heard again, and take it for the clock's.
            self._filters.shift(0.0, left)
            self._retreat = None
        if self.sample_count == 0:
            self._raw_ns, self._epoch_ns = sample.raw_ns, sample.offset_ns
            # Uniform within the half width: all that one exchange can say.
            self._filters.begin(max(sample.half_width_ns, 1) ** 2 / 3.0)
            self._show_line(exchange)
        else:
            self._take(exchange)
        self.sample_count += 1

    def predict(self, raw_ns: int) -> Estimate | None:
        """Extrapolate to `raw_ns`; for instants before the newest sample, its state."""
        if self.sample_count == 0:
            return None
        # Asked by several, for the same instant.
        if self._latest is None or self._latest.raw_ns != raw_ns:
            self._latest = self._at(raw_ns)
        return self._latest

    @property
    def is_puzzled(self) -> bool:
        """Whether the next measurements tell more than most.

        If the newest was a spike or a jump, or where one that was a jump leads.
        """
        return self._jumps.suspected_ns != 0.0 or self.sample_count < self._settled_at

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` reads high on the route that it was last heard."""
        return self._paths.bias_ns(server)

    def stray_variance(self, server: str) -> float:
        """Return the variance of what neither its queues nor that bias explain, ns².

        How far the bias is in doubt, and how much more the server scatters than the
        steadiest one; 0 for one that is alone.
        """
        last = self._last.get(server)
        if last is None:
            return 0.0
        return self._measurement(last).variance - last.reading

    @property
    def rate_sd_ppb(self) -> float:
        """Standard deviation of the rate at the newest sample; inf before it."""
        if self.sample_count == 0:
            return float("inf")
        return sqrt(self._filters.mixture().variance.v2)

    def _at(self, raw_ns: int) -> Estimate:
        if self._said is None:
            self._said = self._spoken()
        x, y, grown = self._said
        t = max((raw_ns - self._raw_ns) / NS_PER_S, 0.0)
        _, v1, v2, v3 = grown
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=self._epoch_ns + round(x + y * t),
            rate_ppb=y,
            # Re-anchored: the polynomial's derivatives at age t.
            variance=Variance(
                grown.at(t) + self._doubt,
                v1 + t * (2.0 * v2 + 3.0 * t * v3),
                v2 + 3.0 * t * v3,
                v3,
            ),
            source=Source.CPU_MODEL,
        )

    def _cross(self, exchange: Exchange, left: float) -> None:
        """Go on with a server on another way than before."""
        before = self._leave(exchange.raw_ns, left) if left else None
        if not self._paths.coasts_on(exchange):
            before = None
        elif before is None:
            before = Retreat.of(self._filters, self._joined(), self._raw_ns)
        self._retreat = before
        self._paths.cross(exchange, before, self._withheld)

    def _leave(self, raw_ns: int, left: float) -> Retreat | None:
        """Leave a lone server's detour; return where the filters went back to, if so."""
        back = self._retreat
        age_s = (raw_ns - self._raw_ns) / NS_PER_S
        present = self._joined().variance.at(age_s) + left
        if back is not None and back.is_surer(raw_ns, present):
            self._filters, self._raw_ns = back.again(), back.raw_ns
            return back
        # What the way that is left has to be wrong is the clock's error now.
        self._filters.shift(0.0, left)
        return None

    def _spoken(self) -> Mixture:
        """Return what filters and line say at the filters' instant."""
        x, y, (v0, v1, v2, v3) = self._joined()
        shared = self._paths.common_variance
        return Mixture(x, y, Variance(v0 + shared, v1, v2, v3))

    def _joined(self) -> Mixture:
        return self._line.joins(self._filters.mixture(), self._raw_ns, self._epoch_ns)

    def _show_line(self, exchange: Exchange) -> None:
        known = self._filters.mixture().variance.v0
        self._line.hear(self._paths.bounds(exchange), known=known)

    def _take(self, exchange: Exchange) -> None:
        age_s, measurement = self._age_s(exchange), self._measurement(exchange)
        verdict = self._judge(exchange, age_s, measurement)
        if self._jumps.since_ns == exchange.raw_ns:
            # Another rate may have begun at any time since then, though others that
            # can't tell have been used meanwhile.
            self._right_ns = self._used_ns.get(exchange.server, exchange.raw_ns)
        if verdict is Verdict.WITHHOLD:
            self._withheld.append(exchange)
            return
        if verdict is Verdict.JUMP:
            self.jump_count += 1
            self._settled_at = self.sample_count + _UNTIL_SETTLED
            self._paths.settle()
            self._retreat = None
            self._line.forget()
            lasted_s = (exchange.raw_ns - self._right_ns) / NS_PER_S
            self._filters.open(age_s, measurement.value_ns, max(age_s, lasted_s))
            for withheld in self._withheld:
                self._update(withheld, self._measurement(withheld))
            measurement = self._measurement(exchange)
        self._withheld.clear()
        self._update(exchange, measurement)

    def _judge(
        self, exchange: Exchange, age_s: float, measurement: Measurement
    ) -> Verdict:
        """Ask whether the most believed filter can be reconciled with this."""
        predicted_ns, variance = self._filters.foresee(age_s)
        innovation_ns = measurement.value_ns - predicted_ns
        verdict = self._jumps.judge(
            exchange.raw_ns,
            innovation_ns,
            # Twice what queues can do, as the floor itself may have moved.
            exchange.excess_ns,
            sqrt(variance + measurement.variance),
        )
        # Either a spike, and the prediction stands, or a jump, and it is off by all of
        # this: until an exchange tells, half of it is one standard deviation.
        self._doubt = self._jumps.suspected_ns**2 / 4.0
        return verdict

    def _update(self, exchange: Exchange, measurement: Measurement) -> None:
        self._filters.update(self._age_s(exchange), measurement)
        self._raw_ns = self._used_ns[exchange.server] = exchange.raw_ns
        joined = self._paths.learn(exchange, self._filters.mixture(), self._epoch_ns)
        if joined is not None:
            self._filters.shift(joined.moved_ns, joined.variance)
        self._show_line(exchange)

    def _age_s(self, exchange: Exchange) -> float:
        return (exchange.raw_ns - self._raw_ns) / NS_PER_S

    def _measurement(self, exchange: Exchange) -> Measurement:
        return self._paths.measurement(exchange, self._epoch_ns)
