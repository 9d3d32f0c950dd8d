"""`models.kalman`: learns offset and rate, claims no more than it knows."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models import HoldModel, KalmanModel
from unit.oscillators import EPOCH_NS, sample

QUIET_PATH_NS = 1_000_000


def feed(
    model: KalmanModel,
    rng: random.Random,
    *,
    count: int,
    rate_ppb: float = 20_000.0,
    poll_s: int = 16,
    jitter_ns: float = 20_000.0,
) -> int:
    """Feed a linear clock through a path with one-sided queueing; return the end."""
    raw_ns = 0
    for k in range(count):
        raw_ns = k * poll_s * NS_PER_S
        there_ns = rng.expovariate(1 / jitter_ns)
        back_ns = rng.expovariate(1 / jitter_ns)
        truth_ns = EPOCH_NS + round(raw_ns * rate_ppb / 1e9)
        model.observe(
            sample(
                raw_ns,
                truth_ns + round((there_ns - back_ns) / 2),
                delay_ns=QUIET_PATH_NS + round(there_ns + back_ns),
            )
        )
    return raw_ns


def test_nothing_is_said_before_the_third_sample() -> None:
    """Two samples are hold's business; after the third there is an estimate."""
    model = KalmanModel()
    assert math.isinf(model.rate_sd_ppb)
    for k in range(3):
        assert model.predict(k * NS_PER_S) is None
        model.observe(sample(k * NS_PER_S, EPOCH_NS))
    assert model.predict(3 * NS_PER_S) is not None


