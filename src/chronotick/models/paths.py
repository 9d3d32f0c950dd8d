"""The ways to all servers: which one an exchange came, and how high that one reads.

A way's constant shows in what several servers say of each other
(`chronotick.models.bias`), or, with one server, while the clock coasts from one of its
ways to another (`chronotick.models.crossing`). Decides what an exchange measured, less
that constant, and how far in doubt the constant leaves it; not what is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S
from chronotick.models.bias import BiasLedger
from chronotick.models.crossing import Crossing
from chronotick.models.filters import Measurement
from chronotick.models.hat import CorneredHat
from chronotick.models.line import Bounds
from chronotick.models.route import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.core.records import Sample
    from chronotick.models.bias import Recentered
    from chronotick.models.filters import Mixture
    from chronotick.models.retreat import Retreat

__all__ = ["Exchange", "Paths"]

# A server that has been silent for so long, longer than polls are mostly apart, is no
# company: it tells nobody's constants.
_COMPANY_NS = 1800 * NS_PER_S


class Exchange(NamedTuple):
    """A sample, and the way it came."""

    server: str
    route: str
    """Name of the way's account; the server's own name for its first way."""
    raw_ns: int
    offset_ns: int
    delay_ns: int
    excess_ns: float
    """How far the delay may be above the way's floor."""
    extra_ns: int
    """How much longer than the usual way this one is; 0 for the usual one."""
    reading: float
    """Variance of quantized clock readings, ns²."""


