"""The models at one table: who is shown what, who is believed, what it is worth.

Decides the best guess and its calibrated factors. The hard interval around it, and
whose measurements come here at all, are `chronotick.daemon.estimator`'s business. No
I/O and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.records import Estimate
from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S
from chronotick.fusion.audit import Auditor
from chronotick.fusion.calibrate import (
    NORMAL_99,
    NORMAL_999,
    Calibrator,
    Coverage,
)
from chronotick.fusion.monitor import InnovationMonitor
from chronotick.fusion.quiet import QuietExchanges
from chronotick.fusion.weights import PrequentialWeights, mix
from chronotick.models.dual import DualModel
from chronotick.models.hold import HoldModel
from chronotick.models.longterm import forecasters
from chronotick.models.registry import short_term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from chronotick.core.rates import RateForecast, RateHistory
    from chronotick.core.records import Audit, Sample
    from chronotick.fusion.quiet import Check
    from chronotick.models.network import Network

__all__ = ["Opinion", "Panel", "PanelSettings", "Shown"]

_HOLD, _LEARNED = "hold", "learned"
# Readers ask up to about one poll ahead.
_USUAL_AGE_S = 64.0
# With fewer, a filter only repeats the newest measurement: that is hold's answer, and
# is published under that name.
_LEARNED_FROM = 3
_UNEARNED = Coverage(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSettings:
    """Which models there are."""

    short_term: str | None = "bank"
    """Name in `chronotick.models.registry`; None: hold alone."""
    long_term: bool = True
    network: Network | None = None
    """The trained forecaster among the long-term experts."""
    external: tuple[str, ...] = ()
    """Names of long-term experts that run elsewhere and are heard by `Panel.hear`."""
    covariates: int = 0
    """Readings of the oscillator's surroundings that `Panel.feel` is given."""
    path_asymmetry: float = 0.1
    """How far a path may be askew, as a share of its delay floor (one standard
    deviation). A prior: no measurement shows it."""


class Shown(NamedTuple):
    """A sample, and whether the sample filter let it through."""

    sample: Sample
    useful: bool


class Opinion(NamedTuple):
    """The best guess at one instant."""

    estimate: Estimate
    coverage: Coverage
    """In sigmas of `estimate`; zeros until something has been checked."""


