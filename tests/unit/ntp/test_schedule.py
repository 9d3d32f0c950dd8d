"""Polling: a burst, then polite, seldom to the silent, never again to those who say so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.actions import KissCode
from chronotick.ntp.schedule import (
    PUBLIC_BURST_COUNT,
    PUBLIC_BURST_FLOOR_S,
    PUBLIC_FLOOR_S,
    PollPolicy,
    PollSchedule,
)

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = PollPolicy(
    burst_count=3,
    burst_interval_s=0.5,
    min_poll_s=5.0,
    max_poll_s=60.0,
    max_backoff_s=300.0,
)

answered = st.booleans().map(lambda ok: lambda s: s.answered(is_steady=ok))
lost = st.just(lambda s: s.lost())
useless = st.just(lambda s: s.useless())
rate = st.just(lambda s: s.kissed(KissCode.RATE))
events = st.lists(answered | useless | lost | rate, max_size=30)


@st.composite
def policies(draw: st.DrawFn) -> PollPolicy:
    """Any policy that the configuration may hold."""
    low, middle, high = sorted(
        draw(st.tuples(*[st.floats(0.01, 100_000)] * 3)),
    )
    return PollPolicy(
        burst_count=draw(st.integers(1, 20)),
        burst_interval_s=draw(st.floats(0.01, 10)),
        min_poll_s=low,
        max_poll_s=middle,
        max_backoff_s=high,
    )


def start(is_public: bool = False) -> PollSchedule:
    """Return a fresh schedule under `POLICY`."""
    return PollSchedule.start(POLICY, is_public=is_public)


def waits(schedule: PollSchedule, step: Callable[..., Any], count: int) -> list[float]:
    """Return the waits, without jitter, after each of `count` equal outcomes."""
    seen = []
    for _ in range(count):
        schedule = step(schedule)
        wait_s = schedule.next_poll_s(0.0)
        assert wait_s is not None
        seen.append(wait_s)
    return seen


def test_burst_then_polite_then_slower() -> None:
    """Three polls fast, then eight at each pace, doubling up to the longest."""
    seen = waits(start(), PollSchedule.answered, 40)

    paces = [(pace, len(list(run))) for pace, run in itertools.groupby(seen)]
    assert paces == [(0.5, 2), (5.0, 8), (10.0, 8), (20.0, 8), (40.0, 8), (60.0, 6)]


def test_unsteady_answers_bring_a_quick_pace_back() -> None:
    """A wandering oscillator is measured every minute at least, where that is allowed."""
    for least_s, then_s in ((16.0, 64.0), (256.0, 256.0)):
        policy = replace(
            POLICY, min_poll_s=least_s, max_poll_s=1024.0, max_backoff_s=2048.0
        )
        schedule = PollSchedule.start(policy, is_public=False)
        for _ in range(80):
            schedule = schedule.answered()
        assert schedule.next_poll_s(0.0) == 1024.0
        schedule = schedule.answered(is_steady=False)
        assert schedule.next_poll_s(0.0) == then_s
        assert schedule.answered(is_steady=False) == schedule


def test_unsteady_answers_slow_nothing_down() -> None:
    """Whoever polls every few seconds goes on."""
    schedule = start()
    for _ in range(6):
        schedule = schedule.answered()
    assert schedule.answered(is_steady=False).interval_s == schedule.interval_s == 5.0


def test_silence_backs_off_and_one_answer_ends_it() -> None:
    """A single loss changes nothing, further ones double; the burst forgives all."""
    schedule = start()
    seen = waits(schedule, PollSchedule.lost, 11)
    assert seen == [0.5, 0.5, 5.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    for _ in range(11):
        schedule = schedule.lost()
    assert schedule.losses == 11

    assert schedule.answered().losses == 0
    assert schedule.answered().next_poll_s(0.0) == POLICY.min_poll_s


def test_a_server_down_for_years_is_asked_now_and_then() -> None:
    """Back-off is bounded, and computing it stays cheap."""
    schedule = PollSchedule(
        policy=POLICY, burst_left=0, interval_s=5.0, backoff_losses=10_000_000
    )

    assert schedule.next_poll_s(0.0) == POLICY.max_backoff_s


@given(policy=policies(), is_public=st.booleans(), before=events, after=events)
def test_rate_is_obeyed_for_life(
    policy: PollPolicy, is_public: bool, before: list[Any], after: list[Any]
) -> None:
    """After RATE the wait at least doubles (up to 36 h) and never shrinks below that."""
    schedule = PollSchedule.start(policy, is_public=is_public)
    for event in before:
        schedule = event(schedule)
    polite_s = max(schedule.interval_s, schedule.floor_s)
    wait_s = schedule.next_poll_s(0.0)
    assert wait_s is not None

    schedule = schedule.kissed(KissCode.RATE)
    owed_s = min(2 * max(polite_s, wait_s), 2.0**17)

    for event in [lambda s: s, *after]:
        schedule = event(schedule)
        now_s = schedule.next_poll_s(0.0)
        assert schedule.burst_left == 0
        assert now_s is not None
        assert now_s >= owed_s


@given(
    code=st.sampled_from([KissCode.DENY, KissCode.RSTR]), before=events, after=events
)
def test_denial_is_for_good(
    code: KissCode, before: list[Any], after: list[Any]
) -> None:
    """After DENY or RSTR there is no next poll, whatever happens; the reason is kept."""
    schedule = start()
    for event in before:
        schedule = event(schedule)

    schedule = schedule.kissed(code)

    for event in [lambda s: s, *after]:
        schedule = event(schedule)
        assert schedule.next_poll_s(0.5) is None
        assert schedule.demobilized is code


@given(policy=policies(), happened=events, jitter=st.floats(0, 1))
def test_public_servers_are_polled_politely(
    policy: PollPolicy, happened: list[Any], jitter: float
) -> None:
    """Whatever is configured: 16 s between polls; at most eight at 2 s to begin with."""
    schedule = PollSchedule.start(policy, is_public=True)
    hurried = 0
    for event in happened:
        schedule = event(schedule)
        wait_s = schedule.next_poll_s(jitter)
        assert wait_s is not None
        assert wait_s >= PUBLIC_BURST_FLOOR_S
        hurried += wait_s < PUBLIC_FLOOR_S

    assert hurried < PUBLIC_BURST_COUNT


@given(happened=events, jitter=st.floats(0, 1))
def test_jitter_only_lengthens(happened: list[Any], jitter: float) -> None:
    """The dice never make a poll early, and late by a tenth at most."""
    schedule = start()
    for event in happened:
        schedule = event(schedule)
    plain_s, jittered_s = schedule.next_poll_s(0.0), schedule.next_poll_s(jitter)
    assert plain_s is not None
    assert jittered_s is not None

    assert plain_s <= jittered_s <= plain_s * 1.1 + 1e-9
    assert schedule.next_poll_s(1.0) == pytest.approx(plain_s * 1.1)


@given(policy=policies(), happened=events)
def test_answering_servers_are_asked_within_the_longest_interval(
    policy: PollPolicy, happened: list[Any]
) -> None:
    """Unless the server itself asked for less, `max_poll_s` holds after an answer."""
    schedule = PollSchedule.start(policy, is_public=False)
    for event in happened:
        schedule = event(schedule)
    longest_s = max(policy.max_poll_s, policy.burst_interval_s, schedule.floor_s)
    for after in (schedule.answered(), schedule.useless()):
        wait_s = after.next_poll_s(0.0)
        assert wait_s is not None

        assert wait_s <= longest_s


@pytest.mark.parametrize("jitter", [-0.1, 1.1, float("nan")])
def test_jitter_is_a_share(jitter: float) -> None:
    """Anything outside 0..1 is a bug of the caller."""
    with pytest.raises(ValueError, match="jitter"):
        start().next_poll_s(jitter)


@pytest.mark.parametrize(
    "wrong",
    [
        {"burst_count": 0},
        {"burst_interval_s": 0.0},
        {"min_poll_s": 0.0},
        {"min_poll_s": float("nan")},
        {"min_poll_s": 65.0},
        {"max_poll_s": 2048.0},
        {"max_backoff_s": 200_000.0},
    ],
)
def test_contradictory_policies_are_refused(wrong: dict[str, Any]) -> None:
    """A policy that can't be kept raises at once."""
    with pytest.raises(ValueError, match=r"must|>="):
        PollPolicy(**wrong)