class Paths:
    """Every server's routes and their constants.

    With a single server on a single route there is no constant to be seen, hence none
    is taken off, and none is doubted.
    """

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}
        self._biases = BiasLedger()
        self._hat = CorneredHat()
        self._crossings: dict[str, Crossing] = {}
        # The way that each server was last heard on.
        self._account: dict[str, str] = {}
        self._heard_ns: dict[str, int] = {}
        self._newest = ""
        # Whether nobody but the newest one's server has been heard of late.
        self._alone = True

    def take(self, sample: Sample) -> Exchange:
        """Tell which way a sample came."""
        route = self._routes.get(sample.server)
        if route is None:
            route = self._routes[sample.server] = Route(sample.server)
        self._newest = sample.server
        self._heard_ns[sample.server] = sample.raw_ns
        leg = route.leg(sample.raw_ns, sample.delay_ns)
        reading = sample.reading_variance
        self._biases.meet(sample.server, route.floor_ns, reading)
        if leg.account != sample.server:
            # Where it is no longer than the usual way, it is the usual way by now.
            self._biases.detour(leg.account, leg.extra_ns or route.floor_ns)
        self._keep_company(leg.account)
        if self._account.get(sample.server, leg.account) != leg.account:
            # Another way's constant would pass for a motion.
            self._hat.forget(sample.server)
        self._hat.add(sample.server, sample.raw_ns, sample.offset_ns, sample.delay_ns)
        return Exchange(
            server=sample.server,
            route=leg.account,
            raw_ns=sample.raw_ns,
            offset_ns=sample.offset_ns,
            delay_ns=sample.delay_ns,
            excess_ns=leg.excess_ns,
            extra_ns=leg.extra_ns,
            reading=reading,
        )

    def _keep_company(self, account: str) -> None:
        """Let others tell a way's constant, or go on alone with what they have told."""
        self._alone = self._is_alone()
        if not self._alone:
            # What coasting told is in the ledger. It is out of date from now on.
            self._crossings.clear()
        elif account not in self._crossings and self._biases.is_detour(account):
            # A lone server says nothing of itself.
            self._crossings[account] = Crossing.told(
                self._biases.bias_ns(account), self._biases.doubt(account)
            )

    def is_crossed_by(self, exchange: Exchange) -> bool:
        """Whether its server was heard on another way before, or not at all."""
        return self._account.get(exchange.server) != exchange.route

    def coasts_on(self, exchange: Exchange) -> bool:
        """Whether only the clock's own steadiness tells how high its way reads."""
        return exchange.extra_ns > 0 and self._alone

    def cross(
        self,
        exchange: Exchange,
        before: Retreat | None,
        withheld: Iterable[Exchange],
    ) -> None:
        """Go on with a server on the way that `exchange` came.

        Args:
            exchange: The first one there.
            before: From what to coast there; None if others tell.
            withheld: Exchanges whose ways are still asked for.
        """
        self._account[exchange.server] = exchange.route
        if before is not None:
            # The first exchanges of that route have passed for long queues, which they
            # are: within half of the excess, as a queue's.
            self._crossings[exchange.route] = Crossing(
                before.believed, before.raw_ns, exchange.extra_ns
            )
        self._close(withheld)

    def settle(self) -> None:
        """Coast no longer: the clock has jumped."""
        for crossing in self._crossings.values():
            crossing.settle()

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` reads high on the way that it was last heard."""
        account = self._account.get(server)
        return 0.0 if account is None else self._biases.bias_ns(account)

    @property
    def crossing_variance(self) -> float:
        """What a lone server's other way leaves in doubt, ns²; in all exchanges alike."""
        crossing = self._crossings.get(self._account.get(self._newest, ""))
        return 0.0 if crossing is None else crossing.variance

    @property
    def common_variance(self) -> float:
        """Of the error that all exchanges share, what is known to be left, ns²."""
        return self._biases.common_variance() + self.crossing_variance

    def measurement(self, exchange: Exchange, epoch_ns: int) -> Measurement:
        """Return the offset relative to the epoch, less what its way reads high."""
        route = exchange.route
        crossing = self._crossings.get(route)
        is_known = crossing is not None and crossing.is_settled
        # A constant that is learned no more is no noise: each exchange shares it.
        doubt = 0.0 if is_known else self._doubt(exchange)
        return Measurement(
            exchange.offset_ns - epoch_ns - self._biases.bias_ns(route),
            exchange.excess_ns,
            exchange.reading + doubt,
        )

    def bounds(self, exchange: Exchange) -> Bounds:
        """Return what the bound hull is shown.

        A detour's floor is not alike both ways, so it is nobody's bound.
        """
        usual = self._routes.get(exchange.route)
        return Bounds(
            server=None if usual is None else exchange.route,
            raw_ns=exchange.raw_ns,
            offset_ns=exchange.offset_ns,
            delay_ns=exchange.delay_ns,
            excess_ns=exchange.excess_ns,
            floor_ns=0 if usual is None else usual.floor_ns,
            bias_ns=self._biases.bias_ns(exchange.route),
            doubt=self._doubt(exchange),
        )

    def learn(
        self, exchange: Exchange, believed: Mixture, epoch_ns: int
    ) -> Recentered | None:
        """Learn a way's constant from what is believed at the exchange's instant.

        Returns:
            By how much the model has to move, with a server's first word.
        """
        route = exchange.route
        value_ns = float(exchange.offset_ns - epoch_ns)
        queue = exchange.excess_ns**2 / 12.0
        crossing = self._crossings.get(route)
        if crossing is not None:
            if not crossing.is_settled:
                crossing.learn(exchange.raw_ns, value_ns, queue + exchange.reading)
                self._biases.settle(route, crossing.bias_ns, crossing.variance)
            return None
        residual_ns = value_ns - self._biases.bias_ns(route) - believed.x
        spread = queue + believed.variance.v0 + exchange.reading
        return self._biases.learn(route, residual_ns, spread)

    def _doubt(self, exchange: Exchange) -> float:
        strays = self._hat.variance(exchange.server)
        return self._biases.variance(exchange.route) + strays

    def _is_alone(self) -> bool:
        """Whether nobody but the server of the newest exchange has been heard of late."""
        since_ns = self._heard_ns[self._newest] - _COMPANY_NS
        late = sum(heard_ns >= since_ns for heard_ns in self._heard_ns.values())
        return late <= 1

    def _close(self, withheld: Iterable[Exchange]) -> None:
        """Let go of detours that are over: a path that flaps opens one each time."""
        used = {*self._account.values(), *(each.route for each in withheld)}
        used.update(route.usual_account for route in self._routes.values())
        self._biases.keep(used)
        self._crossings = {r: c for r, c in self._crossings.items() if r in used}
