"""How far each model is believed: by what it predicted, before it was told.

Prequential (Dawid, JRSS A 147 (1984) 278): every measurement scores the forecasts made
without it. Decides weights and mixes estimates; the models' own internals, and bounds,
are others' business.
"""

from __future__ import annotations

from math import exp, lgamma, log, pi
from typing import TYPE_CHECKING

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronotick.fusion.quiet import Check

__all__ = ["PrequentialWeights", "mix"]

# Student's t with this many degrees of freedom: a spike costs a model some belief, a
# Gaussian score would cost it all.
_DEGREES = 4.0
_CONSTANT = lgamma(2.5) - lgamma(2.0) - 0.5 * log(_DEGREES * pi)
# Belief is over the last hundred measurements or so.
_MEMORY = 0.99
# What is left of a server's share after three hundred in which it was not heard.
_GONE = 0.05


class _Leads:
    """What one server's measurements say of the models."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.leads: dict[str, float] = {}

    def fade(self) -> None:
        self.heard *= _MEMORY
        for name in self.leads:
            self.leads[name] *= _MEMORY


class PrequentialWeights:
    """Weights of named models against a baseline.

    Servers are heard one by one: what one of them says of a model, by being off itself, is
    outvoted by the others.

    Args:
        baseline: The model that needs no proof. Others get a weight only while their
            recent predictions have been the better ones, by most of the servers.
    """

    def __init__(self, baseline: str) -> None:
        self._baseline = baseline
        self._by_server: dict[str, _Leads] = {}
        self._lead: dict[str, float] = {}

    def score(
        self,
        server: str,
        estimates: Mapping[str, Estimate],
        check: Check,
        *,
        strays: float = 0.0,
    ) -> None:
        """Score predictions of one measurement, none of which has seen it.

        Args:
            server: Who was measured.
            estimates: Per model, at the measurement's instant. Models that say nothing
                are not scored, and nothing is while the baseline is silent.
            check: The measurement.
            strays: Variance of what its server is off by beyond its queues, ns². That
                is foreseen by nobody: left out, it would be held against whoever knows
                the clock well, and whoever claims next to nothing would win by it.
        """
        base = estimates.get(self._baseline)
        if base is None:
            return
        noise = check.noise + strays
        reference = _log_density(base, check.offset_ns, noise)
        for each in self._by_server.values():
            each.fade()
        here = self._by_server.setdefault(server, _Leads())
        here.heard += 1.0
        for name, estimate in estimates.items():
            if name != self._baseline:
                gained = _log_density(estimate, check.offset_ns, noise) - reference
                here.leads[name] = here.leads.get(name, 0.0) + gained
        for gone in [n for n, each in self._by_server.items() if each.heard < _GONE]:
            del self._by_server[gone]
        self._lead = {name: self._middle(name) for name in here.leads}

    def believes(self, name: str) -> bool:
        """Whether `name` has a say: it is the baseline, or has done better of late."""
        return name == self._baseline or self._lead.get(name, 0.0) > 0.0

    def _middle(self, name: str) -> float:
        """Return by how much `name` leads, as the middle one of the servers has it."""
        said = sorted(each.leads.get(name, 0.0) for each in self._by_server.values())
        # Of an even number the lower middle: half of them are no majority.
        return len(said) * said[(len(said) - 1) // 2]

    def weights(self, estimates: Mapping[str, Estimate]) -> dict[str, float]:
        """Return weights that sum to 1 over those of `estimates` that are believed.

        Empty where `estimates` is. Without the baseline the others share alike: they
        are all there is.
        """
        believed = {
            name: exp(min(lead, 50.0))
            for name, lead in self._lead.items()
            if lead > 0.0 and name in estimates
        }
        if self._baseline in estimates:
            believed[self._baseline] = 1.0
        elif not believed:
            believed = dict.fromkeys(estimates, 1.0)
        total = sum(believed.values())
        return {name: belief / total for name, belief in believed.items()}


def mix(estimates: Mapping[str, Estimate], weights: Mapping[str, float]) -> Estimate:
    """Return the mixture of `estimates`, which are all for the same instant.

    The variance is the mixture's, Σ w (σ² + (m − mean)²), and so for rate and
    covariance: inverse variances would count the same measurements once per model.

    Raises:
        ValueError: No weights, or estimates for different instants.
    """
    if len(weights) == 1:
        return estimates[next(iter(weights))]
    parts = [(weight, estimates[name]) for name, weight in weights.items()]
    if len({estimate.raw_ns for _, estimate in parts}) != 1:
        raise ValueError("a mixture needs weighted estimates of one instant")
    # Offsets are too large for floats; their differences are not.
    origin_ns = parts[0][1].offset_ns
    shift_ns = sum(w * (each.offset_ns - origin_ns) for w, each in parts)
    rate_ppb = sum(w * each.rate_ppb for w, each in parts)
    v0 = v1 = v2 = v3 = 0.0
    for weight, each in parts:
        apart_ns = each.offset_ns - origin_ns - shift_ns
        faster_ppb = each.rate_ppb - rate_ppb
        v0 += weight * (each.variance.v0 + apart_ns * apart_ns)
        v1 += weight * (each.variance.v1 + 2.0 * apart_ns * faster_ppb)
        v2 += weight * (each.variance.v2 + faster_ppb * faster_ppb)
        v3 += weight * each.variance.v3
    return Estimate(
        raw_ns=parts[0][1].raw_ns,
        offset_ns=origin_ns + round(shift_ns),
        rate_ppb=rate_ppb,
        variance=Variance(v0, v1, v2, v3),
        source=Source.FUSION,
    )


def _log_density(estimate: Estimate, offset_ns: int, noise: float) -> float:
    """Return the log of Student's density with the predictive variance as scale."""
    variance = max(estimate.variance.v0 + noise, 1.0)
    error_ns = float(offset_ns - estimate.offset_ns)
    tail = log(1.0 + error_ns * error_ns / (_DEGREES * variance))
    return _CONSTANT - 0.5 * log(variance) - 0.5 * (_DEGREES + 1.0) * tail
