"""What is asked of estimators, when, and what their answers are held against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.eval.accuracy.backtest import BOUNDS, HORIZONS_S, prepare, replay
from chronotick.eval.accuracy.contenders import MODELS, Answer, contender
from chronotick.eval.accuracy.scores import answered, rms
from chronotick.eval.accuracy.traces import Measurement, UnusableTrace
from unit.eval.accuracy.clocks import (
    DELAY_NS,
    RATE_PPB,
    S,
    recorded,
    trace_of,
    true_offset_ns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chronotick.core.records import Sample
    from chronotick.eval.accuracy.silences import Unanswered
    from chronotick.eval.accuracy.traces import Trace


class Scripted:
    """An estimator that says what a function of instant and samples tells it to."""

    def __init__(self, say: Callable[[int, list[Sample]], Answer | None]) -> None:
        self._say = say
        self.seen: list[Sample] = []

    def observe(self, sample: Sample) -> None:
        """Remember it."""
        self.seen.append(sample)

    def miss(self, poll: Unanswered) -> None:
        """Remember nothing."""

    def answers(self, instants_ns: Sequence[int]) -> list[Answer | None]:
        """Say it."""
        return [self._say(raw_ns, self.seen) for raw_ns in instants_ns]


def arrival_ns(sample: Sample) -> int:
    """Return when the answer was there: half a round trip after the middle."""
    return sample.raw_ns + -(-sample.delay_ns // 2)


@settings(max_examples=25)
@given(
    horizon_s=st.floats(0.001, 4000.0),
    truth=st.booleans(),
    poll_s=st.integers(8, 64),
    seed=st.integers(0, 50),
)
def test_nothing_is_foretold_from_what_had_not_arrived(
    horizon_s: float, truth: bool, poll_s: int, seed: int
) -> None:
    """A horizon before the target, all that had arrived was shown and nothing else."""
    trace = recorded(hours=1.0, poll_s=poll_s, truth=truth, seed=seed)
    recording = prepare(trace, most_targets=50)
    calls: list[tuple[int, int]] = []

    def say(raw_ns: int, seen: list[Sample]) -> None:
        calls.append((raw_ns, len(seen)))

    (found,) = replay(recording, Scripted(say), [horizon_s])

    known = [arrival_ns(sample) for sample in recording.samples]
    for raw_ns, count in calls:
        asked_ns = raw_ns - round(horizon_s * S)
        assert count == sum(each <= asked_ns for each in known)
        assert count > 0
    assert len(calls) == found.t_s.size
    assert np.isnan(found.error_ns).all()


def test_errors_are_what_was_foretold_minus_the_truth() -> None:
    """One that knows the clock is right to the nanosecond; +5 µs is an error of +5 µs."""
    recording = prepare(recorded())
    begin_ns = recording.samples[0].raw_ns

    def say(raw_ns: int, seen: list[Sample]) -> Answer:
        offset_ns = S + round((raw_ns - begin_ns) * RATE_PPB * 1e-9)
        return Answer(offset_ns + 5000, sigma_ns=1000.0)

    for found in replay(recording, Scripted(say), (0.0, 60.0)):
        assert found.error_ns == pytest.approx(5000.0, abs=1.0)
        assert found.half_width_ns["sigma_99"] == pytest.approx(2575.83)
        assert found.half_width_ns["sigma_999"] == pytest.approx(3290.53)
        assert not answered(found.half_width_ns["hard"]).any()
        assert not found.slack_ns.any()


def test_without_truth_quiet_measurements_are_the_yardstick() -> None:
    """The half with the shorter delays; each may be off by half of its excess."""
    recording = prepare(recorded(truth=False))
    delays = sorted(sample.delay_ns for sample in recording.samples)
    middle_ns = delays[(len(delays) - 1) // 2]

    assert recording.yardstick == "measurements"
    assert (len(delays) + 1) // 2 == recording.candidates
    for target in recording.targets:
        assert target.slack_ns <= (middle_ns - delays[0]) / 2.0
        assert target.hard_slack_ns >= DELAY_NS / 2.0


def test_now_can_be_asked_only_where_the_truth_is_known() -> None:
    """A measurement has been seen by then, so it can't be held against the answer."""
    silent = Scripted(lambda _raw_ns, _seen: None)

    with pytest.raises(ValueError, match="above 0 s where the truth is not known"):
        replay(prepare(recorded(truth=False)), silent, (0.0, 5.0))
    with pytest.raises(ValueError, match="above 0 s"):
        replay(prepare(recorded()), silent, (-1.0,))


