"""The long-term model: where the clock will be in ten minutes to eight hours.

Works on the short-term model's 10-minute rates, never on raw offsets. Decides how much
the rate is expected to change while nothing is measured; the offset from which it
starts, and the noise, are the short-term model's business. Several experts forecast,
and each is believed as far as its matured forecasts beat "the rate stays as it is".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.rates import RateHistory
from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.echo import Echo
from chronotick.models.experts import (
    daily,
    harmonic,
    hourly,
    learned,
    midway,
    reverting,
    surrounded,
)
from chronotick.models.heard import Heard
from chronotick.models.history import STEP_S
from chronotick.models.outlook import NO_CHANGE, Outlook
from chronotick.models.ratelog import RateLog
from chronotick.models.scores import HORIZONS_S, ScoreBoard
from chronotick.models.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chronotick.core.rates import RateForecast
    from chronotick.core.records import Sample
    from chronotick.models.experts import Expert
    from chronotick.models.network import Network
    from chronotick.models.protocol import OscillatorModel

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

__all__ = ["Forecaster", "LongTermModel", "forecasters"]

_STEP_NS = STEP_S * NS_PER_S

# What the network does to the bank's mean square error on nine kinds of simulated clock,
# by geometric mean (0.77, 0.6, 0.56 at 1, 4, 8 h). The waves of a day do more, but most
# of it on clocks that follow one. The other simple experts owe proof.
_NETWORK_PRIOR = 0.6
_HARMONIC_PRIOR = 0.6


class Forecaster(NamedTuple):
    """An expert and what is expected of it."""

    expert: Expert
    prior: float = 1.0
    """Its mean square error over the bank's, before anything has been seen."""


def forecasters(network: Network | None = None) -> Sequence[Forecaster]:
    """Return the usual experts, with the trained network if there is one."""
    simple = [Forecaster(each) for each in (hourly, midway, reverting, daily)]
    simple.append(Forecaster(harmonic, _HARMONIC_PRIOR))
    if network is None:
        return simple
    return [*simple, Forecaster(learned(network), _NETWORK_PRIOR)]


