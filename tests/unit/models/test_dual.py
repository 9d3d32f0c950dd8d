"""`models.dual`: the long-term model has a say when it knows, and never before."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.bank import BankModel
from chronotick.models.dual import DualModel
from chronotick.models.kalman import KalmanModel
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from chronotick.core.records import Estimate, Sample

DAY_S = 86_400
POLL_S = 64


def diurnal(at_s: float) -> int:
    """UTC − RAW of a clock whose rate swings by 100 ppb with the day."""
    turn = 2.0 * math.pi / DAY_S
    return EPOCH_NS + round(12_000.0 * at_s + 100.0 / turn * math.sin(turn * at_s))


def observed(days: float) -> list[Sample]:
    """Return quiet measurements of that clock."""
    return [
        sample(
            k * POLL_S * NS_PER_S,
            diurnal(k * POLL_S) + (k * 7919 % 200 - 100),
            delay_ns=1_000_000 + k * 104_729 % 500,
        )
        for k in range(int(days * DAY_S / POLL_S))
    ]


def error_ns(estimate: Estimate | None) -> float:
    """Return how far an estimate is off."""
    assert estimate is not None
    return abs(estimate.offset_ns - diurnal(estimate.raw_ns / NS_PER_S))


@pytest.fixture(scope="module")
def taught() -> tuple[DualModel, BankModel, list[Sample]]:
    """Both models after two and a quarter days, where the rate falls fastest."""
    dual, bank, samples = DualModel(BankModel), BankModel(), observed(2.25)
    for each in samples:
        dual.observe(each)
        bank.observe(each)
    return dual, bank, samples


def test_days_of_history_carry_through_an_outage(
    taught: tuple[DualModel, BankModel, list[Sample]],
) -> None:
    """Four hours ahead on a diurnal clock: at most half of the short-term error."""
    dual, bank, samples = taught
    ahead_ns = samples[-1].raw_ns + 4 * 3600 * NS_PER_S
    assert error_ns(dual.predict(ahead_ns)) < 0.5 * error_ns(bank.predict(ahead_ns))


def test_the_source_says_who_spoke(
    taught: tuple[DualModel, BankModel, list[Sample]],
) -> None:
    """Together at first, the long-term model where nothing is measured any more."""
    dual, _, samples = taught
    newest_ns = samples[-1].raw_ns
    soon, late = (dual.predict(newest_ns + s * NS_PER_S) for s in (60, 3600))
    assert soon is not None
    assert late is not None
    assert (soon.source, late.source) == (Source.FUSION, Source.GPU_MODEL)
    young = DualModel(BankModel)
    for each in samples[:20]:
        young.observe(each)
    alone = young.predict(samples[20].raw_ns)
    assert alone is not None
    assert alone.source is Source.CPU_MODEL


def test_without_experts_it_is_the_short_term_model() -> None:
    """To the last bit."""
    dual, bank = DualModel(BankModel, experts=()), BankModel()
    for each in observed(0.2):
        dual.observe(each)
        bank.observe(each)
    assert dual.predict(DAY_S * NS_PER_S) == bank.predict(DAY_S * NS_PER_S)


def test_relearning_keeps_what_days_have_shown() -> None:
    """The short-term model starts again on other samples; an outage is still foreseen."""
    samples = observed(2.25)
    dual, bank = DualModel(BankModel), BankModel()
    for each in samples:
        dual.observe(each)
    dual.relearn(samples[-200:])
    for each in samples[-200:]:
        bank.observe(each)
    ahead_ns = samples[-1].raw_ns + 4 * 3600 * NS_PER_S
    assert error_ns(dual.predict(ahead_ns)) < 0.6 * error_ns(bank.predict(ahead_ns))


def test_a_rate_that_is_still_unknown_is_no_history() -> None:
    """Relearning on three samples: the short-term model speaks alone until it knows."""
    samples = observed(1.5)
    dual = DualModel(BankModel)
    for each in samples[:-100]:
        dual.observe(each)
    dual.relearn(samples[-100:-97])
    sources = []
    for before, each in pairwise(samples[-98:]):
        assert before.raw_ns < each.raw_ns
        dual.observe(each)
        estimate = dual.predict(each.raw_ns)
        assert estimate is not None
        sources.append(estimate.source)
    assert sources[0] is Source.CPU_MODEL
    assert sources[-1] is Source.FUSION


def test_a_server_that_scatters_is_known_by_it() -> None:
    """One of two is off by 1 ms at random; a model that keeps no account says nothing."""
    dual, other = DualModel(BankModel), DualModel(KalmanModel)
    for k in range(400):
        raw_ns = k * POLL_S * NS_PER_S
        for name, off_ns in (("a", 0), ("b", (-1) ** (k * k // 3) * 1_000_000)):
            at_ns = raw_ns + (name == "b") * NS_PER_S
            true_ns = diurnal(at_ns / NS_PER_S)
            for model in (dual, other):
                model.observe(sample(at_ns, true_ns + off_ns, server=name))
    assert math.sqrt(dual.stray_variance("b")) == pytest.approx(1e6, rel=0.3)
    assert math.sqrt(dual.stray_variance("a")) < 100_000
    assert dual.stray_variance("stranger") == 0.0
    assert other.stray_variance("b") == 0.0


@pytest.mark.parametrize("before_s", [100, 130])
def test_leaps_at_a_full_ten_minutes_are_not_remembered_as_a_rate(
    before_s: int,
) -> None:
    """By 0.1 ms, then by 0.9: for a moment that is a rate, and never again."""
    leap_s = 6 * 3600 - before_s
    dual = DualModel(BankModel)
    for k in range(8 * 3600 // POLL_S):
        at_s = k * POLL_S
        leapt_ns = 100_000 * (at_s > leap_s) + 900_000 * (at_s > leap_s + 62)
        noise_ns = k * 7919 % 200 - 100
        dual.observe(
            sample(
                at_s * NS_PER_S,
                EPOCH_NS + 12_000 * at_s - leapt_ns + noise_ns,
                delay_ns=100_000 + k * 104_729 % 500,
            )
        )
        if at_s > leap_s + 1800:
            soon_ns = (at_s + POLL_S) * NS_PER_S
            told, alone = dual.predict(soon_ns), dual.short_term(soon_ns)
            assert told is not None
            assert alone is not None
            assert abs(told.offset_ns - alone.offset_ns) < 5000
