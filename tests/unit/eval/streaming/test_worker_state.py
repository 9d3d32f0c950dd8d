"""A worker stamps each event of its run once, and answers only what deserves it."""

from __future__ import annotations

from dataclasses import replace

from chronotick.eval.streaming.wire import Kind, Message, decode, encode
from chronotick.eval.streaming.worker_state import WorkerState

PING = Message(kind=Kind.PING, run=b"r" * 16, nonce=b"n" * 8)
EVENT = replace(PING, kind=Kind.EVENT, event_id=7, sequence=8, send_ns=123)


def ready(key: bytes | None = None) -> WorkerState:
    """Return a worker that serves the run and whose clocks are ready."""
    state = WorkerState(key=key)
    state.received(encode(PING, key))
    state.not_ready = ""
    return state


def test_the_first_coordinator_that_asks_is_served() -> None:
    """It is told why the worker is not ready, and empty once it is."""
    state = WorkerState()
    first = state.received(encode(PING)).answer
    state.not_ready = ""
    second = state.received(encode(PING)).answer

    assert first is not None
    assert second is not None
    assert decode(first).payload == b"warming up"
    assert decode(second).kind is Kind.PONG
    assert decode(second).payload == b""


def test_an_event_is_stamped_and_acknowledged_with_its_nonce() -> None:
    """The acknowledgement proves which datagram arrived."""
    reaction = ready().received(encode(EVENT))

    assert reaction.event == EVENT
    assert reaction.answer is not None
    assert decode(reaction.answer) == EVENT.answer(Kind.ACK)


def test_a_repeated_datagram_is_acknowledged_but_not_stamped() -> None:
    """The network repeats; the event happened once."""
    state = ready()
    state.received(encode(EVENT))
    again = state.received(encode(EVENT))

    assert again.event is None
    assert again.answer is not None
    assert state.counts["duplicate"] == 1


def test_events_before_the_warm_up_is_over_are_refused() -> None:
    """Unless the worker was told to take them."""
    state = WorkerState()
    state.received(encode(PING))
    assert state.received(encode(EVENT)) == (None, None, False)
    assert state.counts["too_early"] == 1

    eager = WorkerState(accept_early=True)
    eager.received(encode(PING))
    assert eager.received(encode(EVENT)).event == EVENT


def test_another_run_is_refused_and_told_so() -> None:
    """Its events are dropped and counted; its preflight learns the cause."""
    state = ready()
    other = replace(EVENT, run=b"o" * 16)
    assert state.received(encode(other)) == (None, None, False)
    reaction = state.received(encode(replace(PING, run=b"o" * 16)))

    assert reaction.answer is not None
    assert decode(reaction.answer).payload == b"it serves run " + b"72" * 16
    assert state.counts["other_run"] == 2


def test_events_of_an_unknown_run_are_not_answered() -> None:
    """A worker that nobody asked for readiness serves no run yet."""
    state = WorkerState(accept_early=True)

    assert state.received(encode(EVENT)) == (None, None, False)


def test_a_bad_tag_is_dropped_and_counted() -> None:
    """Without the key there is no way in, and no answer."""
    state = ready(b"key")
    for datagram in (encode(EVENT), encode(EVENT, b"other"), b"\x00" * 90):
        assert state.received(datagram) == (None, None, False)

    assert state.counts["bad_tag"] == 3


def test_answers_and_garbage_are_dropped() -> None:
    """A worker asks nothing, so nothing can be an answer to it."""
    state = ready()
    state.received(encode(replace(PING, kind=Kind.ACK)))
    state.received(b"hello")

    assert state.counts["garbage"] == 2


def test_the_end_is_acknowledged() -> None:
    """And says that it is the end."""
    reaction = ready().received(encode(replace(PING, kind=Kind.STOP)))

    assert reaction.is_last
    assert reaction.answer is not None
    assert decode(reaction.answer).kind is Kind.ACK