def test_without_delays_nothing_is_judged_until_one_is_assumed() -> None:
    """No bound can be claimed of unknown round trips; the way out is in the message."""
    trace = recorded(delays=False, truth=False)

    with pytest.raises(UnusableTrace, match="--assume-delay"):
        prepare(trace)
    samples = prepare(trace, assume_delay_s=0.1).samples
    assert {S // 10} == {sample.delay_ns for sample in samples}


def test_measurements_without_delay_among_others_are_counted() -> None:
    """They are left out, and said to be."""
    trace = recorded()
    rows = [
        replace(m, delay_ns=None) if k % 10 == 0 else m
        for k, m in enumerate(trace.measurements)
    ]

    recording = prepare(trace_of(rows))

    without = sum(m.offset_ns is not None and m.delay_ns is None for m in rows)
    assert without == recording.left_out > 0


def test_too_many_targets_are_thinned_evenly() -> None:
    """First and last stay, and the spacing hardly varies."""
    recording = prepare(recorded(hours=12.0), most_targets=100)

    instants = np.array([target.raw_ns for target in recording.targets])
    assert (instants.size, recording.candidates) == (100, 675)
    steps = np.diff(instants)
    assert steps.max() - steps.min() <= 64 * S


def test_one_target_is_one_that_can_be_answered() -> None:
    """Before the first instant nothing was heard, and early ones are not scored."""
    trace = recorded(hours=12.0)

    alone, all_ = (prepare(trace, most_targets=most) for most in (1, 10**6))

    assert alone.targets == all_.targets[-1:]
    (foretold,) = replay(alone, contender("hold", trace.sources), [3600.0])
    assert np.isfinite(foretold.error_ns).tolist() == [True]


def test_progress_is_told_up_to_all() -> None:
    """The last call says that all questions have been asked."""
    told: list[tuple[int, int]] = []
    recording = prepare(recorded(hours=0.5))

    replay(
        recording,
        Scripted(lambda _raw_ns, _seen: None),
        (5.0, 60.0),
        lambda done, total: told.append((done, total)),
    )

    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize("model", MODELS)
def test_every_estimator_can_be_judged(model: str) -> None:
    """On a quiet 20 ppm clock all but the baseline foretell an hour within 100 µs."""
    recording = prepare(recorded(hours=6.0, jitter_ns=5000.0), most_targets=60)

    found = replay(recording, contender(model, ["server"]), (0.0, 60.0, 3600.0))

    for each in found:
        settled = each.select(each.t_s - each.horizon_s > 3600.0)
        assert answered(settled.error_ns).all()
        # Hold lags by its age, 20 ppm of it: horizon and up to a poll.
        limit_ns = 100e3 if model != "hold" else 20e3 * (each.horizon_s + 64.0) + 100e3
        assert rms(settled.error_ns) < limit_ns
        if model == "product":
            assert (abs(settled.error_ns) <= settled.half_width_ns["hard"]).all()
    if model == "hold":
        assert rms(found[2].error_ns) > 20e3 * 3600.0 * 0.9


def test_being_asked_changes_nothing_of_what_the_product_says_later() -> None:
    """Questions go to a copy: with more of them before, the last answers are the same."""
    recording = prepare(recorded(hours=2.0), most_targets=40)
    few, many = (
        replay(recording, contender("product", ["server"]), horizons_s)[0]
        for horizons_s in ((300.0,), (300.0, *HORIZONS_S[:1], 3600.0))
    )

    assert few.error_ns == pytest.approx(many.error_ns, nan_ok=True, abs=1.0)


def test_the_product_claims_bounds_and_never_a_calibrated_one_beyond_the_hard() -> None:
    """Names of widths are those of `BOUNDS`; what is not earned is not claimed."""
    recording = prepare(recorded(hours=6.0), most_targets=60)

    (found,) = replay(recording, contender("product", ["server"]), (60.0,))

    assert set(BOUNDS) == set(found.half_width_ns)
    hard = found.half_width_ns["hard"]
    for name in ("calibrated_99", "calibrated_999"):
        width = found.half_width_ns[name]
        claimed = answered(width)
        assert claimed.any()
        assert (width[claimed] <= hard[claimed]).all()


def test_an_estimator_of_no_known_name_is_refused() -> None:
    """The registry's own message lists what there is."""
    with pytest.raises(KeyError, match="crystal-ball"):
        contender("crystal-ball", ["server"])


def pool(*, renamed: bool) -> Trace:
    """Return four servers, of which one leaves every half hour and another takes its place.

    The newcomer is as good; where not `renamed` it goes by the same name.
    """
    rng = np.random.default_rng(3)
    rows: list[Measurement] = []
    for k in range(4 * 3600 // 64):
        for place in range(4):
            leavers = k * 64 // 1800
            newcomers = (leavers + 3 - place) // 4 if renamed else 0
            local_ns = 1_700_000_000 * S + (k * 64 + place) * S
            away_ns, back_ns = rng.exponential(50_000.0, 2)
            measured_ns = true_offset_ns(local_ns) + round((away_ns - back_ns) / 2.0)
            rows.append(
                Measurement(
                    line=len(rows) + 1,
                    local_ns=local_ns,
                    source=f"s{place}.{newcomers}",
                    offset_ns=measured_ns,
                    delay_ns=DELAY_NS + round(away_ns + back_ns),
                )
            )
        then_ns = local_ns + 30 * S
        rows.append(
            Measurement(
                line=len(rows) + 1,
                local_ns=then_ns,
                source="",
                offset_ns=None,
                truth_ns=true_offset_ns(then_ns),
            )
        )
    return trace_of(rows)


def test_servers_that_left_the_recording_have_no_vote() -> None:
    """The product sees them lose their polls, as its daemon would.

    Counted on for ever they would raise the quorum until it takes their aged intervals.
    """
    widths_ns = []
    for renamed in (False, True):
        trace = pool(renamed=renamed)
        recording = prepare(trace, most_targets=50)
        product = contender("product", trace.sources)
        (found,) = replay(recording, product, [0.0])
        late = found.select(found.t_s > 3.2 * 3600.0)
        widths_ns.append(float(np.median(late.half_width_ns["hard"])))

    steady_ns, changing_ns = widths_ns
    assert changing_ns < 2.0 * steady_ns


def test_a_server_that_never_goes_silent_loses_nothing() -> None:
    """And one that does is told of at the end of a recording, too."""
    trace = recorded(hours=2.0)
    last_ns = trace.measurements[-1].local_ns
    gone = replace(
        trace,
        measurements=tuple(
            m
            for m in trace.measurements
            if m.offset_ns is None or m.local_ns < last_ns - 1000 * S
        ),
    )

    assert prepare(trace).unanswered == ()
    assert len(prepare(gone).unanswered) > 3


def test_a_server_that_appears_at_last_changes_nothing_of_before() -> None:
    """Not even by its name: a recording does not say who was configured."""
    trace = recorded(hours=2.0)
    last = trace.measurements[-2]
    stranger = replace(last, source="stranger", local_ns=last.local_ns + S)
    longer = replace(
        trace, measurements=(*trace.measurements[:-1], stranger, trace.measurements[-1])
    )

    widths = []
    for each in (trace, longer):
        recording = prepare(each, most_targets=1000)
        (found,) = replay(recording, contender("product", each.sources), [0.0])
        before = found.select(found.t_s < 7000.0)
        widths.append([before.error_ns, *before.half_width_ns.values()])

    without, with_it = widths
    assert np.array_equal(without, with_it, equal_nan=True)


def test_who_is_configured_is_waited_for() -> None:
    """As the daemon does: where a world is known, so are its servers."""
    recording = prepare(recorded(hours=0.1, poll_s=16))
    servers = ["server", "other"]

    answered_at_once = []
    for known in (False, True):
        product = contender("product", servers, are_configured=known)
        (found,) = replay(recording, product, [0.0])
        assert found.t_s[0] < 10.0
        answered_at_once.append(bool(np.isfinite(found.error_ns[0])))

    assert answered_at_once == [True, False]
