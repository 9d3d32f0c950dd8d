"""The short-term model: a bank of closed-form filters, weighted by how they predict.

No one knows an oscillator's wander or a path's noise beforehand, and no single filter
fits all. Decides what the raw clock does over the next minutes to hours; not which
servers are truthful (`chronotick.ntp.select`), nor what is published
(`chronotick.fusion`). Feed-forward on CLOCK_MONOTONIC_RAW: it never steers what it
measures, and a prediction is never fed back as data.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.bias import BiasLedger
from chronotick.models.filters import FilterBank, Measurement, Mixture
from chronotick.models.grid import BankTuning
from chronotick.models.hull import BoundHull
from chronotick.models.jump import JumpWatch, Verdict
from chronotick.models.route import Route

if TYPE_CHECKING:
    from chronotick.core.records import Sample
    from chronotick.models.hull import Line

__all__ = ["BankModel"]


# The bound hull's line is as straight as the clock of an office PC (q2, ns²/s³), and
# what shows beyond that counts six times, over the last eight exchanges or so.
_BEND = 0.09
_STRAINS = 6.0
_STRAIN_GAIN = 1.0 / 8.0
_PATIENCE = 8
# The filters use all that a delay says; the line must be surer than they to be heard.
_HANDICAP = 2.0


class _Exchange(NamedTuple):
    route: str
    raw_ns: int
    offset_ns: int
    delay_ns: int
    excess_ns: float
    """How far the delay may be above the route's floor."""
    reading: float
    """Variance of quantized clock readings, ns²."""


