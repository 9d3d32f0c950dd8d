"""The imagined oscillator: exact inverse, fixed by its seed, noisy as specified."""

from __future__ import annotations

import random
from math import log2, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.sim.oscillator import Oscillator
from chronotick.sim.specs import (
    Jump,
    OscillatorSpec,
    RateStep,
    Stop,
    TemperatureSpec,
)

BUSY = OscillatorSpec(
    rate_ppb=-18_000.0,
    white_fm_ppb=2.0,
    flicker_fm_ppb=0.5,
    random_walk_ppb=1.0,
    aging_ppb_per_day=30.0,
    temperature=TemperatureSpec(ppb_per_c=40.0, diurnal_c=3.0, hvac_c=1.0, load_c=8.0),
    rate_steps=(RateStep(at_s=100.25, by_ppb=5_000.0),),
    jumps=(Jump(at_s=200.5, by_s=0.020),),
    suspends=(Stop(at_s=300.0, for_s=40.0),),
    stalls=(Stop(at_s=500.75, for_s=0.3),),
)
QUIET = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=0.0)
HOUR_NS = 3600 * NS_PER_S

instants = st.integers(0, 700 * NS_PER_S)


def still(**changes: object) -> Oscillator:
    """Return a noiseless oscillator."""
    spec = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=0.0, **changes)  # type: ignore[arg-type]
    return Oscillator(spec, seed=1, name="host")


busy = Oscillator(BUSY, seed=5, name="host")


@given(instants)
def test_the_inverse_gives_the_last_instant_of_a_reading(true_ns: int) -> None:
    """`true_ns` is the latest instant at which RAW read no more than the argument."""
    raw_ns = busy.raw_ns(true_ns)
    back_ns = busy.true_ns(raw_ns)

    assert back_ns >= true_ns
    assert busy.raw_ns(back_ns) == raw_ns
    assert busy.raw_ns(back_ns + 1) > raw_ns


@given(instants)
def test_the_inverse_is_defined_where_raw_leapt_over_a_reading(raw_ns: int) -> None:
    """Readings that never occurred map to the instant before the leap."""
    back_ns = busy.true_ns(raw_ns)

    assert busy.raw_ns(back_ns) <= raw_ns < busy.raw_ns(back_ns + 1)


@given(instants, instants)
def test_raw_never_goes_back(a_ns: int, b_ns: int) -> None:
    """RAW is monotone, whatever happens to the host."""
    first, second = sorted((a_ns, b_ns))

    assert busy.raw_ns(first) <= busy.raw_ns(second)


@settings(max_examples=20)
@given(st.lists(instants, min_size=1, max_size=20))
def test_the_order_of_questions_changes_no_answer(asked: list[int]) -> None:
    """Two oscillators of one seed agree, however they were asked before."""
    fresh = Oscillator(BUSY, seed=5, name="host")

    assert [busy.raw_ns(t) for t in asked] == [fresh.raw_ns(t) for t in asked]


def test_asking_for_readings_first_changes_no_answer() -> None:
    """Generation through the inverse is the same generation."""
    fresh = Oscillator(BUSY, seed=5, name="host")

    assert fresh.true_ns(600 * NS_PER_S) == busy.true_ns(600 * NS_PER_S)
    assert fresh.raw_ns(650 * NS_PER_S) == busy.raw_ns(650 * NS_PER_S)


@pytest.mark.parametrize(("seed", "name"), [(6, "host"), (5, "other")])
def test_another_seed_or_host_is_another_clock(seed: int, name: str) -> None:
    """Noise is independent between seeds and hosts."""
    other = Oscillator(BUSY, seed=seed, name=name)

    assert other.raw_ns(HOUR_NS) != busy.raw_ns(HOUR_NS)


def test_a_positive_rate_is_a_slow_clock() -> None:
    """The sign is the project's: UTC − RAW grows at `rate_ppb` of RAW."""
    clock = still(rate_ppb=50_000.0)
    raw_ns = clock.raw_ns(HOUR_NS)

    assert HOUR_NS - raw_ns == pytest.approx(raw_ns * 50e-6, abs=2)
    assert clock.rate_ppb(0, over_s=3600.0) == pytest.approx(50_000.0, abs=0.01)


def test_nothing_is_lost_to_rounding() -> None:
    """After ten hours of whole nanoseconds a second, the sum is right to one."""
    clock = still(rate_ppb=0.37)

    assert 10 * HOUR_NS - clock.raw_ns(10 * HOUR_NS) == pytest.approx(13_320, abs=1)


def test_a_rate_step_takes_effect_at_its_instant() -> None:
    """Not at the next grid point: the clock bends where the event is."""
    clock = still(rate_steps=(RateStep(at_s=10.5, by_ppb=1_000_000.0),))

    assert clock.raw_ns(10_500_000_000) == 10_500_000_000
    assert clock.raw_ns(11_500_000_000) == pytest.approx(11_499_001_000, abs=2)


