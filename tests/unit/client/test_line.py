"""What is remembered from the last reading: never for longer than it is right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.client.clock import Clock
from chronotick.client.line import lay_out, nothing, rest_ns
from chronotick.client.view import HostReading, midpoint_ns, prepare
from chronotick.shm.reader import SEQUENCE, SegmentReader
from chronotick.shm.writer import SegmentWriter
from unit.client.virtual import VirtualHost
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    import pytest

ONE = 1 << 60
_RATES_PPB = st.floats(-500_000, 500_000) | st.sampled_from([0.0, 20_000.0, -20_000.0])


@given(utc_q60=st.integers(0, 1 << 124), drift_q60=st.integers(-(1 << 53), 1 << 53))
def test_a_rest_ends_before_the_sum_changes(utc_q60: int, drift_q60: int) -> None:
    """UTC − RAW rounded down is the same on its last ns as on its first."""
    ahead = utc_q60 >> 60
    last_ns = rest_ns(utc_q60, ONE + drift_q60) - 1

    assert last_ns >= 0
    assert utc_q60 + last_ns * drift_q60 >> 60 == ahead


@given(
    utc_q60=st.integers(0, 1 << 124),
    drift_ppb=st.integers(1_000, 200_000),
    is_fast=st.booleans(),
)
def test_a_rest_is_no_shorter_than_need_be(
    utc_q60: int, drift_ppb: int, is_fast: bool
) -> None:
    """By 1 in 1,000 and 2 ns; else readings would be slow for nothing."""
    drift_q60 = (drift_ppb if is_fast else -drift_ppb) * (ONE // 10**9)
    rest = rest_ns(utc_q60, ONE + drift_q60)
    later_ns = rest + rest // 1_000 + 2

    assert utc_q60 + later_ns * drift_q60 >> 60 != utc_q60 >> 60


@given(
    rate_ppb=_RATES_PPB,
    steps_ns=st.lists(st.integers(0, 30_000), min_size=3, max_size=60),
)
@settings(deadline=None)
def test_readings_are_those_of_the_formula(
    tmp_path_factory: pytest.TempPathFactory, rate_ppb: float, steps_ns: list[int]
) -> None:
    """To the last ns, at any rate, however near or far apart they are made."""
    host = VirtualHost(rate_ppb=rate_ppb, tick_ns=0)
    path = tmp_path_factory.mktemp("clock") / "segment"
    with SegmentWriter(path) as writer, Clock(path, clocks=host) as clock:
        writer.publish(make_frame(rate_ppb=rate_ppb))
        for number, step_ns in enumerate(steps_ns):
            host.raw_ns += step_ns
            expected_ns = midpoint_ns(clock.snapshot(), host.raw_ns)

            if number % 2:
                assert clock.now_ns() == expected_ns
            assert clock.interval().midpoint_ns == expected_ns
            assert clock.now_ns() == expected_ns


class _CountingHost(VirtualHost):
    """A host that knows how often which clock was read."""

    def __init__(self, rate_ppb: float) -> None:
        super().__init__(rate_ppb=rate_ppb, tick_ns=1)
        self.read: list[int] = []

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        self.read.append(clk_id)
        return super().clock_gettime_ns(clk_id)


def test_a_burst_reads_raw_and_little_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whether the host slept is asked once in 100 us, at moderate and at high rates."""
    for rate_ppb in (20_000.0, 400_000.0):
        host = _CountingHost(rate_ppb)
        path = tmp_path_factory.mktemp("clock") / "segment"
        with SegmentWriter(path) as writer, Clock(path, clocks=host) as clock:
            writer.publish(make_frame(rate_ppb=rate_ppb))
            for _ in range(3):
                clock.now_ns()
            host.read.clear()
            for _ in range(1_000):
                host.raw_ns += 99
                clock.now_ns()

            assert host.read.count(time.CLOCK_MONOTONIC_RAW) == 1_000
            assert len(host.read) <= 1_000 + 3


def test_a_line_is_of_its_view_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A machine that can be moved has a sequence that is never there: it is asked."""
    path = tmp_path_factory.mktemp("clock") / "segment"
    with SegmentWriter(path) as writer:
        writer.publish(make_frame(frame={"disruption_marker": 5}))
        look = SegmentReader(path).look()
        host = HostReading(RAW_NS + 10, look.snapshot.realtime_ns - RAW_NS, 0, 0)
        plain = prepare("", look, host, None)
        marked = prepare("", look, host, (0, 0, 5))
        read = VirtualHost().time_ns

        assert lay_out(plain, read, read)[1] == look.snapshot.sequence
        assert lay_out(marked, read, read)[1] == -1


def test_nothing_matches_no_sequence() -> None:
    """A clock that is closed, or has not looked yet, cannot answer from it."""
    words, sequence, *_ = nothing(VirtualHost().time_ns)

    assert words[SEQUENCE] != sequence
