"""Which measurements are good enough to judge claims by, and how good they are.

Claims are better than most measurements, so only exchanges from the quieter half of
their server's recent ones are asked, each with the noise that its delay admits.
Decides nothing about the claims.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.delays import floor_doubt_ns
from chronotick.fusion.lean import QueueLean
from chronotick.fusion.swell import Likeness, QueueSwell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chronotick.core.records import Estimate, Sample

__all__ = ["Check", "QuietExchanges"]

_LOWEST = 8
# A server that has been judged less often is a newcomer.
_SEEN = 64
# Deviations of a claim beyond half of the queue.
_BEYOND = 4.0
# The models weigh servers by this share of the floor, whatever paths are held to be.
_SHARE = 0.1
# Whether a server has a part in the guess is judged over its last ten answers or so.
_APART_GAIN = 1.0 / 8.0


class Check(NamedTuple):
    """A measurement that claims are held against."""

    raw_ns: int
    offset_ns: int
    """UTC − RAW as measured, less what the server is known to read high."""
    noise: float
    """Its variance, ns²."""
    excess_ns: float = 0.0
    """How far its delay may be above the path's floor."""


class QuietExchanges:
    """Remembers each server's recent delays, and how far it is from the guess."""

    def __init__(self) -> None:
        self._apart: dict[str, float] = {}
        self._leans: dict[str, QueueLean] = {}
        self._swells: dict[str, QueueSwell] = {}
        # Of one exchange to the next, whichever servers they are of.
        self._likeness = Likeness()
        self._root_delay_ns: dict[str, int] = {}
        self._reading: dict[str, float] = {}

    def check(self, sample: Sample, bias_ns: float = 0.0) -> Check | None:
        """Take in one sample; return it as a check if it is among the quieter half."""
        swell = self._swells.get(sample.server)
        if swell is None:
            swell = self._swells[sample.server] = QueueSwell()
        swell.add(sample.raw_ns, sample.delay_ns)
        # By each one's place among its own server's: far ones that are asked in turn
        # are alike in that they queue for long.
        self._likeness.add(swell.place)
        self._root_delay_ns[sample.server] = sample.root_delay_ns
        ranked = swell.ranked
        if sample.delay_ns > ranked[(len(ranked) - 1) // 2]:
            return None
        # A long exchange adds to it what the raw clock may run off by meanwhile.
        self._reading[sample.server] = sample.reading_variance
        # Queues on either leg: uniform within half of the excess. Claims are mostly
        # better than that, so whatever is left out here would be held against them.
        excess_ns = _excess_ns(sample.delay_ns, ranked)
        noise = excess_ns**2 / 12.0 + sample.precision_ns**2
        offset_ns = sample.offset_ns - round(bias_ns)
        return Check(sample.raw_ns, offset_ns, noise, excess_ns)

    def judge_lean(self, server: str, check: Check, claim: Estimate) -> None:
        """Note how far off `server` was from a claim that was made without it.

        What no queue explains is a step or a spike, and says nothing of queues.
        """
        error_ns = float(check.offset_ns - claim.offset_ns)
        variance = max(claim.variance.v0, 0.0)
        if abs(error_ns) > check.excess_ns / 2.0 + _BEYOND * sqrt(variance):
            return
        lean = self._leans.get(server)
        if lean is None:
            lean = self._leans[server] = QueueLean()
        lean.add(check.excess_ns, error_ns, check.noise + variance)

    def lean_variance(self, servers: Iterable[str]) -> float:
        """Return the variance of what queues that lean to one leg may add, ns².

        As if those of all `servers` leaned to the same leg; nearer ones count for more,
        as they do in the guess. A newcomer, of whom little has been seen, counts only
        where all are: it has no part yet in what the others have taught.
        """
        heard = [s for s in servers if s in self._leans]
        seen = [s for s in heard if self._leans[s].count >= _SEEN] or heard
        return self._together({s: self._leans[s].variance for s in seen})

    def swell_variance(self, servers: Iterable[str]) -> float:
        """Return the variance of what queues that swell slowly may add, ns².

        As if they swelled on all paths on the same leg. Servers behind one line show
        its swell to each other, also where each is asked too rarely to show it alone.
        """
        heard = [s for s in servers if s in self._swells]
        shared = self._likeness.certainty if len(heard) > 1 else 0.0
        return self._together({s: self._swells[s].variance_if(shared) for s in heard})

    def _together(self, variances: Mapping[str, float]) -> float:
        """Return the variance where all servers err alike; nearer ones count for more."""
        if not variances:
            return 0.0
        weights = {s: 1.0 / self._nearness(s) for s in variances}
        shared = sum(weights[s] * sqrt(each) for s, each in variances.items())
        return (shared / sum(weights.values())) ** 2

    def compare(self, server: str, error_ns: float, noise: float) -> None:
        """Note how far a quiet measurement is from a guess that was told of it.

        Args:
            server: Whose.
            error_ns: The difference, less what the server is known to read high.
            noise: As much of its square as is noise, ns².
        """
        square = max(error_ns * error_ns - noise, 0.0)
        before = self._apart.get(server, square)
        self._apart[server] = before + _APART_GAIN * (square - before)

    def asymmetry_variance(self, servers: Iterable[str], share: float) -> float:
        """Return the variance of what no statistic can show, ns².

        Args:
            servers: Those that are believed.
            share: Standard deviation of a path's constant error over its delay floor,
                as far as anybody can say beforehand. A server's own path to its source
                counts as well: the root delay that it stated last, as it may have gone
                over to another source.

        Returns:
            The variance of the mean that weighs the servers as the guess does, if all
            are askew the same way: they share the line that leads out. 0 where none has
            been heard. A server that the guess stays away from has no part in that
            mean, however short its path is. Clocks that are read to a tick are off
            within it, also where paths are alike both ways.
        """
        known = [s for s in servers if s in self._swells]
        if not known:
            return 0.0
        apart = [self._apart.get(s, 0.0) for s in known]
        priors = [(share * self._distance_ns(s)) ** 2 + self._reading[s] for s in known]
        weights = [
            1.0 / (self._nearness(s) + a) for s, a in zip(known, apart, strict=True)
        ]
        askew = [sqrt(p + a) for p, a in zip(priors, apart, strict=True)]
        shared = sum(w * each for w, each in zip(weights, askew, strict=True))
        # Away from all of them it is the models that are lost: others say so.
        return min((shared / sum(weights)) ** 2, max(priors))

    def _nearness(self, server: str) -> float:
        """Return the variance by which the guess weighs a server, ns².

        Ticks are mostly read to the same side, and make short delays look like none:
        by its delays alone, a server with a coarse clock would be the nearest of all.
        """
        return (_SHARE * self._floor_ns(server)) ** 2 + self._reading[server]

    def _floor_ns(self, server: str) -> int:
        return max(self._swells[server].ranked[0], 1)

    def _distance_ns(self, server: str) -> int:
        """Return the way to the server's source and back."""
        return self._floor_ns(server) + max(self._root_delay_ns[server], 0)


def _excess_ns(delay_ns: int, ranked: Sequence[int]) -> float:
    """Return how far one of the delays that are `ranked` may be above the floor."""
    doubt_ns = floor_doubt_ns(ranked[:_LOWEST], len(ranked))
    return max(delay_ns - ranked[0] + doubt_ns, 0.0)
