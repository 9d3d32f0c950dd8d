"""The sample filter keeps what is worth keeping, and knows nothing about offsets."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S, grow_ns
from chronotick.ntp.filter import SampleFilter
from unit.ntp.replies import UNIX_NS, sample

if TYPE_CHECKING:
    from chronotick.core.records import Sample

MS = 1_000_000

delays_ns = st.integers(0, 100 * MS)
histories = st.lists(
    st.tuples(st.integers(1, 300 * NS_PER_S), delays_ns, st.integers(-MS, MS)),
    min_size=1,
    max_size=30,
)


def history(steps: list[tuple[int, int, int]]) -> list[Sample]:
    """Return samples spaced, delayed and offset by `steps`."""
    samples, raw_ns = [], 0
    for gap_ns, delay_ns, wobble_ns in steps:
        raw_ns += gap_ns
        samples.append(
            sample(raw_ns / NS_PER_S, delay_ns=delay_ns, offset_ns=UNIX_NS + wobble_ns)
        )
        samples[-1] = replace(samples[-1], raw_ns=raw_ns)
    return samples


def filled(samples: list[Sample], **settings: float) -> SampleFilter:
    """Return a filter that has seen `samples`."""
    sample_filter = SampleFilter(**settings)  # type: ignore[arg-type]
    for each in samples:
        sample_filter.add(each)
    return sample_filter


@given(
    steps=histories,
    ahead_ns=st.integers(0, 10**12),
    wander_ppb=st.integers(0, 500_000),
)
def test_best_has_the_tightest_bound(
    steps: list[tuple[int, int, int]], ahead_ns: int, wander_ppb: int
) -> None:
    """None of the last eight, aged to the instant, says more than the best one."""
    samples = history(steps)
    at_ns = samples[-1].raw_ns + ahead_ns
    best = filled(samples, wander_ppb=wander_ppb).best(at_ns)
    assert best is not None

    def aged_ns(each: Sample) -> int:
        return each.half_width_ns + grow_ns(at_ns - each.raw_ns, wander_ppb)

    assert min(map(aged_ns, samples[-8:])) == aged_ns(best)


@given(steps=histories)
def test_delay_floor_is_the_minimum_of_its_window(
    steps: list[tuple[int, int, int]],
) -> None:
    """The floor is the smallest delay of the last hour, no more and no less."""
    samples = history(steps)
    since_ns = samples[-1].raw_ns - 3600 * NS_PER_S
    recent = [each.delay_ns for each in samples if each.raw_ns >= since_ns]

    assert min(recent) == filled(samples).delay_floor_ns


@given(
    steps=histories,
    by_ns=st.integers(-(10**19), 10**19),
    later_ns=st.integers(0, 10**18),
)
def test_filter_is_translation_invariant(
    steps: list[tuple[int, int, int]], by_ns: int, later_ns: int
) -> None:
    """Shifting all offsets, or the epoch of RAW, changes no verdict and no jitter."""
    samples = history(steps)
    moved = [
        replace(s, offset_ns=s.offset_ns + by_ns, raw_ns=s.raw_ns + later_ns)
        for s in samples
    ]
    here, there = SampleFilter(), SampleFilter()

    verdicts = [
        (here.add(a), there.add(b)) for a, b in zip(samples, moved, strict=True)
    ]

    assert all(a == b for a, b in verdicts)
    assert here.jitter_ns == there.jitter_ns
    assert here.delay_floor_ns == there.delay_floor_ns


def test_window_holds_eight() -> None:
    """The ninth sample pushes the first one out (NSTAGE, RFC 5905 §10)."""
    samples = [sample(float(second)) for second in range(9)]

    assert tuple(samples[1:]) == filled(samples).samples


def test_age_makes_a_good_sample_worse_than_a_fresh_one() -> None:
    """100 s at 15 ppm cost 1.5 ms, more than the fresh sample's half millisecond."""
    old = sample(0.0, delay_ns=1 * MS)
    fresh = sample(100.0, delay_ns=2 * MS)
    sample_filter = filled([old, fresh])

    assert sample_filter.best(NS_PER_S) == old
    assert sample_filter.best(100 * NS_PER_S) == fresh


