"""Constant differences between servers, and between one server's routes.

Each path has a constant asymmetry that no statistics of its own can show, but two
servers that disagree show the difference of theirs, and a server whose route changes
shows the change. Decides what measurements are shifted by so that they agree; the
average over the servers' first routes, the nearer ones counting for more, stays where
it is but when a server joins: nothing else can show its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["BiasLedger", "Recentered"]

# A tenth of the floor is the spread of asymmetries that public servers show; it only
# decides how fast a difference is learned, never how large it may become.
_SHARE = 0.1
# Routes change: what was learned is doubted a little more at each sample.
_DOUBT = 1.0 + 1.0 / 500.0
# How much a server strays is judged over its last hundred answers or so.
_SCATTER_GAIN = 0.01
_SCATTER_FROM = 8


class Recentered(NamedTuple):
    """Where the average has gone with the first word of a server that joined."""

    moved_ns: float
    variance: float
    """How uncertain that is, ns²."""


@dataclass(slots=True)
class _Account:
    prior: float
    variance: float
    reading: float = 0.0
    joins: bool = False
    """Whether it has said nothing yet."""
    bias_ns: float = 0.0
    scatter: float = 0.0
    """Mean square of what neither the bias nor the delay explains, ns²."""
    count: int = 0

    def scatters(self, square: float) -> None:
        self.count += 1
        self.scatter += (square - self.scatter) * max(_SCATTER_GAIN, 1.0 / self.count)


class BiasLedger:
    """One offset per route, each with the variance of what is left of it.

    With a single server on a single route there is no difference, hence no bias and no
    doubt.
    """

    def __init__(self) -> None:
        self._servers: dict[str, _Account] = {}
        self._detours: dict[str, _Account] = {}

    def meet(self, server: str, floor_ns: float, reading: float = 0.0) -> None:
        """Open an account for `server`, whose delay floor is `floor_ns`.

        It differs from the average by its own asymmetry and by the average's. Both
        clocks are read to within a tick, always to the same side of it perhaps, and
        reading errors make delays look short as well as long: no server is nearer
        than its ticks can tell.

        Args:
            server: Which.
            floor_ns: The least delay.
            reading: Variance of an error that is uniform within one tick, ns². What a
                long exchange adds to it is no constant, so the least one counts.
        """
        account = self._servers.get(server)
        if account is not None:
            reading = min(reading, account.reading * _DOUBT)
        prior = (_SHARE * max(floor_ns, 1.0)) ** 2 + reading
        if account is None:
            others = sum(1.0 / each.prior for each in self._servers.values())
            common = 1.0 / others if others else 0.0
            account = _Account(prior, prior + common, joins=others > 0.0)
            self._servers[server] = account
        account.prior, account.reading = prior, reading

    def detour(self, route: str, extra_ns: float) -> None:
        """Open an account for a route whose floor is `extra_ns` above the usual one.

        All of the difference may be on one leg: uniform within ± half of it.
        """
        prior = max(extra_ns, 1.0) ** 2 / 12.0
        self._detours.setdefault(route, _Account(prior, prior))

    def settle(self, route: str, bias_ns: float, variance: float) -> None:
        """Enter what was found elsewhere of a detour, as there is nothing to compare."""
        account = self._detours[route]
        account.bias_ns, account.variance = bias_ns, variance

    def is_detour(self, route: str) -> bool:
        """Whether `route` is none of the servers' first ones."""
        return route in self._detours

    def keep(self, routes: Container[str]) -> None:
        """Close the accounts of detours that are none of `routes`: they never return."""
        self._detours = {r: each for r, each in self._detours.items() if r in routes}

    def bias_ns(self, route: str) -> float:
        """Return by how much `route` reads high, relative to the others."""
        return self._account(route).bias_ns

    def variance(self, route: str) -> float:
        """Return the variance of that, ns²; 0 where there is nothing to compare.

        A server that strays more than the steadiest one does (its own clock wanders, or
        its queues are hidden) is believed less by as much.
        """
        if not self.comparable(route):
            return 0.0
        account = self._account(route)
        known = [a.scatter for a in self._servers.values() if a.count >= _SCATTER_FROM]
        strays = account.scatter - min(known, default=account.scatter)
        return account.variance + max(strays, 0.0)

    def doubt(self, route: str) -> float:
        """Return the variance of the constant alone, ns²: all exchanges share it."""
        return self._account(route).variance

    def comparable(self, route: str) -> bool:
        """Whether there is something that `route` can differ from."""
        return len(self._servers) > 1 or route in self._detours

    def common_variance(self) -> float:
        """Return what the servers' disagreement says of their average, ns².

        The variance of a mean of n draws, from the draws: a measured fact. One server
        shows nothing, so it yields 0, and the hard bound alone speaks of its asymmetry.
        """
        count = len(self._servers)
        if count < 2:  # noqa: PLR2004 - a spread takes two
            return 0.0
        shares = self._shares()
        squares = sum(
            (share * account.bias_ns) ** 2
            for share, account in zip(shares, self._servers.values(), strict=True)
        )
        return squares * count / (count - 1)

    def learn(self, route: str, residual_ns: float, noise: float) -> Recentered | None:
        """Take in one residual (measurement less model) with its noise variance.

        Returns:
            By how much the model has to move, with a server's first word: the average
            now counts it, and a near one that joins far ones counts for nearly all.
        """
        if not self.comparable(route):
            return None
        account = self._account(route)
        joins, account.joins = account.joins, False
        variance = account.variance
        if not joins:
            account.scatters(max(residual_ns**2 - noise, 0.0))
            variance = min(variance * _DOUBT, max(account.prior, variance))
        gain = variance / (variance + noise)
        account.bias_ns += gain * residual_ns
        account.variance = variance * (1.0 - gain)
        shares = dict(zip(self._servers, self._shares(), strict=True))
        mean = sum(shares[name] * each.bias_ns for name, each in self._servers.items())
        for each in (*self._servers.values(), *self._detours.values()):
            each.bias_ns -= mean
        if not joins:
            return None
        return Recentered(mean, shares[route] ** 2 * account.variance)

    def _shares(self) -> list[float]:
        """Return each server's part in the average.

        A path ten times as long counts a hundredth: it can be askew ten times as far.
        """
        precisions = [1.0 / account.prior for account in self._servers.values()]
        total = sum(precisions)
        return [precision / total for precision in precisions]

    def _account(self, route: str) -> _Account:
        return self._detours.get(route) or self._servers[route]
