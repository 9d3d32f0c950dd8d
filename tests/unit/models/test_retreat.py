"""`models.retreat`: filters stay as they were kept, and age as a clock does."""

from __future__ import annotations

from chronotick.core.units import NS_PER_S
from chronotick.models.filters import FilterBank, Measurement
from chronotick.models.grid import BankTuning
from chronotick.models.retreat import Retreat


def learned(count: int = 20) -> FilterBank:
    """Return filters that have seen a clock stand still, every 16 s."""
    filters = FilterBank(BankTuning())
    filters.begin(1e12)
    for _ in range(count):
        filters.update(16.0, Measurement(0.0, 10_000.0, 100.0))
    return filters


def test_what_is_learned_later_is_not_in_it() -> None:
    """Neither by the filters that go on, nor by those that went back to it once."""
    filters = learned()
    before = filters.mixture()
    retreat = Retreat.of(filters, before, 0)
    for going_on in (filters, retreat.again()):
        going_on.update(16.0, Measurement(5_000.0, 10_000.0, 100.0))
        assert going_on.mixture() != before
    assert retreat.again().mixture() == before


def test_the_longer_the_detour_the_less_it_is_worth() -> None:
    """Surer than a millisecond for minutes, and for a day not."""
    filters = learned()
    retreat = Retreat.of(filters, filters.mixture(), 1000 * NS_PER_S)
    assert retreat.is_surer(1600 * NS_PER_S, 1e12)
    assert not retreat.is_surer(86_400 * NS_PER_S, 1e12)
    assert not retreat.is_surer(1000 * NS_PER_S, retreat.believed.variance.v0)