def test_newest_wins_among_equals() -> None:
    """Where nothing ages, the sample that needs least extrapolation is best."""
    samples = [sample(float(second)) for second in range(3)]

    assert samples[-1] == filled(samples, wander_ppb=0).best(2 * NS_PER_S)


def test_first_samples_are_worth_using() -> None:
    """Before the path's scatter is known, nothing is thrown away."""
    sample_filter = SampleFilter()

    verdicts = [
        sample_filter.add(sample(float(second), delay_ns=second * 50 * MS + MS))
        for second in range(4)
    ]

    assert all(verdict.is_worth_using for verdict in verdicts)
    assert [v.delay_excess_ns for v in verdicts] == [0, 50 * MS, 100 * MS, 150 * MS]


def test_a_queue_is_not_worth_using() -> None:
    """50 ms of queue on a path known to 0.5 ms: stored, but not worth using."""
    sample_filter = filled([sample(float(second)) for second in range(8)])

    queued = sample_filter.add(sample(8.0, delay_ns=51 * MS))
    again = sample_filter.add(sample(9.0, delay_ns=51 * MS))
    usual = sample_filter.add(sample(10.0))

    assert queued == again == (False, 50 * MS)
    assert usual == (True, 0)


def test_waiting_makes_any_sample_worth_using() -> None:
    """After an hour of silence, the same bound of 25 ms is news."""
    sample_filter = filled([sample(float(second)) for second in range(8)])

    assert sample_filter.add(sample(3600.0, delay_ns=50 * MS)).is_worth_using


def test_old_news_is_refused() -> None:
    """A sample not newer than the newest is neither stored nor worth using."""
    sample_filter = filled([sample(5.0)])

    verdict = sample_filter.add(sample(5.0, delay_ns=3 * MS))

    assert verdict == (False, 2 * MS)
    assert len(sample_filter.samples) == 1


def test_jitter_is_unknown_below_four() -> None:
    """No number is made up from three points."""
    samples = [sample(float(second)) for second in range(3)]

    assert filled(samples).jitter_ns is None
    assert filled([*samples, sample(3.0)]).jitter_ns == 0.0


def test_frequency_error_is_not_jitter() -> None:
    """On an oscillator off by 100 ppm a noiseless path shows no jitter."""
    samples = [sample(64.0 * n, offset_ns=UNIX_NS + 64 * n * 100_000) for n in range(8)]

    assert filled(samples).jitter_ns == pytest.approx(0.0, abs=1e-3)


def test_one_outlier_is_not_jitter() -> None:
    """A single queue of 100 ms leaves the scatter of the others."""
    samples = [
        sample(float(n), offset_ns=UNIX_NS + (100 * MS if n == 4 else n % 2 * 1000))
        for n in range(8)
    ]
    jitter_ns = filled(samples).jitter_ns
    assert jitter_ns is not None

    assert jitter_ns < 5_000


def test_jitter_estimates_sigma() -> None:
    """Over many windows of normal noise the median estimate is near its sigma."""
    dice = random.Random(1)
    estimates = []
    for _ in range(400):
        samples = [
            sample(float(n), offset_ns=UNIX_NS + round(dice.gauss(0, 50_000)))
            for n in range(8)
        ]
        estimates.append(filled(samples).jitter_ns or 0.0)

    # Small-sample bias of the median deviation about a fitted line: it reads low.
    assert 25_000 < sorted(estimates)[200] < 55_000


def test_empty_filter_knows_nothing() -> None:
    """Before the first sample, and after a reset, everything is unknown."""
    sample_filter = filled([sample(1.0)])

    sample_filter.reset()

    assert sample_filter.best(0) is None
    assert sample_filter.delay_floor_ns is None
    assert sample_filter.samples == ()
