"""Gaps are those of the pattern; answers count once and only where asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import ConfigError
from chronotick.eval.streaming.coordinator_state import (
    CoordinatorState,
    duration_s,
    gaps_s,
)
from chronotick.eval.streaming.wire import Kind, Message, encode

RUN = b"r" * 16
EVENT = Message(kind=Kind.EVENT, run=RUN, nonce=b"n" * 8, event_id=7, sequence=8)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("fast", [0.01] * 7),
        ("medium", [0.05] * 7),
        ("slow", [0.1] * 7),
        ("very_slow", [0.5] * 7),
        ("mixed", [0.1, 0.01, 0.01, 0.01, 0.01, 0.05, 0.1]),
        ("fixed:0.25", [0.25] * 7),
    ],
)
def test_patterns_are_as_documented(pattern: str, expected: list[float]) -> None:
    """Each name means its gaps, for ever."""
    assert expected == list(islice(gaps_s(pattern), 7))


@pytest.mark.parametrize(
    "pattern", ["", "quick", "fixed", "fixed:", "fixed:0", "fixed:-1", "fixed:nan",
                "fixed:3601", "fast:1"]
)  # fmt: skip
def test_another_pattern_is_an_error_that_lists_them(pattern: str) -> None:
    """Nothing is sent at a gap that nobody asked for."""
    with pytest.raises(ConfigError, match="fast, medium, slow, very_slow, mixed"):
        gaps_s(pattern)


@given(
    st.sampled_from(["fast", "medium", "slow", "very_slow", "mixed", "fixed:0.25"]),
    st.integers(1, 200),
)
def test_how_long_it_takes_is_the_sum_of_the_gaps(pattern: str, events: int) -> None:
    """To within one round of the pattern; the smaller of two limits counts."""
    total_s = sum(islice(gaps_s(pattern), events))

    assert duration_s(pattern, events, None) == pytest.approx(total_s, abs=0.2)
    assert duration_s(pattern, events, 0.1) <= 0.1
    assert duration_s(pattern, None, 7.0) == 7.0
    assert duration_s(pattern, None, None) == 0.0


def coordinator(key: bytes | None = None) -> CoordinatorState:
    """Return one that has sent the event to worker a."""
    state = CoordinatorState(run=RUN, workers=("a", "b"), key=key)
    state.asks("a", EVENT)
    return state


def test_an_acknowledgement_counts_once() -> None:
    """The network may repeat it."""
    state, raw_ns = coordinator(), count(5)
    for _ in range(3):
        state.received(encode(EVENT.answer(Kind.ACK)), next(raw_ns))

    assert state.acknowledged(7) == {"a": 5}
    assert state.acknowledged(7) == {}
    assert state.counts["unasked"] == 2


@pytest.mark.parametrize("change", [{"run": b"o" * 16}, {"nonce": b"x" * 8}])
def test_answers_to_what_was_not_asked_are_dropped(change: dict[str, bytes]) -> None:
    """Another run's, and those with a nonce that was never sent."""
    state = coordinator()
    state.received(encode(replace(EVENT.answer(Kind.ACK), **change)))  # type: ignore[arg-type]

    assert state.acknowledged(7) == {}
    assert state.counts["unasked"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        replace(EVENT.answer(Kind.ACK), event_id=6),
        replace(EVENT.answer(Kind.ACK), sequence=9),
        replace(EVENT.answer(Kind.ACK), sequence=0),
        EVENT.answer(Kind.PONG),
    ],
    ids=["another event", "another number", "no number", "another kind"],
)
def test_an_answer_to_something_else_is_garbage(answer: Message) -> None:
    """A confused worker vouches for no event that it was not asked about."""
    state = coordinator()
    state.received(encode(answer))

    assert (set(state.not_ready), state.not_stopped) == ({"a", "b"}, {"a", "b"})
    assert state.counts == {"garbage": 1}
    state.received(encode(EVENT.answer(Kind.ACK)))
    assert [list(state.acknowledged(n)) for n in (6, 7)] == [[], ["a"]]


def test_a_ping_is_answered_by_no_acknowledgement() -> None:
    """It would count for whatever event it names."""
    state = coordinator()
    ping = Message(kind=Kind.PING, run=RUN, nonce=b"p" * 8)
    state.asks("b", ping)
    state.received(encode(replace(EVENT.answer(Kind.ACK), nonce=ping.nonce)))

    assert state.acknowledged(7) == {}


def test_what_comes_after_the_count_counts_for_no_later_one() -> None:
    """An acknowledgement that is late is one that was lost."""
    state = coordinator()
    assert state.acknowledged(7) == {}
    state.received(encode(EVENT.answer(Kind.ACK)))

    assert state.acknowledged(7) == {}
    assert state.counts == {"ack": 1}


def test_readiness_is_known_worker_by_worker() -> None:
    """Who has not answered, and who has said why not, is there to be named."""
    state = CoordinatorState(run=RUN, workers=("a", "b"))
    ping = replace(EVENT, kind=Kind.PING, sequence=0)
    state.asks("a", ping)
    state.received(encode(ping.answer(Kind.PONG, b"warming up")))
    assert state.not_ready == {"a": "warming up", "b": "no answer"}

    state.received(encode(ping.answer(Kind.PONG)))
    assert state.not_ready == {"b": "no answer"}


def test_the_end_is_acknowledged_worker_by_worker() -> None:
    """Who has not is a named failure."""
    state = CoordinatorState(run=RUN, workers=("a", "b"))
    stop = replace(EVENT, kind=Kind.STOP, event_id=0, sequence=0)
    state.asks("b", stop)
    state.received(encode(stop.answer(Kind.ACK)))

    assert state.not_stopped == {"a"}


def test_bad_tags_and_garbage_are_counted() -> None:
    """Neither changes anything."""
    state = coordinator(b"key")
    state.received(encode(EVENT.answer(Kind.ACK)))
    state.received(encode(replace(EVENT, kind=Kind.EVENT), b"key"))

    assert dict(state.counts) == {"bad_tag": 1, "garbage": 1}
