"""Timing kinds of reading: every call is made, in turns, and nothing is left behind."""

from __future__ import annotations

import os

import pytest

from chronotick.cli.readings import (
    BATCH,
    SYSTEM,
    Reading,
    batches_ns,
    cold_ns,
    pinned,
    ratio,
    single_calls_s,
)


@pytest.mark.parametrize("iterations", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_kinds_take_turns(iterations: int) -> None:
    """After one warm-up of each kind, loops alternate and cover what was asked."""
    order: list[str] = []
    told: list[int] = []
    kinds = [
        Reading("a", lambda: order.append("a")),
        Reading("b", lambda: order.append("b")),
    ]

    found = batches_ns(kinds, iterations, told.append)

    count = min(iterations, BATCH)
    turns = len(found[0])
    assert order == (["a"] * count + ["b"] * count) * (1 + turns)
    assert (turns - 1) * count < iterations <= turns * count
    assert len(found[1]) == turns
    assert sum(told) == 2 * count * turns


def test_a_change_of_speed_leaves_the_ratio() -> None:
    """Two kinds that both became slower for a while are still 3 to 1."""
    speeds = [1.0, 1.0, 2.5, 2.5, 2.5]

    assert ratio([150.0 * s for s in speeds], [50.0 * s for s in speeds]) == 3.0
    assert ratio([150.0, 150.0, 9_000.0], [50.0] * 3) == 3.0


@pytest.mark.parametrize("iterations", [1, 99, 1234])
def test_every_single_call_is_timed_and_told(iterations: int) -> None:
    """As many times as calls were asked for; progress sums to them."""
    told: list[int] = []

    times_s = single_calls_s(SYSTEM, iterations, told.append)

    assert len(times_s) == sum(told) == iterations
    assert min(times_s) >= 0.0


def test_times_are_not_mixed_with_earlier_ones() -> None:
    """Each asking gets the times of its own calls alone."""
    first = SYSTEM.each_s(3)
    kept = list(first)

    assert len(SYSTEM.each_s(5)) == 5
    assert first == kept


def test_the_statement_is_what_is_timed() -> None:
    """What comes after the call, such as reading both ends, is made too."""
    seen: list[int] = []
    reading = Reading("both", lambda: seen, "found = call(); found.append(1)")

    assert reading.batch_ns(4) > 0.0
    assert cold_ns(reading) > 0.0
    assert len(seen) > 4


def test_pinning_ends() -> None:
    """One core during the block, all that were allowed afterwards."""
    before = os.sched_getaffinity(0)

    with pinned() as core:
        assert os.sched_getaffinity(0) == {core}

    assert os.sched_getaffinity(0) == before


def test_a_refused_pin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses, the value says so."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)

    with pinned() as core:
        assert core is None