class BankModel:
    """A Bayesian bank of two-state filters behind the `OscillatorModel` protocol.

    What it states is the spread of its own errors, on the assumption that delay floors
    are symmetric: a constant asymmetry that all servers share is invisible to every
    statistic, and the hard bound's business.
    """

    def __init__(self, tuning: BankTuning | None = None) -> None:
        self._filters = FilterBank(tuning or BankTuning())
        self._routes: dict[str, Route] = {}
        self._hulls: dict[str, BoundHull] = {}
        self._line: Line | None = None
        self._strain = 0.0
        self._patience = 0
        self._biases = BiasLedger()
        self._jumps = JumpWatch()
        self._withheld: list[_Exchange] = []
        self._doubt = 0.0
        self._seen: dict[str, int] = {}
        self._account: dict[str, str] = {}
        self._newest_ns = 0
        self._raw_ns = 0
        self._epoch_ns = 0
        self.sample_count = 0
        """Samples observed since the start."""
        self.jump_count = 0
        """Jumps established since the start."""

    def observe(self, sample: Sample) -> None:
        """Take in one measurement.

        A sample from before the newest one is ignored, as is one that repeats its
        server's newest instant: the filters run forwards only, and a copy of a packet
        is no second opinion.
        """
        if self.sample_count and (
            sample.raw_ns < self._newest_ns
            or self._seen.get(sample.server) == sample.raw_ns
        ):
            return
        self._newest_ns = self._seen[sample.server] = sample.raw_ns
        route = self._routes.setdefault(sample.server, Route(sample.server))
        leg = route.leg(sample.raw_ns, sample.delay_ns)
        self._account[sample.server] = leg.account
        self._biases.meet(sample.server, route.floor_ns)
        if leg.extra_ns:
            self._biases.detour(leg.account, leg.extra_ns)
        exchange = _Exchange(
            route=leg.account,
            raw_ns=sample.raw_ns,
            offset_ns=sample.offset_ns,
            delay_ns=sample.delay_ns,
            excess_ns=leg.excess_ns,
            reading=max(sample.precision_ns, 1) ** 2 / 3.0,
        )
        if self.sample_count == 0:
            self._raw_ns, self._epoch_ns = sample.raw_ns, sample.offset_ns
            # Uniform within the half width: all that one exchange can say.
            self._filters.begin(max(sample.half_width_ns, 1) ** 2 / 3.0)
            self._draw_line(exchange)
        else:
            self._take(exchange)
        self.sample_count += 1

    def predict(self, raw_ns: int) -> Estimate | None:
        """Extrapolate to `raw_ns`; for instants before the newest sample, its state."""
        if self.sample_count == 0:
            return None
        x, y, grown = self._spoken()
        t = max((raw_ns - self._raw_ns) / NS_PER_S, 0.0)
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=self._epoch_ns + round(x + y * t),
            rate_ppb=y,
            # Re-anchored: the polynomial's derivatives at age t.
            variance=Variance(
                v0=grown.at(t) + self._doubt + self._biases.common_variance(),
                v1=grown.v1 + t * (2.0 * grown.v2 + 3.0 * t * grown.v3),
                v2=grown.v2 + 3.0 * t * grown.v3,
                v3=grown.v3,
            ),
            source=Source.CPU_MODEL,
        )

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` reads high on the route that it was last heard."""
        account = self._account.get(server)
        return 0.0 if account is None else self._biases.bias_ns(account)

    @property
    def rate_sd_ppb(self) -> float:
        """Standard deviation of the rate at the newest sample; inf before it."""
        if self.sample_count == 0:
            return float("inf")
        return sqrt(self._filters.mixture().variance.v2)

    def _draw_line(self, exchange: _Exchange) -> None:
        """Look at the bound hull while it may know better than the filters.

        Only on a server's first route: a detour's floor is not alike both ways.
        """
        self._strain_line(exchange)
        self._line = None
        server = exchange.route
        if server not in self._routes:
            return
        hull = self._hulls.setdefault(server, BoundHull())
        hull.add(exchange.raw_ns, exchange.offset_ns, exchange.delay_ns)
        known = self._filters.mixture().variance.v0
        self._patience -= 1
        if self._patience > 0 or hull.least_variance(_BEND) > known:
            return
        if line := hull.line(_BEND):
            if line.variance.v0 > known:
                # Lines are dear, and this one has just lost: ask again in a while.
                self._patience = _PATIENCE
            bias_ns = round(self._biases.bias_ns(server))
            # A path that has become longer has done so on one leg, likely.
            longer_ns = max(line.gap_ns - self._routes[server].floor_ns, 0.0)
            doubt = self._biases.variance(server) + self._strain + longer_ns**2 / 4.0
            self._line = line._replace(
                offset_ns=line.offset_ns - bias_ns,
                variance=line.variance._replace(v0=line.variance.v0 + doubt),
            )

    def _strain_line(self, exchange: _Exchange) -> None:
        """Note by how much an exchange lies further off the line than it may.

        A clock that wanders more than supposed bends away from every straight line.
        """
        if self._line is None:
            return
        age_s = (exchange.raw_ns - self._line.raw_ns) / NS_PER_S
        foreseen_ns = self._line.offset_ns + round(self._line.rate_ppb * age_s)
        off_ns = abs(
            exchange.offset_ns - self._biases.bias_ns(exchange.route) - foreseen_ns
        )
        beyond_ns = max(off_ns - exchange.excess_ns / 2.0, 0.0)
        self._strain += ((_STRAINS * beyond_ns) ** 2 - self._strain) * _STRAIN_GAIN

    def _spoken(self) -> Mixture:
        """Return what filters and hull say at the filters' instant.

        They have seen the same packets, so the surer one is believed: weights go with
        the inverse square of the variance, and their difference counts as doubt.
        """
        filters, line = self._filters.mixture(), self._line
        if line is None or line.raw_ns != self._raw_ns:
            return filters
        sure, other = filters.variance.v0, _HANDICAP * line.variance.v0
        share = sure**2 / (sure**2 + other**2)
        apart_ns = line.offset_ns - self._epoch_ns - filters.x
        faster_ppb = line.rate_ppb - filters.y
        pairs = zip(filters.variance, line.variance, strict=True)
        v0, v1, v2, v3 = (a + share * (b - a) for a, b in pairs)
        doubt = share * (1.0 - share)
        return Mixture(
            filters.x + share * apart_ns,
            filters.y + share * faster_ppb,
            Variance(
                v0 + doubt * apart_ns**2,
                v1 + 2.0 * doubt * apart_ns * faster_ppb,
                v2 + doubt * faster_ppb**2,
                v3,
            ),
        )

    def _take(self, exchange: _Exchange) -> None:
        verdict = self._judge(exchange)
        if verdict is Verdict.WITHHOLD:
            self._withheld.append(exchange)
            return
        self._doubt = 0.0
        if verdict is Verdict.JUMP:
            self.jump_count += 1
            for hull in self._hulls.values():
                hull.clear()
            self._filters.open(self._age_s(exchange), self._measured_ns(exchange))
            for withheld in self._withheld:
                self._update(withheld)
        self._withheld.clear()
        self._update(exchange)

    def _judge(self, exchange: _Exchange) -> Verdict:
        """Ask whether the most believed filter can be reconciled with this."""
        predicted_ns, variance = self._filters.foresee(self._age_s(exchange))
        innovation_ns = self._measured_ns(exchange) - predicted_ns
        verdict = self._jumps.judge(
            exchange.raw_ns,
            innovation_ns,
            # Twice what queues can do, as the floor itself may have moved.
            exchange.excess_ns,
            sqrt(variance + self._noise(exchange)),
        )
        # Either a spike, and the prediction stands, or a jump, and it is off by all of
        # this: until the next exchange tells, half of it is one standard deviation.
        self._doubt = innovation_ns * innovation_ns / 4.0
        return verdict

    def _update(self, exchange: _Exchange) -> None:
        noise = self._noise(exchange)
        value_ns = self._measured_ns(exchange)
        self._filters.update(
            self._age_s(exchange), Measurement(value_ns, exchange.excess_ns, noise)
        )
        self._raw_ns = exchange.raw_ns
        if self._biases.comparable(exchange.route):
            x, _, variance = self._filters.mixture()
            spread = exchange.excess_ns**2 / 12.0 + variance.v0 + exchange.reading
            self._biases.learn(exchange.route, value_ns - x, spread)
        self._draw_line(exchange)

    def _age_s(self, exchange: _Exchange) -> float:
        return (exchange.raw_ns - self._raw_ns) / NS_PER_S

    def _measured_ns(self, exchange: _Exchange) -> float:
        """Return the offset relative to the epoch, less what the server reads high."""
        return (
            exchange.offset_ns - self._epoch_ns - self._biases.bias_ns(exchange.route)
        )

    def _noise(self, exchange: _Exchange) -> float:
        return exchange.reading + self._biases.variance(exchange.route)
