"""`fusion.calibrate`: factors are wide until earned, and misses become rare."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.fusion.calibrate import HORIZONS_S, NORMAL_99, Calibrator, Coverage
from chronotick.fusion.quiet import Check
from unit.oscillators import EPOCH_NS

if TYPE_CHECKING:
    from collections.abc import Callable

SIGMA_NS = 1000.0
T_999 = 3.646
"""Two-sided 99.9 % quantile of Student's t with 30 degrees of freedom."""


def claim_at(raw_ns: int) -> Estimate:
    """Return a claim of 1 µs, whatever the age."""
    return Estimate(
        raw_ns=raw_ns,
        offset_ns=EPOCH_NS,
        rate_ppb=0.0,
        variance=Variance(SIGMA_NS**2),
        source=Source.CPU_MODEL,
    )


def measured(raw_ns: int, offset_ns: int) -> Check:
    """Return a measurement that is far better than the claims."""
    return Check(raw_ns=raw_ns, offset_ns=offset_ns, noise=1.0)


def run(
    calibrator: Calibrator, error: Callable[[], float], *, count: int, poll_s: int = 16
) -> list[bool]:
    """Claim and score in turn; return whether each 99 % interval missed."""
    missed = []
    for k in range(count):
        raw_ns = k * poll_s * NS_PER_S
        error_ns = error()
        factor = calibrator.coverage(float(poll_s)).factor_99
        missed.append(abs(error_ns) > factor * SIGMA_NS)
        calibrator.score(measured(raw_ns, EPOCH_NS + round(error_ns)))
        calibrator.claim(claim_at(raw_ns))
    return missed


def test_the_first_interval_is_wide() -> None:
    """With nothing checked, several times the least factor, and it says so."""
    coverage = Calibrator().coverage(1.0)
    assert coverage.factor_99 >= 3.0 * NORMAL_99
    assert coverage.factor_999 >= 6.0 * T_999
    assert coverage.factor_999 >= coverage.factor_99
    assert coverage.scores == 0


def test_an_honest_sigma_earns_the_least_factor() -> None:
    """Normal errors of the stated size: the normal's 99 %, and t's 99.9 %."""
    rng = random.Random(1)
    calibrator = Calibrator()
    run(calibrator, lambda: rng.gauss(0.0, SIGMA_NS), count=3000)
    coverage = calibrator.coverage(16.0)
    assert coverage.factor_99 == pytest.approx(NORMAL_99, rel=0.1)
    assert coverage.factor_999 == pytest.approx(T_999, rel=0.05)
    assert coverage.scores > 2000


@pytest.mark.parametrize("seed", range(3))
def test_a_boastful_sigma_is_corrected(seed: int) -> None:
    """Errors five times as large: after learning, about 1 % miss."""
    rng = random.Random(seed)
    calibrator = Calibrator()
    missed = run(calibrator, lambda: rng.gauss(0.0, 5.0 * SIGMA_NS), count=5000)
    rate = sum(missed[1500:]) / 3500
    assert 0.003 <= rate <= 0.02
    assert 10.0 <= calibrator.coverage(16.0).factor_99 <= 17.0


def test_horizons_learn_apart() -> None:
    """A claim that goes bad within the hour widens the hour, not the minute."""
    calibrator = Calibrator()
    for k in range(2000):
        raw_ns = k * 60 * NS_PER_S
        # Wanders by 100 sigmas over an hour and comes back.
        drifting_ns = 100.0 * SIGMA_NS * abs((k % 120) / 60.0 - 1.0)
        offset_ns = EPOCH_NS + round(drifting_ns)
        calibrator.score(measured(raw_ns, offset_ns))
        claim = claim_at(raw_ns)
        calibrator.claim(
            Estimate(
                raw_ns=raw_ns,
                offset_ns=offset_ns,
                rate_ppb=0.0,
                variance=claim.variance,
                source=claim.source,
            )
        )
    assert calibrator.coverage(64.0).factor_99 < 10.0
    assert calibrator.coverage(3600.0).factor_99 > 50.0


