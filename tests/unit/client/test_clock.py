"""The clock: truth inside, ageing outwards, and every refusal with its reason."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.client.clock import Clock
from chronotick.client.view import half_width_ns, midpoint_ns
from chronotick.core.errors import (
    ClockDisrupted,
    ClockError,
    NoDaemon,
    NotSynchronized,
    StaleCorrection,
)
from chronotick.core.records import Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.layout import HEADER_AT
from chronotick.shm.writer import SegmentWriter
from unit.client.virtual import VirtualHost
from unit.shm.frames import RAW_NS, UTC_NS, make_frame

if TYPE_CHECKING:
    from chronotick.core.reading import Interval


@given(
    rate=st.tuples(st.floats(-20_000, 20_000), st.floats(-1, 1)),
    bound_ns=st.integers(0, 10**7),
    off=st.floats(-1, 1),
    growth_ppb=st.integers(0, 50_000),
    steps=st.lists(st.floats(0, 12), min_size=1, max_size=8),
)
@settings(deadline=None)
def test_the_interval_holds_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    rate: tuple[float, float],
    bound_ns: int,
    off: float,
    growth_ppb: int,
    steps: list[float],
) -> None:
    """At any age, if the oscillator stays within bound and growth, at their limits."""
    true_ppb, wrong = rate
    host = VirtualHost(rate_ppb=true_ppb, tick_ns=0)
    path = tmp_path_factory.mktemp("clock") / "segment"
    with SegmentWriter(path) as writer, Clock(path, clocks=host) as clock:
        writer.publish(
            make_frame(
                utc_ns=host.utc_ns + int(off * bound_ns),
                rate_ppb=true_ppb + wrong * growth_ppb,
                bound_ns=bound_ns,
                bound_growth_ppb=growth_ppb,
            )
        )
        for seconds in steps:
            host.advance(seconds)
            got = clock.interval()

            assert got.earliest_ns <= host.utc_ns <= got.latest_ns
            assert clock.now_ns() == got.midpoint_ns


def test_the_interval_is_exact_to_its_rounding(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Anchor, rate and growth as the page defines them, and 3 ns for rounding."""
    writer.publish(make_frame(rate_ppb=2_000.0, bound_ns=1_000, bound_growth_ppb=500))
    host.tick_ns = 0
    host.advance(10.0)
    got = clock.interval()

    assert abs(got.midpoint_ns - (UTC_NS + 10 * NS_PER_S + 20_000)) <= 1
    assert got.width_ns == 2 * (1_000 + 5_000 + 3)
    assert clock.now_ns() == got.midpoint_ns
    assert clock.now() == pytest.approx(got.midpoint_ns / 1e9, abs=2.4e-7)


