"""A daemon measuring real chronyd servers whose truth this machine can read."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from chronotick import Clock, ClockError, Status
from system.liar import lying_server
from system.peers import chronyd, running_daemon, wait_until

if TYPE_CHECKING:
    from pathlib import Path

READS = 10_000
SPREAD_S = 30.0
# Servers and readers share the cores with everything else: of the last reads, those
# that were preempted least between their two REALTIME stamps tell of the midpoint.
JUDGED = 20


def first_interval_after_s(clock: Clock, started_s: float) -> float:
    """Return how long after `started_s` the first interval could be read."""

    def readable() -> bool:
        try:
            clock.interval()
        except ClockError:
            return False
        return True

    wait_until(readable)
    return time.monotonic() - started_s


def judge(clock: Clock, reads: int, spread_s: float) -> tuple[int, int]:
    """Read `reads` times, evenly over `spread_s`.

    Returns:
        How many intervals missed CLOCK_REALTIME, and the largest error in ns that the
        midpoints of the tightest of the last reads are sure to have.
    """
    misses = 0
    brackets: list[tuple[int, int]] = []
    start = time.monotonic()
    for k in range(reads):
        before_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        interval = clock.interval()
        after_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        misses += interval.earliest_ns > after_ns or interval.latest_ns < before_ns
        if k >= reads - reads // 20:
            half_ns = (after_ns - before_ns + 1) // 2
            error_ns = abs(interval.midpoint_ns - before_ns - half_ns)
            brackets.append((half_ns, max(error_ns - half_ns, 0)))
        # The reads are the experiment, so real time must pass between them.
        pause_s = start + (k + 1) * spread_s / reads - time.monotonic()
        threading.Event().wait(max(pause_s, 0.0))
    return misses, max(error_ns for _, error_ns in sorted(brackets)[:JUDGED])


@pytest.mark.timeout(180)
def test_one_server_gives_a_bound_that_always_holds(tmp_path: Path) -> None:
    """Valid within 3 s, 10,000 of 10,000 reads right, midpoint within 50 µs at 30 s."""
    segment = tmp_path / "segment"
    with chronyd(tmp_path / "chrony") as port:
        started_s = time.monotonic()
        with (
            running_daemon(segment, "--server", f"127.0.0.1:{port}"),
            Clock(segment) as clock,
        ):
            assert first_interval_after_s(clock, started_s) < 3.0
            misses, error_ns = judge(clock, READS, SPREAD_S)
            assert misses == 0
            assert error_ns < 50_000
            assert clock.interval().status is Status.SYNCHRONIZED


@pytest.mark.timeout(180)
def test_one_liar_among_four_is_named_and_costs_nothing(tmp_path: Path) -> None:
    """Three chronyd and a server that lies by a second: named, and never believed.

    The liar is ours: chronyd run with ``-x`` cannot be made to serve a wrong time.
    """
    segment = tmp_path / "segment"
    with (
        chronyd(tmp_path / "a") as a,
        chronyd(tmp_path / "b") as b,
        chronyd(tmp_path / "c") as c,
        lying_server(1_000_000_000) as liar,
    ):
        servers = [f"127.0.0.1:{port}" for port in (liar, a, b, c)]
        flags = [word for server in servers for word in ("--server", server)]
        started_s = time.monotonic()
        with running_daemon(segment, *flags) as daemon, Clock(segment) as clock:
            assert first_interval_after_s(clock, started_s) < 3.0
            misses, error_ns = judge(clock, READS, SPREAD_S)
            assert misses == 0
            assert error_ns < 50_000
            wait_until(lambda: daemon.verdicts().get(servers[0]) == "falseticker")
            assert {daemon.verdicts()[name] for name in servers[1:]} == {"selected"}
