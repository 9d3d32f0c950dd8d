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
from chronotick.models.crossing import Crossing
from chronotick.models.filters import FilterBank, Measurement, Mixture
from chronotick.models.grid import BankTuning
from chronotick.models.jump import JumpWatch, Verdict
from chronotick.models.line import Bounds, LineVoice
from chronotick.models.route import Route

if TYPE_CHECKING:
    from chronotick.core.records import Sample
    from chronotick.models.route import Leg

__all__ = ["BankModel"]


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
        self._line = LineVoice()
        self._said: Mixture | None = None
        self._latest: Estimate | None = None
        self._biases = BiasLedger()
        self._jumps = JumpWatch()
        self._withheld: list[_Exchange] = []
        self._doubt = 0.0
        self._seen: dict[str, int] = {}
        self._account: dict[str, str] = {}
        self._crossings: dict[str, Crossing] = {}
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
        self._said = self._latest = None
        route = self._routes.get(sample.server)
        if route is None:
            route = self._routes[sample.server] = Route(sample.server)
        leg = route.leg(sample.raw_ns, sample.delay_ns)
        if self._account.get(sample.server) != leg.account:
            self._cross(sample.server, leg)
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

    def _cross(self, server: str, leg: Leg) -> None:
        """Go on with `server` on another route than before."""
        left = self._crossing()
        if left is not None:
            # What it has left to be wrong is the clock's error now.
            self._filters.shift(0.0, left.variance)
        if leg.extra_ns and len(self._seen) == 1:
            # The first exchanges of that route have passed for long queues, which they
            # are: within half of the excess, as a queue's.
            self._crossings[leg.account] = Crossing(
                self._joined(), self._raw_ns, leg.extra_ns
            )
        self._account[server] = leg.account
        self._close_accounts()

    def _close_accounts(self) -> None:
        """Let go of detours that are over: a path that flaps opens one each time."""
        used = {*self._account.values(), *(each.route for each in self._withheld)}
        used.update(route.usual_account for route in self._routes.values())
        self._biases.keep(used)
        self._crossings = {r: c for r, c in self._crossings.items() if r in used}

    def _crossing(self, route: str | None = None) -> Crossing | None:
        """Return the crossing to `route`, by default the one in use.

        None with several servers: they tell each other's constants.
        """
        if len(self._account) != 1:
            return None
        return self._crossings.get(route or next(iter(self._account.values())))

    def _spoken(self) -> Mixture:
        """Return what filters and line say at the filters' instant."""
        said = self._joined()
        crossing = self._crossing()
        shared = 0.0 if crossing is None else crossing.variance
        common = self._biases.common_variance() + shared
        variance = said.variance
        return said._replace(variance=variance._replace(v0=variance.v0 + common))

    def _joined(self) -> Mixture:
        return self._line.joins(self._filters.mixture(), self._raw_ns, self._epoch_ns)

    def _show_line(self, exchange: _Exchange) -> None:
        """Show the bound hull an exchange, if it came the server's first way.

        A detour's floor is not alike both ways.
        """
        route = self._routes.get(exchange.route)
        self._line.hear(
            Bounds(
                server=None if route is None else exchange.route,
                raw_ns=exchange.raw_ns,
                offset_ns=exchange.offset_ns,
                delay_ns=exchange.delay_ns,
                excess_ns=exchange.excess_ns,
                floor_ns=0 if route is None else route.floor_ns,
                bias_ns=self._biases.bias_ns(exchange.route),
                doubt=self._biases.variance(exchange.route),
            ),
            known=self._filters.mixture().variance.v0,
        )

    def _take(self, exchange: _Exchange) -> None:
        age_s, measurement = self._age_s(exchange), self._measurement(exchange)
        verdict = self._judge(exchange, age_s, measurement)
        if verdict is Verdict.WITHHOLD:
            self._withheld.append(exchange)
            return
        self._doubt = 0.0
        if verdict is Verdict.JUMP:
            self.jump_count += 1
            for crossing in self._crossings.values():
                crossing.settle()
            self._line.forget()
            self._filters.open(age_s, measurement.value_ns)
            for withheld in self._withheld:
                self._update(withheld, self._measurement(withheld))
            measurement = self._measurement(exchange)
        self._withheld.clear()
        self._update(exchange, measurement)

    def _judge(
        self, exchange: _Exchange, age_s: float, measurement: Measurement
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
        # this: until the next exchange tells, half of it is one standard deviation.
        self._doubt = innovation_ns * innovation_ns / 4.0
        return verdict

    def _update(self, exchange: _Exchange, measurement: Measurement) -> None:
        self._filters.update(self._age_s(exchange), measurement)
        self._raw_ns = exchange.raw_ns
        crossing = self._crossing(exchange.route)
        if crossing is not None:
            value_ns = float(exchange.offset_ns - self._epoch_ns)
            noise = exchange.excess_ns**2 / 12.0 + exchange.reading
            crossing.learn(exchange.raw_ns, value_ns, noise)
            self._biases.settle(exchange.route, crossing.bias_ns, crossing.variance)
        elif self._biases.comparable(exchange.route):
            x, _, variance = self._filters.mixture()
            spread = exchange.excess_ns**2 / 12.0 + variance.v0 + exchange.reading
            joined = self._biases.learn(
                exchange.route, measurement.value_ns - x, spread
            )
            if joined is not None:
                self._filters.shift(joined.moved_ns, joined.variance)
        self._show_line(exchange)

    def _age_s(self, exchange: _Exchange) -> float:
        return (exchange.raw_ns - self._raw_ns) / NS_PER_S

    def _measurement(self, exchange: _Exchange) -> Measurement:
        """Return the offset relative to the epoch, less what the server reads high."""
        route = exchange.route
        crossing = self._crossing(route)
        is_known = crossing is not None and crossing.is_settled
        # A constant that is learned no more is no noise: each exchange shares it.
        doubt = 0.0 if is_known else self._biases.variance(route)
        return Measurement(
            exchange.offset_ns - self._epoch_ns - self._biases.bias_ns(route),
            exchange.excess_ns,
            exchange.reading + doubt,
        )