def test_a_jump_leaps_at_its_instant() -> None:
    """RAW reads the leap from its instant on and not a nanosecond earlier."""
    clock = still(jumps=(Jump(at_s=5.0, by_s=1.0),))

    assert clock.raw_ns(5 * NS_PER_S - 1) == 5 * NS_PER_S - 1
    assert clock.raw_ns(5 * NS_PER_S) == 6 * NS_PER_S
    assert clock.true_ns(5_500_000_000) == 5 * NS_PER_S - 1


def test_a_stopped_host_reads_the_same_for_the_whole_stop() -> None:
    """RAW stands still; the reading belongs to the end of the stop."""
    clock = still(suspends=(Stop(at_s=5.0, for_s=100.0),))

    assert clock.raw_ns(5 * NS_PER_S) == clock.raw_ns(105 * NS_PER_S) == 5 * NS_PER_S
    assert clock.raw_ns(106 * NS_PER_S) == 6 * NS_PER_S
    assert clock.true_ns(5 * NS_PER_S) == 105 * NS_PER_S


def test_what_falls_into_a_stop_happens_on_waking() -> None:
    """An event while the clock stands still is neither lost nor waited for."""
    clock = still(
        suspends=(Stop(at_s=5.0, for_s=10.0),), jumps=(Jump(at_s=8.0, by_s=1.0),)
    )

    assert clock.raw_ns(14 * NS_PER_S) == 5 * NS_PER_S
    assert clock.raw_ns(15 * NS_PER_S) == 6 * NS_PER_S


def test_before_the_start_there_is_nothing() -> None:
    """Both directions refuse what lies before the world's start."""
    clock = still()

    with pytest.raises(ValueError, match="starts at 0"):
        clock.raw_ns(-1)
    with pytest.raises(ValueError, match="starts at 0"):
        clock.true_ns(-1)


def allan_ppb(clock: Oscillator, tau_s: int, cells: int) -> float:
    """Return the overlapping Allan deviation at `tau_s` over `cells` seconds."""
    x = [clock.raw_ns(i * NS_PER_S) - i * NS_PER_S for i in range(cells + 1)]
    m = tau_s
    second = [x[i + 2 * m] - 2 * x[i + m] + x[i] for i in range(len(x) - 2 * m)]
    return sqrt(sum(d * d for d in second) / (2 * len(second))) / tau_s


@pytest.mark.parametrize("tau_s", [1, 16, 256])
def test_white_fm_has_the_specified_allan_deviation(tau_s: int) -> None:
    """σ(τ) = σ(1 s) / √τ."""
    spec = OscillatorSpec(white_fm_ppb=20.0, random_walk_ppb=0.0)
    clock = Oscillator(spec, seed=2, name="white")

    expected = 20.0 / sqrt(tau_s)
    assert allan_ppb(clock, tau_s, 20_000) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("tau_s", [4, 32, 256])
def test_flicker_fm_is_a_floor_of_the_allan_deviation(tau_s: int) -> None:
    """σ(τ) is flat where the stages cover it."""
    spec = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=0.0, flicker_fm_ppb=50.0)
    clock = Oscillator(spec, seed=2, name="flicker")

    ratio = allan_ppb(clock, tau_s, 20_000) / 50.0
    assert abs(log2(ratio)) < 0.6


@pytest.mark.parametrize("tau_s", [64, 256])
def test_random_walk_fm_has_the_specified_allan_deviation(tau_s: int) -> None:
    """σ(τ) = q √(τ / 3) for a walk of q ppb/√s."""
    spec = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=3.0)
    clock = Oscillator(spec, seed=4, name="walk")

    expected = 3.0 * sqrt(tau_s / 3.0)
    assert allan_ppb(clock, tau_s, 30_000) == pytest.approx(expected, rel=0.3)


def test_aging_is_a_line_of_rate() -> None:
    """After a day the rate has changed by what was specified."""
    clock = still(aging_ppb_per_day=200.0, grid_s=60.0)

    assert clock.rate_ppb(86_400 * NS_PER_S, over_s=600.0) == pytest.approx(
        200.0, abs=1
    )


def test_the_day_swings_the_rate_by_coefficient_times_amplitude() -> None:
    """Extremes lie a quarter and three quarters of a day after the rising mean."""
    weather = TemperatureSpec(
        ppb_per_c=50.0, diurnal_c=4.0, diurnal_phase=0.0, lag_s=0.0
    )
    clock = still(temperature=weather, grid_s=60.0)

    quarter_ns = 21_600 * NS_PER_S
    assert clock.rate_ppb(quarter_ns, over_s=60.0) == pytest.approx(200.0, abs=1)
    assert clock.rate_ppb(3 * quarter_ns, over_s=60.0) == pytest.approx(-200.0, abs=1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([BUSY, QUIET, OscillatorSpec()]))
def test_any_seed_round_trips(seed: int, spec: OscillatorSpec) -> None:
    """The exactness does not depend on the noise drawn."""
    clock = Oscillator(spec, seed=seed, name="any")
    for true_ns in random.Random(seed).sample(range(600 * NS_PER_S), 20):
        raw_ns = clock.raw_ns(true_ns)
        assert clock.raw_ns(clock.true_ns(raw_ns)) == raw_ns