def test_a_horizon_ends_with_its_own_age() -> None:
    """A minute is a minute's, the next instant the next one's; the last has no end."""
    rng = random.Random(9)
    calibrator = Calibrator()
    run(calibrator, lambda: rng.gauss(0.0, SIGMA_NS), count=4000, poll_s=32)
    found = [calibrator.coverage(horizon_s) for horizon_s in HORIZONS_S]
    assert len({each.scores for each in found}) == len(HORIZONS_S)
    for horizon_s, later in zip(HORIZONS_S, [*found[1:], found[-1]], strict=True):
        assert calibrator.coverage(math.nextafter(horizon_s, math.inf)) == later


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=10**14),
            st.integers(min_value=-(10**18), max_value=10**18),
            st.floats(min_value=0.0, max_value=1e24),
        ),
        max_size=40,
    )
)
def test_factors_are_sane_whatever_comes(
    exchanges: list[tuple[int, int, float]],
) -> None:
    """Never below the normal quantile, never falling with the level."""
    calibrator = Calibrator()
    for raw_ns, offset_ns, noise in sorted(exchanges):
        calibrator.score(Check(raw_ns, offset_ns, noise))
        calibrator.claim(claim_at(raw_ns))
    found = [calibrator.coverage(horizon_s) for horizon_s in HORIZONS_S]
    assert all(NORMAL_99 <= each.factor_99 <= each.factor_999 for each in found)


@pytest.mark.parametrize(
    ("outcomes", "student_99", "student_999"),
    [(2, 4.604, 10.09), (4, 3.707, 6.869), (13, 2.947, 4.587), (98, 2.626, 3.766)],
)
def test_few_independent_outcomes_widen_as_in_students_t(
    outcomes: int, student_99: float, student_999: float
) -> None:
    """Two degrees of freedom more than outcomes, at 99.9 % in parallel with thirty.

    Eight claims and checks an hour: an hour has one outcome, whatever their number.
    """
    calibrator = Calibrator()
    for k in range(8 * outcomes + 1):
        raw_ns = k * 450 * NS_PER_S
        calibrator.score(measured(raw_ns, EPOCH_NS))
        calibrator.claim(claim_at(raw_ns))
    coverage = calibrator.coverage(3600.0)
    assert coverage.factor_99 == pytest.approx(student_99, rel=0.08)
    assert coverage.factor_999 == pytest.approx(student_999, rel=0.08)


def test_a_horizon_below_the_polls_borrows() -> None:
    """At slow polls nothing checks a minute; the hour's record speaks for it."""
    calibrator = Calibrator()
    rng = random.Random(6)
    run(calibrator, lambda: rng.gauss(0.0, 5.0 * SIGMA_NS), count=800, poll_s=1024)
    minute, hour = calibrator.coverage(30.0), calibrator.coverage(3600.0)
    assert minute == hour
    assert minute.factor_99 > 8.0
    assert minute.scores > 300


def test_forgotten_claims_are_not_scored() -> None:
    """After a jump the old claims say nothing; the factors stay."""
    rng = random.Random(7)
    calibrator = Calibrator()
    run(calibrator, lambda: rng.gauss(0.0, 5.0 * SIGMA_NS), count=800)
    before = calibrator.coverage(16.0)
    calibrator.forget_claims()
    calibrator.score(measured(801 * 16 * NS_PER_S, EPOCH_NS + 10**9))
    assert calibrator.coverage(16.0) == before


def test_hours_that_nothing_has_checked_are_claimed_wide() -> None:
    """Ten minutes of good minutes say little of eight hours, at either level.

    Whoever is left alone has at least what whoever asks again then would be told.
    """
    rng = random.Random(8)
    calibrator = Calibrator()
    run(calibrator, lambda: rng.gauss(0.0, SIGMA_NS), count=400, poll_s=2)
    coverage = calibrator.coverage(16.0)
    plain = Variance(SIGMA_NS**2, 0.0, 1.0, 0.0)
    wide = calibrator.stretched(plain, 16.0, coverage)
    assert wide.at(64.0) < 8.0 * plain.at(64.0)
    for horizon_s in (3600.0, 28_800.0):
        stretched, then = wide.at(horizon_s), plain.at(horizon_s)
        assert coverage.factor_99**2 * stretched >= 8.0**2 * then
        assert coverage.factor_999**2 * stretched >= 20.0**2 * then


@given(
    st.floats(min_value=0.0, max_value=30_000.0),
    st.floats(min_value=1.0, max_value=50.0),
    st.tuples(*[st.floats(min_value=0.0, max_value=1e6)] * 4),
)
def test_stretching_never_narrows(
    age_s: float, factor: float, terms: tuple[float, float, float, float]
) -> None:
    """At any later age, the stretched claim is at least as wide as the plain one."""
    plain = Variance(*terms)
    wide = Calibrator().stretched(plain, age_s, Coverage(factor, factor, 1))
    for later_s in (0.0, 1.0, 100.0, 5000.0, 90_000.0):
        assert wide.at(later_s) >= plain.at(later_s)
