"""The estimators that can be judged on a recording, behind one small protocol.

Decides what each is shown and how its answer is read; the product is shown exactly what
its daemon would be. What is asked of them, and when, is `chronotick.eval.accuracy.backtest`.
"""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chronotick.core.records import Exchange
from chronotick.core.status import Status
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.panel import PanelSettings
from chronotick.daemon.weights import packaged_network
from chronotick.eval.accuracy.baselines import MinDelay, Regression
from chronotick.models.dual import DualModel
from chronotick.models.hold import HoldModel
from chronotick.models.longterm import forecasters
from chronotick.models.registry import short_term
from chronotick.ntp import SampleFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chronotick.core.records import Correction, Sample
    from chronotick.eval.accuracy.silences import Unanswered
    from chronotick.models.protocol import OscillatorModel

__all__ = ["MODELS", "Answer", "Contender", "contender"]

MODELS = (
    "hold", "mindelay", "regression", "kalman", "bank", "longterm", "product",
)  # fmt: skip
"""Names for `contender`: from the baselines to all that the daemon does."""

_BASELINES: Mapping[str, Callable[[], OscillatorModel]] = {
    "mindelay": MinDelay,
    "regression": Regression,
}
_NAN = float("nan")
# As many as the estimator could still hold: copying records is most of copying it.
_RECENT = 1024
_REGISTER = 0b1111_1111


class Answer(NamedTuple):
    """What an estimator says of one instant; NaN where it says nothing."""

    offset_ns: int
    """UTC − local."""
    sigma_ns: float
    hard_ns: float = _NAN
    """Half width of the hard bound."""
    calibrated_99_ns: float = _NAN
    calibrated_999_ns: float = _NAN


class Contender(Protocol):
    """An estimator under test."""

    def observe(self, sample: Sample) -> None:
        """Take in one measurement; they come in the order of their arrival."""
        ...

    def miss(self, poll: Unanswered) -> None:
        """Take in that a poll ended without a measurement; in order with these."""
        ...

    def answers(self, instants_ns: Sequence[int]) -> list[Answer | None]:
        """Say what is true at each RAW instant, if nothing more is heard; learn nothing.

        They rise, and none is before the newest sample. None where it does not know.
        """
        ...


def contender(
    name: str, servers: Sequence[str], *, are_configured: bool = False
) -> Contender:
    """Return a fresh estimator.

    Args:
        name: One of `MODELS`.
        servers: All that will be heard.
        are_configured: Whether they are known from the start, so that the product waits
            for them. Those of a recording are not: who appears in it at last must not
            be waited for at first.

    Raises:
        KeyError: there is none of that name.
    """
    if name == "product":
        return _Product(servers, are_configured=are_configured)
    if name == "hold":
        return _Model(HoldModel(), all_samples=False)
    if name in _BASELINES:
        return _Model(_BASELINES[name](), all_samples=True)
    if name == "longterm":
        kind = short_term("bank")
        model = DualModel(kind.make, forecasters(packaged_network()))
        return _Model(model, all_samples=kind.all_samples)
    kind = short_term(name)
    return _Model(kind.make(), all_samples=kind.all_samples)


class _Filters:
    """The daemon's sample filters, one a server."""

    def __init__(self) -> None:
        self._filters: dict[str, SampleFilter] = {}

    def is_useful(self, sample: Sample) -> bool:
        each = self._filters.setdefault(sample.server, SampleFilter())
        return each.add(sample).is_worth_using


class _Model:
    """An oscillator model by itself: all servers are believed, no bound is hard."""

    def __init__(self, model: OscillatorModel, *, all_samples: bool) -> None:
        self._model = model
        self._all_samples = all_samples
        self._filters = _Filters()
        self._newest_ns = 0

    def observe(self, sample: Sample) -> None:
        useful = self._filters.is_useful(sample)
        # Arrivals are in order; the middles of exchanges with several servers need not.
        if sample.raw_ns >= self._newest_ns and (useful or self._all_samples):
            self._model.observe(sample)
            self._newest_ns = sample.raw_ns

    def miss(self, poll: Unanswered) -> None:
        """Nothing: what a model believes ages by itself."""

    def answers(self, instants_ns: Sequence[int]) -> list[Answer | None]:
        return [self._answer(raw_ns) for raw_ns in instants_ns]

    def _answer(self, raw_ns: int) -> Answer | None:
        estimate = self._model.predict(raw_ns)
        if estimate is None:
            return None
        return Answer(estimate.offset_ns, sqrt(max(estimate.variance.v0, 0.0)))


class _Product:
    """The daemon's estimator, fed with exchanges as its sources would."""

    def __init__(self, servers: Sequence[str], *, are_configured: bool) -> None:
        self._network = packaged_network()
        models = PanelSettings(network=self._network)
        settings = EstimatorSettings(servers=tuple(servers), models=models)
        if not are_configured:
            # Only while some are waited for does it matter how many there are.
            settings = replace(settings, startup_grace_ns=0)
        self._estimator = Estimator(settings)
        self._filters = _Filters()
        self._recent: deque[Sample] = deque(maxlen=_RECENT)
        self._reach: dict[str, int] = {}

    def observe(self, sample: Sample) -> None:
        self._recent.append(sample)
        self._estimator.observe(
            Exchange(
                server=sample.server,
                endpoint=None,
                state="ok",
                sample=sample,
                useful=self._filters.is_useful(sample),
                reach=self._reached(sample.server, answered=True),
            )
        )
        # The daemon publishes after each answer.
        self._estimator.correction(sample.raw_ns + (sample.delay_ns + 1) // 2)

    def miss(self, poll: Unanswered) -> None:
        reach = self._reached(poll.server, answered=False)
        self._estimator.observe(
            Exchange(server=poll.server, endpoint=None, state=poll.state, reach=reach)
        )
        # It looks at what is left after each poll.
        self._estimator.correction(poll.raw_ns)

    def answers(self, instants_ns: Sequence[int]) -> list[Answer | None]:
        # Time that passes in silence lets agreement age: on a copy, for the recording
        # goes on from here. What never changes needs no copy.
        shared = {id(each): each for each in (self._network, *self._recent)}
        alone = deepcopy(self._estimator, shared)
        return [_read(alone.correction(raw_ns)) for raw_ns in instants_ns]

    def _reached(self, server: str, *, answered: bool) -> int:
        reach = (self._reach.get(server, 0) << 1 | answered) & _REGISTER
        self._reach[server] = reach
        return reach


def _read(found: Correction) -> Answer | None:
    if found.status is Status.UNKNOWN:
        return None
    sigma_ns, hard_ns = sqrt(max(found.variance.v0, 0.0)), float(found.bound_ns)
    widths = (
        min(factor * sigma_ns, hard_ns) if factor > 0.0 else _NAN
        for factor in (found.coverage_99, found.coverage_999)
    )
    return Answer(found.utc_ns - found.raw_ns, sigma_ns, hard_ns, *widths)