def test_the_interval_says_what_it_is_worth(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Status, source, reasons and sigma come from the publication."""
    writer.publish(
        make_frame(
            status=Status.WARMUP,
            source=Source.NTP,
            reasons=Reason.FALSETICKERS,
            variance=Variance(9e6, 0.0, 4e6),
        )
    )
    host.tick_ns = 0
    host.advance(0.5)
    got = clock.interval()

    assert (got.status, got.source) == (Status.WARMUP, Source.NTP)
    assert got.reasons == Reason.FALSETICKERS
    assert got.sigma_ns == pytest.approx((9e6 + 4e6 / 4) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("coverage", [0.99, 0.999])
def test_a_calibrated_interval_is_so_many_sigmas(
    writer: SegmentWriter, clock: Clock, coverage: float
) -> None:
    """Narrower than the hard one, and named by its coverage."""
    writer.publish(
        make_frame(variance=Variance(1e8), coverage_99=2.6, coverage_999=3.3)
    )
    got = clock.interval(coverage)
    factor = {0.99: 2.6, 0.999: 3.3}[coverage]

    assert got.width_ns == pytest.approx(2 * factor * 1e4, abs=20)
    assert got.width_ns < clock.interval().width_ns


def test_a_calibrated_interval_is_never_wider_than_the_hard_one(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """What cannot be need not be covered."""
    host.tick_ns = 0
    writer.publish(make_frame(bound_ns=1_000, coverage_99=2.6))

    assert clock.interval(0.99) == clock.interval()


def test_an_unearned_coverage_is_refused(writer: SegmentWriter, clock: Clock) -> None:
    """A width without a measured coverage would be made up."""
    writer.publish(make_frame())

    with pytest.raises(NotSynchronized, match=r"99\.9% has not been earned"):
        clock.interval(0.999)
    with pytest.raises(ValueError, match=r"0\.99 or 0\.999, not 0\.5"):
        clock.interval(0.5)


def test_every_publication_is_used_at_once(writer: SegmentWriter, clock: Clock) -> None:
    """Nothing is cached past the next sequence."""
    for second in range(1, 6):
        writer.publish(make_frame(utc_ns=UTC_NS + second * NS_PER_S))

        assert clock.now_ns() == pytest.approx(UTC_NS + second * NS_PER_S, abs=10**6)


# ── refusals ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["now", "now_ns", "interval", "publication"])
def test_an_unknown_time_is_refused_with_its_reason(
    writer: SegmentWriter, clock: Clock, method: str
) -> None:
    """Unknown is no number."""
    writer.publish(make_frame(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT))

    with pytest.raises(NotSynchronized, match="no majority of the servers agrees"):
        getattr(clock, method)()


def test_a_silent_daemon_widens_then_expires(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Holdover from one second of silence on, an error from void_after on."""
    writer.publish(make_frame())
    fresh = clock.interval()
    host.advance(0.9)
    assert clock.interval().status is Status.SYNCHRONIZED

    host.advance(0.2)
    silent = clock.interval()
    assert silent.status is Status.HOLDOVER
    assert Reason.WRITER_SILENT in silent.reasons
    assert silent.width_ns > fresh.width_ns

    host.advance(98.8)
    assert clock.interval().width_ns > silent.width_ns
    host.advance(0.2)
    for _ in range(2):
        with pytest.raises(StaleCorrection, match=r"expired .* s ago"):
            clock.interval()


def test_silence_is_measured_in_heartbeats_where_they_are_slow(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """A daemon that beats every two seconds is not silent after one."""
    writer.publish(make_frame(frame={"heartbeat_ns": 2 * NS_PER_S}))
    host.advance(9.9)
    assert clock.interval().status is Status.SYNCHRONIZED

    host.advance(0.2)
    assert clock.interval().status is Status.HOLDOVER


def test_a_daemon_that_comes_back_ends_the_silence(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """On the same mapping, with its first frame."""
    writer.publish(make_frame())
    host.advance(50)
    assert clock.interval().status is Status.HOLDOVER
    writer.publish(make_frame(raw_ns=host.raw_ns))

    assert clock.interval().status is Status.SYNCHRONIZED


@pytest.mark.parametrize("seconds", [0.01, 1.0, 3600.0])
def test_a_host_that_slept_is_disrupted(
    writer: SegmentWriter, clock: Clock, host: VirtualHost, seconds: float
) -> None:
    """RAW stood still, so the correction is wrong by the sleep, whatever its age."""
    writer.publish(make_frame())
    clock.now()
    host.advance(0.001)
    host.suspend(seconds)

    for _ in range(2):
        with pytest.raises(ClockDisrupted, match="the host slept"):
            clock.now_ns()
    clocks = make_frame(raw_ns=host.raw_ns).clocks
    clocks = clocks._replace(suspend_ns=host.suspended_ns)
    writer.publish(make_frame(raw_ns=host.raw_ns, frame={"clocks": clocks}))
    assert clock.interval().status is Status.SYNCHRONIZED


def test_a_stepped_system_clock_changes_nothing(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Others may set CLOCK_REALTIME as they like, in either direction."""
    writer.publish(make_frame())
    for step_ns in (-3_600 * NS_PER_S, 3_600 * NS_PER_S):
        host.advance(0.01)
        host.stepped_ns = step_ns
        got = clock.interval()

        assert got.status is Status.SYNCHRONIZED
        assert got.earliest_ns <= host.utc_ns + 1_000
        assert got.latest_ns >= host.utc_ns - 1_000


def test_other_clocks_than_the_writers_are_disrupted(
    writer: SegmentWriter, clock: Clock
) -> None:
    """Less suspend than at the publication is impossible on the same host."""
    clocks = make_frame().clocks._replace(suspend_ns=NS_PER_S)
    writer.publish(make_frame(frame={"clocks": clocks}))

    with pytest.raises(ClockDisrupted, match="not those it was made with"):
        clock.now()


@pytest.mark.parametrize("which", ["anchor", "as of"])
def test_an_anchor_in_the_future_is_disrupted(
    writer: SegmentWriter, clock: Clock, host: VirtualHost, which: str
) -> None:
    """The clocks were set back: a machine restored from a snapshot, for one."""
    clocks = make_frame().clocks
    if which == "as of":
        clocks = clocks._replace(raw_ns=host.raw_ns + NS_PER_S)
    raw_ns = host.raw_ns + NS_PER_S if which == "anchor" else host.raw_ns
    writer.publish(make_frame(raw_ns=raw_ns, frame={"clocks": clocks}))

    with pytest.raises(ClockDisrupted, match=r"1 s in the future"):
        clock.now()


def test_another_boot_is_disrupted(
    path: str, writer: SegmentWriter, clock: Clock
) -> None:
    """The file outlived the kernel that its times count from."""
    writer.publish(make_frame())
    with open(path, "r+b") as file:
        file.seek(HEADER_AT + 16)
        file.write(bytes(range(16)))

    with pytest.raises(ClockDisrupted, match="rebooted"):
        clock.now()


# ── waiting ─────────────────────────────────────────────────────────────────────────


def _certain(got: Interval, target_ns: int) -> bool:
    return got.earliest_ns > target_ns


def test_commit_wait_ends_when_the_order_is_certain(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Not a microsecond earlier, and at most a few later."""
    writer.publish(make_frame(bound_growth_ppb=0))
    target_ns = clock.interval().latest_ns
    got = clock.wait_until_after(target_ns)

    assert _certain(got, target_ns)
    assert got.earliest_ns - target_ns < 2_000
    assert clock.after(target_ns) is True


def test_commit_wait_returns_at_once_for_the_past(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """There is nothing to wait for."""
    writer.publish(make_frame())
    clock.wait_until_after(UTC_NS - NS_PER_S)

    assert host.slept == []


def test_commit_wait_fails_when_the_clock_is_lost(
    writer: SegmentWriter, clock: Clock
) -> None:
    """A target beyond void_after can never be certain without a daemon."""
    writer.publish(make_frame())

    with pytest.raises(StaleCorrection):
        clock.wait_until_after(UTC_NS + 1000 * NS_PER_S)


def test_commit_wait_notices_a_sleep_of_the_host(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """What was true before the sleep says nothing after it."""
    writer.publish(make_frame())
    sleep = host.sleep

    def suspend_once(seconds: float) -> None:
        sleep(seconds)
        host.suspend(5.0)

    host.sleep = suspend_once  # type: ignore[method-assign]
    with pytest.raises(ClockDisrupted):
        clock.wait_until_after(UTC_NS + NS_PER_S)


def test_a_timeout_without_end_is_none(writer: SegmentWriter, clock: Clock) -> None:
    """Infinity is how other libraries say so."""
    writer.publish(make_frame())
    now = clock.interval()

    assert _certain(clock.wait_until_after(now, timeout=math.inf), now.latest_ns)


def test_commit_wait_gives_up_after_its_timeout(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Measured on the host's own oscillator."""
    writer.publish(make_frame())
    started_ns = host.raw_ns

    with pytest.raises(TimeoutError, match=r"within 0\.25 s"):
        clock.wait_until_after(UTC_NS + 10 * NS_PER_S, timeout=0.25)
    assert 0.25 <= (host.raw_ns - started_ns) / NS_PER_S < 0.26


def test_waiting_for_a_midpoint_says_how_late_it_is(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """On time for the future, late for the past."""
    writer.publish(make_frame())

    assert 0 <= clock.wait_until((UTC_NS + NS_PER_S) / 1e9) < 2_000
    assert clock.wait_until(UTC_NS) > NS_PER_S


def test_before_and_after_have_three_answers(
    writer: SegmentWriter, clock: Clock
) -> None:
    """For instants given as ints, floats and intervals."""
    writer.publish(make_frame())
    now = clock.interval()

    assert clock.before(now.latest_ns + NS_PER_S) is True
    assert clock.before(now) is None
    assert clock.before((now.earliest_ns - NS_PER_S) / 1e9) is False
    assert clock.after((now.earliest_ns - NS_PER_S) / 1e9) is True
    assert clock.after(now.midpoint_ns) is None
    assert clock.after(now.latest_ns + NS_PER_S) is False


@pytest.mark.parametrize(
    "method", ["before", "after", "wait_until", "wait_until_after"]
)
@pytest.mark.parametrize("t", [UTC_NS + 50e6, UTC_NS // 10**6, UTC_NS // 10**3])
def test_an_instant_in_another_unit_is_refused(
    writer: SegmentWriter, clock: Clock, method: str, t: float
) -> None:
    """Instead of a lease that never ends, and a wait that is none."""
    writer.publish(make_frame())

    with pytest.raises(ValueError, match="nanoseconds"):
        getattr(clock, method)(t)


@pytest.mark.parametrize(
    ("timeout", "error"), [("1", TypeError), (math.nan, ValueError)]
)
def test_a_timeout_is_looked_at_first(
    writer: SegmentWriter, clock: Clock, timeout: float, error: type[Exception]
) -> None:
    """Also where the wait would be over at once."""
    writer.publish(make_frame())

    with pytest.raises(error, match="a timeout is in seconds"):
        clock.wait_until_after(UTC_NS - NS_PER_S, timeout=timeout)


def test_an_observation_is_of_one_publication(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """The time is what its snapshot says at its instant, whatever came before."""
    writer.publish(make_frame())
    clock.interval()
    writer.publish(make_frame(utc_ns=UTC_NS + 7 * NS_PER_S))
    host.advance(0.5)
    now, snapshot, raw_ns = clock.observation()

    assert snapshot.utc_ns == UTC_NS + 7 * NS_PER_S
    assert raw_ns - RAW_NS == pytest.approx(NS_PER_S / 2, abs=2_000)
    assert now.midpoint_ns == midpoint_ns(snapshot, raw_ns)
    assert now.width_ns == 2 * half_width_ns(snapshot, raw_ns)


def test_a_publication_shows_both_clocks_now(
    writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Its pair of reads is made at the call, with its error."""
    writer.publish(make_frame())
    host.advance(0.5)
    got = clock.publication()

    assert got.snapshot.as_of_raw_ns - RAW_NS == pytest.approx(NS_PER_S / 2, abs=2_000)
    assert got.snapshot.realtime_error_ns == 100
    assert got.header.writer_pid == os.getpid()
    assert got.owner_uid == os.getuid()
    assert [entry.number for entry in got.history] == [1]


def test_every_error_of_a_reading_is_a_clock_or_segment_error(path: str) -> None:
    """So that callers can catch by meaning."""
    assert issubclass(NoDaemon, ClockError)
    with Clock(path) as clock, pytest.raises(ClockError):
        clock.now()
