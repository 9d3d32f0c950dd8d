"""Allan deviation and MTIE, against numbers that others have published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy.stability import (
    Series,
    allan_deviation,
    even_series,
    factors,
    mtie,
)


def riley_phase() -> np.ndarray:
    """Phase of the 1000-point frequency set of NIST SP 1065 §12.4, in ns."""
    values = [1_234_567_890]
    while len(values) < 1000:
        values.append(16_807 * values[-1] % 2_147_483_647)
    frequency = np.array(values) / 2_147_483_647
    return 1e9 * np.concatenate(([0.0], np.cumsum(frequency)))


@pytest.mark.parametrize(
    ("factor", "deviation"),
    [(1, 2.922319e-1), (10, 9.159953e-2), (100, 3.241343e-2)],
)
def test_allan_deviation_is_that_of_the_nist_test_suite(
    factor: int, deviation: float
) -> None:
    """NIST SP 1065 §12.4: overlapping Allan deviation of the 1000-point set."""
    found = allan_deviation(Series(0.0, 1.0, riley_phase()), factor)

    assert found is not None
    assert deviation == pytest.approx(found.value, rel=5e-7)


def test_allan_deviation_is_that_of_the_nbs_set_of_nine() -> None:
    """NBS Monograph 140, Annex 8.E: 91.22945 at 1 s, 85.95287 overlapping at 2 s."""
    frequency = [892.0, 809.0, 823.0, 798.0, 671.0, 644.0, 883.0, 903.0, 677.0]
    series = Series(0.0, 1.0, 1e9 * np.concatenate(([0.0], np.cumsum(frequency))))

    found = [allan_deviation(series, factor) for factor in (1, 2)]

    assert pytest.approx([p.value for p in found if p]) == [91.22945, 85.95287]


@given(
    offset=st.floats(-1e6, 1e6), slope=st.floats(-1e3, 1e3), factor=st.integers(1, 16)
)
def test_constant_phase_and_frequency_do_not_enter(
    offset: float, slope: float, factor: int
) -> None:
    """A clock that is wrong in a constant way is perfectly stable."""
    noise = np.random.default_rng(3).normal(0.0, 10.0, 64)
    quiet, moved = Series(0.0, 16.0, noise), Series(
        0.0, 16.0, noise + offset + slope * np.arange(64)
    )  # fmt: skip

    one, other = allan_deviation(quiet, factor), allan_deviation(moved, factor)

    assert one is not None
    assert other is not None
    assert one.value == pytest.approx(other.value, rel=1e-4)


@given(
    phase=st.lists(st.floats(-1e9, 1e9), min_size=8, max_size=70).map(np.array),
    factor=st.integers(1, 60),
)
def test_mtie_is_the_largest_swing_within_any_window(
    phase: np.ndarray, factor: int
) -> None:
    """As ITU-T G.810 defines it, window by window, the slow way."""
    found = mtie(Series(0.0, 2.0, phase), factor)

    windows = [phase[k : k + factor + 1] for k in range(phase.size - factor)]
    if len(windows) < 3:
        assert found is None
        return
    assert found is not None
    assert max(float(np.ptp(window)) for window in windows) == found.value
    assert (2.0 * factor, len(windows)) == (found.tau_s, found.terms)


def test_too_few_phases_have_no_deviation() -> None:
    """Fewer than three differences are not a statistic."""
    series = Series(0.0, 1.0, np.arange(6.0))

    assert allan_deviation(series, 2) is None
    assert even_series(np.arange(3.0), np.zeros(3)) is None


def test_rows_come_onto_an_even_grid_of_the_longest_stretch() -> None:
    """A gap ends a stretch; a missing row is bridged by a line."""
    t_s = np.concatenate((np.arange(0.0, 50.0, 10.0), np.arange(1000.0, 2000.0, 10.0)))
    t_s = np.delete(t_s, 20)

    found = even_series(t_s, 3.0 * t_s)

    assert found is not None
    assert (found.begin_s, found.step_s, found.phase_ns.size) == (1000.0, 10.0, 100)
    assert 3.0 * np.arange(1000.0, 2000.0, 10.0) == pytest.approx(found.phase_ns)


def test_rows_that_are_all_apart_are_no_series() -> None:
    """Nothing is invented between lonely rows."""
    t_s = np.array([0.0, 1.0, 100.0, 101.0, 200.0, 201.0, 300.0, 301.0])

    assert even_series(t_s, np.zeros(8)) is None


def test_rows_at_one_instant_are_one_row() -> None:
    """Servers that are asked in the same second, in a log of whole seconds."""
    t_s = np.repeat(np.arange(0.0, 640.0, 64.0), 3)
    phase_ns = np.tile([0.0, 1.0, 5.0], 10)

    found = even_series(t_s, phase_ns)

    assert found is not None
    assert (found.step_s, found.phase_ns.size) == (64.0, 10)
    assert pytest.approx(found.phase_ns) == [2.0] * 10
    assert even_series(np.full(30, 64.0), phase_ns) is None


@given(size=st.integers(4, 10_000))
def test_averaging_factors_double_up_to_a_quarter(size: int) -> None:
    """Longer ones would rest on hardly any independent data."""
    found = factors(size)

    assert [2**k for k in range(len(found))] == found
    assert found[-1] <= max(size // 4, 1) < 2 * found[-1] + 1