def test_the_first_answers_are_as_wide_as_physics_allows() -> None:
    """Three equal answers within a second: sigma still covers the path's asymmetry."""
    model = KalmanModel()
    for k in range(3):
        model.observe(sample(k * NS_PER_S // 3, EPOCH_NS, delay_ns=QUIET_PATH_NS))
    estimate = model.predict(NS_PER_S)
    assert estimate is not None
    assert abs(estimate.offset_ns - EPOCH_NS) < QUIET_PATH_NS // 2
    assert estimate.variance.v0**0.5 >= QUIET_PATH_NS / 2 / math.sqrt(3) / math.sqrt(3)
    assert estimate.variance.at(100.0) ** 0.5 >= 100.0 * 90_000
    assert estimate.source is Source.CPU_MODEL


@pytest.mark.parametrize("seed", range(5))
def test_a_linear_clock_is_learned(seed: int) -> None:
    """After an hour: rate within 50 ppb, offset within 10 µs, sigma tells as much."""
    model = KalmanModel()
    end_ns = feed(model, random.Random(seed), count=226)
    estimate = model.predict(end_ns)
    assert estimate is not None
    error_ns = estimate.offset_ns - (EPOCH_NS + round(end_ns * 20_000 / 1e9))
    assert abs(error_ns) < 10_000
    assert abs(estimate.rate_ppb - 20_000) < 50
    assert abs(error_ns) < 4 * estimate.variance.v0**0.5


def test_claimed_spread_covers_the_errors_of_many_clocks() -> None:
    """Over 200 clocks, at least 95 % of the errors are within two sigma, at any age."""
    within: dict[float, int] = {0.0: 0, 64.0: 0, 600.0: 0}
    for seed in range(200):
        model = KalmanModel()
        end_ns = feed(model, random.Random(1000 + seed), count=40)
        for ahead_s in within:
            at_ns = end_ns + round(ahead_s * NS_PER_S)
            estimate = model.predict(at_ns)
            assert estimate is not None
            truth_ns = EPOCH_NS + round(at_ns * 20_000 / 1e9)
            error_ns = estimate.offset_ns - truth_ns
            within[ahead_s] += abs(error_ns) <= 2 * estimate.variance.v0**0.5
    assert min(within.values()) >= 190


@given(st.integers(-(2**60), 2**60), st.integers(0, 2**32))
def test_a_constant_added_to_every_offset_is_added_to_the_answer(
    constant_ns: int, seed: int
) -> None:
    """Translation invariance, to the nanosecond: no threshold on |offset| anywhere."""
    rng = random.Random(seed)
    plain, moved = KalmanModel(), KalmanModel()
    for k in range(20):
        offset_ns = rng.randrange(-1_000_000, 1_000_000)
        delay_ns = rng.randrange(100_000, 10_000_000)
        raw_ns = k * 16 * NS_PER_S
        plain.observe(sample(raw_ns, offset_ns, delay_ns=delay_ns))
        moved.observe(sample(raw_ns, offset_ns + constant_ns, delay_ns=delay_ns))
    here, there = plain.predict(400 * NS_PER_S), moved.predict(400 * NS_PER_S)
    assert here is not None
    assert there is not None
    assert there.offset_ns - here.offset_ns == constant_ns
    assert there.variance == here.variance


def test_one_spike_of_any_size_moves_it_no_more_than_its_own_doubt() -> None:
    """A 630 ms spike with a short delay shifts the offset by less than 4 sigma."""
    model = KalmanModel()
    end_ns = feed(model, random.Random(1), count=100)
    next_ns = end_ns + 16 * NS_PER_S
    before = model.predict(next_ns)
    assert before is not None
    model.observe(sample(next_ns, before.offset_ns + 630_000_000))
    after = model.predict(next_ns)
    assert after is not None
    moved_ns = abs(after.offset_ns - before.offset_ns)
    assert moved_ns < 4 * before.variance.v0**0.5


def test_a_jump_that_stays_is_followed() -> None:
    """Four surprises of one sign in a row are a jump: the filter begins again."""
    model = KalmanModel()
    end_ns = feed(model, random.Random(2), count=100, rate_ppb=0.0)
    for k in range(1, 5):
        model.observe(sample(end_ns + k * 16 * NS_PER_S, EPOCH_NS + 50_000_000))
    assert model.sample_count == 1
    for k in range(5, 7):
        model.observe(sample(end_ns + k * 16 * NS_PER_S, EPOCH_NS + 50_000_000))
    estimate = model.predict(end_ns + 6 * 16 * NS_PER_S)
    assert estimate is not None
    assert abs(estimate.offset_ns - EPOCH_NS - 50_000_000) < 1_000_000


@given(st.integers(3, 300), st.integers(0, 10_000_000), st.integers(0, 64 * NS_PER_S))
def test_the_covariance_stays_possible(count: int, delay_ns: int, gap_ns: int) -> None:
    """No gap, not even none, and no delay makes a variance negative or not finite."""
    model = KalmanModel()
    for k in range(count):
        model.observe(sample(k * gap_ns, 0, delay_ns=delay_ns))
    estimate = model.predict(count * gap_ns + NS_PER_S)
    assert estimate is not None
    for age_s in (0.0, 1.0, 3600.0):
        spread = estimate.variance.at(age_s)
        assert math.isfinite(spread)
        assert spread > 0.0


def test_ten_thousand_identical_samples_do_not_buy_certainty() -> None:
    """A constant asymmetry never shows, so sigma stays above the prior for it."""
    model = KalmanModel()
    for k in range(10_000):
        model.observe(sample(k * 16 * NS_PER_S, 0, delay_ns=10_000_000))
    estimate = model.predict(10_000 * 16 * NS_PER_S)
    assert estimate is not None
    assert estimate.variance.v0**0.5 >= 1_000_000


def test_samples_from_the_past_are_ignored() -> None:
    """The filter runs forwards only."""
    model = KalmanModel()
    end_ns = feed(model, random.Random(3), count=10)
    before = model.predict(end_ns)
    model.observe(sample(end_ns - 1, EPOCH_NS + NS_PER_S))
    assert model.predict(end_ns) == before


def test_a_far_server_counts_less_than_a_near_one() -> None:
    """Two servers that disagree within their bounds: the answer is near the nearer."""
    model = KalmanModel()
    for k in range(100):
        raw_ns = 2 * k * 8 * NS_PER_S
        model.observe(sample(raw_ns, EPOCH_NS, server="near", delay_ns=200_000))
        model.observe(
            sample(
                raw_ns + 8 * NS_PER_S,
                EPOCH_NS + 3_000_000,
                server="far",
                delay_ns=40_000_000,
            )
        )
    estimate = model.predict(200 * 8 * NS_PER_S)
    assert estimate is not None
    assert abs(estimate.offset_ns - EPOCH_NS) < 100_000


@given(st.integers(0, 10**13), st.integers(0, 100_000_000))
def test_hold_keeps_the_newest_offset_and_widens_with_the_oscillators_tolerance(
    age_ns: int, delay_ns: int
) -> None:
    """The baseline: rate zero, spread from the half width and the prior's rate."""
    model = HoldModel()
    assert model.predict(0) is None
    held = sample(0, EPOCH_NS, delay_ns=delay_ns)
    model.observe(held)
    estimate = model.predict(age_ns)
    assert estimate is not None
    assert (estimate.offset_ns, estimate.rate_ppb) == (EPOCH_NS, 0.0)
    assert estimate.source is Source.NTP
    expected = held.half_width_ns**2 / 3 + (500_000 * age_ns / 1e9) ** 2 / 3
    assert estimate.variance.v0 == pytest.approx(expected)
