"""Our Allan deviation and MTIE against allantools', which others have used for years."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allantools
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

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASES_NS = st.one_of(
    st.lists(st.integers(-(10**9), 10**9), min_size=5, max_size=90),
    # Steps, and long rests: the extremes of windows are then the same many times.
    st.lists(st.sampled_from([-7, 0, 0, 1000]), min_size=5, max_size=90),
).map(lambda values: np.array(values, np.float64))
STEPS_S = st.sampled_from([0.1, 1.0, 16.0, 64.0, 61.7, 1024.0])


def theirs(
    name: str, phase_ns: np.ndarray, step_s: float, at: Sequence[int] = ()
) -> dict[int, list[float]]:
    """Return value and number of terms by the factor, at every one that they answer.

    Or at those in `at` alone.
    """
    taus_s = step_s * np.array(at or range(1, phase_ns.size), np.float64)
    found = getattr(allantools, name)(phase_ns, rate=1.0 / step_s, taus=taus_s)
    tau_s, value, _, terms = found
    every = np.round(tau_s / step_s).astype(int).tolist()
    return dict(zip(every, np.column_stack([value, terms]).tolist(), strict=True))


@given(phase_ns=PHASES_NS, step_s=STEPS_S)
def test_allan_deviation_is_theirs_at_every_factor(
    phase_ns: np.ndarray, step_s: float
) -> None:
    """The overlapping one; we say nothing where it has fewer than three terms."""
    judged = theirs("oadev", phase_ns, step_s)

    for factor in range(1, phase_ns.size):
        ours = allan_deviation(Series(0.0, step_s, phase_ns), factor)
        if phase_ns.size - 2 * factor < 3:
            assert ours is None
            continue
        assert ours is not None
        value, terms = judged[factor]
        # They were given ns: theirs is in ns/s.
        assert ours.value == pytest.approx(value * 1e-9, rel=1e-11)
        assert ours.terms == terms
        assert ours.tau_s == pytest.approx(factor * step_s)


@given(phase_ns=PHASES_NS, step_s=STEPS_S)
def test_mtie_is_theirs_at_every_window(phase_ns: np.ndarray, step_s: float) -> None:
    """To the last digit: nothing but differences and extremes."""
    judged = theirs("mtie", phase_ns, step_s)

    for factor in range(1, phase_ns.size):
        ours = mtie(Series(0.0, step_s, phase_ns), factor)
        if phase_ns.size - factor < 3:
            assert ours is None
            continue
        assert ours is not None
        assert [ours.value, float(ours.terms)] == judged[factor]


@given(
    lengths=st.lists(st.integers(5, 40), min_size=2, max_size=4, unique=True),
    gap_steps=st.floats(2.6, 1000.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_of_a_recording_with_gaps_it_is_theirs_of_the_longest_stretch(
    lengths: list[int], gap_steps: float, seed: int
) -> None:
    """They know of no gaps: handed all rows, they would take them for even ones."""
    rng, step_s = np.random.default_rng(seed), 64.0
    stretches = [np.cumsum(rng.normal(0.0, 100.0, length)) for length in lengths]
    t_s, begin_s = [], 0.0
    for length in lengths:
        t_s.append(begin_s + step_s * np.arange(length))
        begin_s = float(t_s[-1][-1]) + gap_steps * step_s

    series = even_series(np.concatenate(t_s), np.concatenate(stretches))

    assert series is not None
    longest = max(stretches, key=len)
    judged_adev, judged_mtie = (theirs(n, longest, step_s) for n in ("oadev", "mtie"))
    for factor in range(1, (longest.size - 3) // 2 + 1):
        adev, swing = allan_deviation(series, factor), mtie(series, factor)
        assert adev is not None
        assert swing is not None
        assert adev.value == pytest.approx(judged_adev[factor][0] * 1e-9, rel=1e-9)
        assert swing.value == pytest.approx(judged_mtie[factor][0], rel=1e-9)


@pytest.mark.parametrize("sums", [0, 1, 2])
def test_of_a_day_of_a_clock_s_noise_it_is_theirs(sums: int) -> None:
    """White PM, white FM and random-walk FM, at the factors that reports have."""
    phase_ns = np.random.default_rng(7).normal(0.0, 10.0, 5400)
    for _ in range(sums):
        phase_ns = np.cumsum(phase_ns)
    series, usual = Series(0.0, 16.0, phase_ns), factors(phase_ns.size)
    judged = {n: theirs(n, phase_ns, 16.0, usual) for n in ("oadev", "mtie")}

    for factor in usual:
        adev, swing = allan_deviation(series, factor), mtie(series, factor)
        assert adev is not None
        assert swing is not None
        assert adev.value == pytest.approx(judged["oadev"][factor][0] * 1e-9, rel=1e-9)
        assert swing.value == judged["mtie"][factor][0]