class Panel:
    """Hold and the learned models; each is scored before it is told.

    The learned ones are the baseline, as soon as they know more than the newest
    measurement: hold gets a say only while it predicts better than they do, that is,
    when something is wrong with them.

    Args:
        settings: Which models there are.
        max_frequency_error_ppm: Worst credible rate of the oscillator.
    """

    def __init__(
        self, settings: PanelSettings, *, max_frequency_error_ppm: float = 500.0
    ) -> None:
        self._settings = settings
        self._max_frequency_error_ppm = max_frequency_error_ppm
        self._auditor = Auditor()
        self._calibrator = Calibrator()
        self._known_as: dict[str, str] = {}
        self._first_at: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Forget what the clocks did; how good claims have been is remembered."""
        self._hold = HoldModel(max_frequency_error_ppm=self._max_frequency_error_ppm)
        name = self._settings.short_term
        self._kind = short_term(name) if name else None
        self._learned = self._make()
        self._weights = PrequentialWeights(_LEARNED)
        self._monitor = InnovationMonitor()
        self._quiet = QuietExchanges()
        self._calibrator.forget_claims()
        self._newest_ns = 0
        # In their order: sums over a set end in other digits in each process.
        self._fed: dict[str, None] = {}
        self._met: dict[str, None] = {}
        self.sample_count = 0
        """Samples that the models have taken in since the start or a restart."""

    def move(self, server: str, left: str, address: str) -> None:
        """Take what `server` says from now on for another server's.

        What is known of the one before (its constant, floor and scatter) says nothing of
        this one; it stays beside it, like that of a server that has fallen silent, and
        counts again where the name leads back.

        Args:
            server: The name.
            left: Where it was asked until now.
            address: Where it is asked from now on.
        """
        is_back = self._first_at.setdefault(server, left) == address
        self._known_as[server] = server if is_back else f"{server} at {address}"

    def relearn(self, shown: Iterable[Shown]) -> None:
        """Start on `shown`, in order: what others said was not the truth."""
        past = list(shown)
        believed = [self._as_known(each) for each in past]
        self._hold = HoldModel(max_frequency_error_ppm=self._max_frequency_error_ppm)
        taken = [each for each in believed if self._takes(each)]
        if self._learned:
            self._learned.relearn([each.sample for each in taken])
        for each in believed:
            self._let_hold(each)
        self._fed = dict.fromkeys(each.sample.server for each in past)
        self._met = dict.fromkeys(each.sample.server for each in believed)
        self.sample_count = len(taken)
        self._newest_ns = max((each.sample.raw_ns for each in believed), default=0)
        self.recenter()

    def observe(self, shown: Shown) -> None:
        """Score everyone on a believed server's sample, then let them learn from it."""
        self._fed[shown.sample.server] = None
        shown = self._as_known(shown)
        sample = shown.sample
        check = self._quiet.check(sample, self._bias_ns(sample.server))
        if check is not None and (estimates := self._estimates(sample.raw_ns)):
            self._score(sample.server, estimates, check)
        if self._takes(shown):
            self.sample_count += 1
            if self._learned:
                self._learned.observe(sample)
        self._let_hold(shown)
        if sample.server not in self._met:
            self._met[sample.server] = None
            self.recenter()
        self._newest_ns = max(self._newest_ns, sample.raw_ns)
        if claim := self._claim(sample.raw_ns):
            self._calibrator.claim(claim)
            if check is not None:
                self._compare(sample, check.noise, claim)

    def predict(self, raw_ns: int) -> Opinion | None:
        """Return the best guess for `raw_ns`; None before the first sample."""
        claim = self._claim(raw_ns)
        if claim is None:
            return None
        unseen = self._quiet.asymmetry_variance(
            self._met, self._settings.path_asymmetry
        )
        unseen += self._quiet.lean_variance(self._met)
        unseen += self._quiet.swell_variance(self._met)
        age_s = (raw_ns - self._newest_ns) / NS_PER_S
        found = self._calibrator.coverage(age_s)
        earned = _with_prior(found, claim.variance.at(_USUAL_AGE_S), unseen)
        stated = self._calibrator.stretched(claim.variance, age_s, earned)
        estimate = Estimate(
            raw_ns=raw_ns,
            offset_ns=claim.offset_ns,
            rate_ppb=claim.rate_ppb,
            variance=stated._replace(v0=stated.v0 + unseen),
            source=claim.source,
        )
        return Opinion(estimate, earned if found.scores else _UNEARNED)

    def sure(self, raw_ns: int) -> Span | None:
        """Return where UTC − RAW is at 99.9 %, by all that measurements can show.

        Without the prior of what they can't show. None until that level is earned.
        """
        claim = self._claim(raw_ns)
        found = self._calibrator.coverage((raw_ns - self._newest_ns) / NS_PER_S)
        if claim is None or not found.scores:
            return None
        unseen = self._quiet.lean_variance(self._met)
        unseen += self._quiet.swell_variance(self._met)
        sigma_ns = sqrt(max(claim.variance.v0, 0.0) + unseen)
        return Span.around(claim.offset_ns, ceil(found.factor_999 * sigma_ns))

    def recenter(self) -> None:
        """Drop claims of before: the clock has leapt, or other servers are averaged.

        Measurements from now on say nothing of how good those were.
        """
        self._calibrator.forget_claims()
        self._monitor = InnovationMonitor()

    def check_hard(self, sample: Sample, claimed: Span | None) -> None:
        """Audit the hard interval of before with a believed server's answer."""
        if claimed is not None:
            self._auditor.check_hard(sample, claimed)

    def history(self) -> RateHistory | None:
        """Return the rates that experts elsewhere look at; None while there are none."""
        return self._learned.long_term.history() if self._learned else None

    def hear(self, name: str, forecast: RateForecast) -> None:
        """Take in what the external expert `name` made of `history`."""
        if self._learned:
            self._learned.long_term.hear(name, forecast)

    def feel(self, raw_ns: int, readings: Sequence[float]) -> None:
        """Take in what was read of the oscillator's surroundings."""
        if self._learned:
            self._learned.long_term.feel(raw_ns, readings)

    def audit(self) -> Audit:
        """Return how claims have done so far."""
        return self._auditor.audit()

    @property
    def feels(self) -> bool:
        """Whether it wants to be told of the oscillator's surroundings."""
        return self._learned is not None and self._settings.covariates > 0

    @property
    def fed(self) -> AbstractSet[str]:
        """Servers whose samples the models have seen, in the order of their first."""
        return self._fed.keys()

    @property
    def is_lost(self) -> bool:
        """Whether measurement after measurement contradicts what was predicted."""
        return self._monitor.tripped

    @property
    def is_puzzled(self) -> bool:
        """Whether the next measurement tells if the newest was a spike or a jump."""
        return self._learned is not None and self._learned.is_puzzled

    def _make(self) -> DualModel | None:
        if self._kind is None:
            return None
        experts = (
            forecasters(self._settings.network) if self._settings.long_term else ()
        )
        return DualModel(
            self._kind.make,
            experts,
            external=self._settings.external,
            covariates=self._settings.covariates,
        )

    def _as_known(self, shown: Shown) -> Shown:
        """Return `shown` under the name by which the models know its server."""
        name = self._known_as.get(shown.sample.server)
        if name is None:
            return shown
        return shown._replace(sample=replace(shown.sample, server=name))

    def _bias_ns(self, server: str) -> float:
        return self._learned.bias_ns(server) if self._learned else 0.0

    def _strays(self, server: str) -> float:
        return self._learned.stray_variance(server) if self._learned else 0.0

    def _compare(self, sample: Sample, noise: float, claim: Estimate) -> None:
        error_ns = sample.offset_ns - claim.offset_ns - self._bias_ns(sample.server)
        self._quiet.compare(sample.server, error_ns, noise + claim.variance.v0)

    def _let_hold(self, shown: Shown) -> None:
        # At first any measurement is better than no time, however long it queued.
        if shown.useful or self._hold.predict(shown.sample.raw_ns) is None:
            self._hold.observe(shown.sample)

    def _takes(self, shown: Shown) -> bool:
        return shown.useful or (self._kind is not None and self._kind.all_samples)

    def _claim(self, raw_ns: int) -> Estimate | None:
        """Return what those that are believed say together."""
        learned = self._learned_estimate(raw_ns)
        if learned is not None and not self._weights.believes(_HOLD):
            return learned
        return self._mixture(self._estimates(raw_ns))

    def _estimates(self, raw_ns: int) -> Mapping[str, Estimate]:
        said = {
            _HOLD: self._hold.predict(raw_ns),
            _LEARNED: self._learned_estimate(raw_ns),
        }
        return {name: each for name, each in said.items() if each is not None}

    def _learned_estimate(self, raw_ns: int) -> Estimate | None:
        if self._learned is None or self.sample_count < _LEARNED_FROM:
            return None
        return self._learned.predict(raw_ns)

    def _mixture(self, estimates: Mapping[str, Estimate]) -> Estimate | None:
        weights = self._weights.weights(estimates)
        return mix(estimates, weights) if weights else None

    def _score(
        self, server: str, estimates: Mapping[str, Estimate], check: Check
    ) -> None:
        claim = self._mixture(estimates)
        if claim is not None:
            self._quiet.judge_lean(server, check, claim)
            found = self._calibrator.coverage(
                (check.raw_ns - self._newest_ns) / NS_PER_S
            )
            if found.scores:
                self._auditor.check_calibrated(check, claim, found)
            self._monitor.judge(check, claim, found.factor_999)
        self._weights.score(server, estimates, check, strays=self._strays(server))
        self._calibrator.score(check)


def _with_prior(found: Coverage, variance: float, unseen: float) -> Coverage:
    """Return factors for a sigma in which `unseen` is what no check can show.

    What checks show is stretched by what it has earned; asymmetry and lean by the normal
    quantile, since checks are off by the same and will never say more of it.
    """
    total = max(variance + unseen, 1.0)
    return Coverage(
        sqrt((found.factor_99**2 * variance + NORMAL_99**2 * unseen) / total),
        sqrt((found.factor_999**2 * variance + NORMAL_999**2 * unseen) / total),
        found.scores,
    )