class LongTermModel:
    """An ensemble of rate forecasts on top of a short-term model.

    Args:
        bank: The short-term model. Its owner feeds it, each sample before this model.
        experts: The experts besides the bank itself; the simple ones by default.
        external: Names of experts that run elsewhere: they look at `history` and are
            heard through `hear`. They owe proof, as the simplest ones do.
        covariates: How many readings `feel` is given at a time. With any, one more
            expert explains the rate by them; it owes proof, too.
    """

    def __init__(
        self,
        bank: OscillatorModel,
        experts: Sequence[Forecaster] | None = None,
        *,
        external: Sequence[str] = (),
        covariates: int = 0,
    ) -> None:
        self._bank = bank
        chosen = forecasters() if experts is None else experts
        self._experts = tuple(each.expert for each in chosen)
        self._heard = Heard(external)
        self._surroundings = Surroundings(covariates) if covariates else None
        owing = [1.0] * (len(external) + (covariates > 0))
        self._priors = (1.0, *(each.prior for each in chosen), *owing)
        self._board = ScoreBoard(self._priors)
        self._log = RateLog()
        self._echo = Echo()
        self._looked_at: int | None = None
        self._felt_to = 0
        self._marked: Estimate | None = None
        self._outlook = NO_CHANGE
        self._newest_ns = 0
        self._base = 0.0

    def observe(self, sample: Sample) -> None:
        """Take note of what the short-term model made of `sample`.

        Cheap but for the first sample after each full ten minutes.
        """
        estimate = self._bank.predict(sample.raw_ns)
        if estimate is None or sample.raw_ns < self._newest_ns:
            return
        self._newest_ns = sample.raw_ns
        self._base = estimate.variance.v0
        mark = sample.raw_ns // _STEP_NS
        if mark == self._looked_at:
            return
        self._looked_at = mark
        # Offsets are known when the rate is not: what all failed to foresee, none of
        # them is believed for.
        self._board.mature(estimate.raw_ns, estimate.offset_ns)
        if self._log.take(mark, estimate):
            self._board, self._echo = ScoreBoard(self._priors), Echo()
            self._heard.forget()
        if self._log.is_lost:
            # Nobody can tell from such a rate where it goes; the bank speaks alone.
            self._outlook = NO_CHANGE
            return
        self._marked = estimate
        self._look_ahead(estimate)

    def predict(self, raw_ns: int) -> Estimate | None:
        """Extrapolate to `raw_ns`; None before the first sample."""
        estimate = self._bank.predict(raw_ns)
        if estimate is None:
            return None
        return self.ahead(estimate, Source.GPU_MODEL)

    def ahead(self, estimate: Estimate, source: Source) -> Estimate:
        """Return a short-term estimate with what the experts add to it.

        Args:
            estimate: Of the short-term model, now.
            source: Who the result is said to be from.
        """
        age_s = max((estimate.raw_ns - self._newest_ns) / NS_PER_S, 0.0)
        rate_then_ppb = (
            estimate.rate_ppb if self._marked is None else self._marked.rate_ppb
        )
        moved_ns, rate_ppb, shrink, spread_ppb = self._outlook.at(
            age_s, estimate.rate_ppb - rate_then_ppb
        )
        spread_ns = age_s * spread_ppb
        v0, v1, v2, v3 = estimate.variance
        # Only the growth is foreseen better; where the clock was is as uncertain as ever.
        v0 = min(self._base, v0) + shrink * max(v0 - self._base, 0.0)
        return Estimate(
            raw_ns=estimate.raw_ns,
            offset_ns=estimate.offset_ns + round(moved_ns),
            rate_ppb=estimate.rate_ppb + rate_ppb,
            variance=Variance(v0 + spread_ns**2, shrink * v1, shrink * v2, shrink * v3),
            source=source,
        )

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` reads high, as the short-term model has it."""
        return self._bank.bias_ns(server)

    def history(self) -> RateHistory | None:
        """Return the rates so far; None before the first sample."""
        if self._marked is None:
            return None
        return RateHistory(
            raw_ns=self._marked.raw_ns,
            step_s=STEP_S,
            rates_ppb=tuple(self._log.rates_ppb.tolist()),
        )

    def hear(self, name: str, forecast: RateForecast) -> None:
        """Take in what the external expert `name` made of `history`.

        It has a vote at once if its history is the newest one, else from the next
        look-ahead on, until `heard.FRESH_S` have passed since that history. Impossible
        numbers are silence.

        Raises:
            KeyError: No external expert of that name was announced.
        """
        self._heard.take(name, forecast)
        if self._marked is None or self._log.is_lost:
            return
        if forecast.raw_ns == self._marked.raw_ns:
            votes = self._votes(self._marked)
            self._board.amend(votes)
            self._foresee(self._marked, votes)

    def feel(self, raw_ns: int, readings: Sequence[float]) -> None:
        """Take in what was read of the oscillator's surroundings; NaN where absent.

        While nothing is measured it moves the forecast, at each full ten minutes.

        Raises:
            ValueError: Not as many readings as were announced.
        """
        if self._surroundings is None:
            raise ValueError("no covariates were announced")
        before, self._felt_to = self._felt_to, raw_ns // _STEP_NS
        self._surroundings.feel(raw_ns, readings)
        silent = self._log.mark is not None and self._felt_to > self._log.mark
        if self._marked is None or self._log.is_lost:
            return
        if silent and self._felt_to > before:
            self._foresee(self._marked, self._votes(self._marked))

    def _look_ahead(self, estimate: Estimate) -> None:
        votes = self._votes(estimate)
        self._board.record(estimate.raw_ns, estimate.offset_ns, votes)
        self._foresee(estimate, votes)

    def _votes(self, estimate: Estimate) -> Matrix:
        """Return mean rates from `estimate` on: experts × horizons, NaN where silent."""
        rates_ppb, mark = self._log.rates_ppb, self._log.mark
        said = [expert(rates_ppb, HORIZONS_S) for expert in self._experts]
        said += self._heard.means(estimate.raw_ns, rates_ppb, HORIZONS_S)
        if self._surroundings is not None and mark is not None:
            first, last = mark - rates_ppb.size + 1, max(mark, self._felt_to)
            around = self._surroundings.rows(first, last)
            said.append(surrounded(rates_ppb, around, HORIZONS_S))
        silent = np.full(HORIZONS_S.size, np.nan)
        bank = np.full(HORIZONS_S.size, estimate.rate_ppb)
        return np.array([bank, *(silent if each is None else each for each in said)])

    def _foresee(self, estimate: Estimate, votes: Matrix) -> None:
        """Weigh the votes."""
        speaking = np.isfinite(votes)
        ratios = self._board.ratios()
        weights = self._board.weights(speaking, ratios)
        said = np.where(speaking, votes, 0.0)
        mean = (weights * said).sum(axis=0)
        spread = (weights * (said - mean) ** 2).sum(axis=0)
        shrink = (weights * ratios).sum(axis=0)
        self._echo.hear(estimate.raw_ns, estimate.rate_ppb, mean)
        self._outlook = Outlook(
            mean - estimate.rate_ppb,
            np.minimum(shrink, 1.0),
            np.sqrt(spread),
            self._echo.lasting(),
        )
