"""Short-term and long-term together: one says where the clock is, one where it goes.

Decides which of the two is listened to. The long-term model only ever adds what it
expects the rate to do; while the short-term model is still learning the rate itself
(after a start, or after its past was thrown away), that is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.history import STEP_S
from chronotick.models.longterm import LongTermModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chronotick.core.records import Estimate, Sample
    from chronotick.models.longterm import Forecaster
    from chronotick.models.protocol import OscillatorModel

__all__ = ["DualModel"]

_STEP_NS = STEP_S * NS_PER_S
# A rate counts as learned again when it is nearly as certain as before its past was
# thrown away (variance), or after an hour: what the experts look at is hours.
_RELEARNED = 16.0
_HOUR_NS = 3600 * NS_PER_S


@runtime_checkable
class _Bookkeeper(Protocol):
    """A short-term model that keeps account of each server, and of surprises."""

    is_puzzled: bool

    def stray_variance(self, server: str) -> float: ...


class DualModel:
    """A short-term model and the long-term ensemble on top of it.

    Args:
        short_term: Makes the short-term model; called again by `relearn`.
        experts: The long-term experts; None: those of `longterm.forecasters`.
        external: Names of experts that run elsewhere; see `LongTermModel`.
        covariates: How many readings of its surroundings the ensemble is given.
    """

    def __init__(
        self,
        short_term: Callable[[], OscillatorModel],
        experts: Sequence[Forecaster] | None = None,
        *,
        external: Sequence[str] = (),
        covariates: int = 0,
    ) -> None:
        self._make = short_term
        self._short = short_term()
        self._books = _books(self._short)
        self.long_term = LongTermModel(
            _Current(self), experts, external=external, covariates=covariates
        )
        """The ensemble; its owner may tell it of forecasts made elsewhere."""
        self._newest_ns = 0
        self._needed = float("inf")
        self._since_ns = 0

    def observe(self, sample: Sample) -> None:
        """Take in one measurement."""
        self._short.observe(sample)
        self._newest_ns = max(self._newest_ns, sample.raw_ns)
        if self._knows_the_rate(sample.raw_ns):
            self._needed = float("inf")
            self.long_term.observe(sample)

    def predict(self, raw_ns: int) -> Estimate | None:
        """Extrapolate; the source tells whether the long-term model had a say."""
        now = self.short_term(raw_ns)
        if now is None or self._needed != float("inf"):
            return now
        late = raw_ns - self._newest_ns > _STEP_NS
        ahead = self.long_term.ahead(now, Source.GPU_MODEL if late else Source.FUSION)
        return now if _is_same(ahead, now) else ahead

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` reads high, as the short-term model has it."""
        return self._short.bias_ns(server)

    def stray_variance(self, server: str) -> float:
        """Return the variance of what neither its queues nor that bias explain, ns².

        0 where the short-term model keeps no such account.
        """
        return self._books.stray_variance(server) if self._books else 0.0

    @property
    def is_puzzled(self) -> bool:
        """Whether the next measurement tells if the newest was a spike or a jump.

        False where the short-term model can't tell them apart.
        """
        return self._books is not None and self._books.is_puzzled

    def short_term(self, raw_ns: int) -> Estimate | None:
        """Extrapolate with the short-term model alone."""
        return self._short.predict(raw_ns)

    def relearn(self, samples: Sequence[Sample]) -> None:
        """Start the short-term model again on `samples`, which are in order.

        What days have shown of the rate is kept: it is not what one server said.
        """
        before = self.short_term(self._newest_ns)
        if before is not None and self._needed == float("inf"):
            self._needed = _RELEARNED * before.variance.v2
        self._short = self._make()
        self._books = _books(self._short)
        self._since_ns = samples[0].raw_ns if samples else self._newest_ns
        for sample in samples:
            self._short.observe(sample)
        if samples and self._knows_the_rate(samples[-1].raw_ns):
            self._needed = float("inf")

    def _knows_the_rate(self, raw_ns: int) -> bool:
        now = self.short_term(raw_ns)
        if now is None:
            return False
        return now.variance.v2 <= self._needed or raw_ns - self._since_ns >= _HOUR_NS


def _books(model: OscillatorModel) -> _Bookkeeper | None:
    return model if isinstance(model, _Bookkeeper) else None


class _Current:
    """The short-term model of the moment, for the ensemble that outlives it."""

    def __init__(self, dual: DualModel) -> None:
        self._dual = dual

    def observe(self, sample: Sample) -> None:
        """Refuse: its owner feeds it."""
        raise AssertionError(f"fed twice: {sample}")

    def predict(self, raw_ns: int) -> Estimate | None:
        return self._dual.short_term(raw_ns)

    def bias_ns(self, server: str) -> float:
        return self._dual.bias_ns(server)


def _is_same(ahead: Estimate, now: Estimate) -> bool:
    return ahead.offset_ns == now.offset_ns and ahead.rate_ppb == now.rate_ppb
