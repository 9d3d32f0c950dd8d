"""`daemon.publisher`: corrections expire on time, sleep voids them, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrono_daemon import Channel, SimClock, Supervisor, open_channel
from chronotick.core.records import ClockPair, Correction, Frame, Variance
from chronotick.core.status import Leap, Reason, Source, Status
from chronotick.core.units import NS_PER_S, grow_ns
from chronotick.daemon.publisher import Publisher, void_after
from chronotick.shm.codec import encode_slot
from chronotick.shm.layout import SLOT_SIZE
from unit.shm.frames import make_frame


class Clocks:
    """Measured clocks that follow a schedule clock, plus a suspend count to set."""

    def __init__(self, schedule: SimClock) -> None:
        self.schedule = schedule
        self.suspend_ns = 0

    def raw_ns(self) -> int:
        """Return nanoseconds of the schedule."""
        return round(self.schedule.now() * NS_PER_S)

    def pair(self) -> ClockPair:
        """Return the pair with REALTIME a thousand seconds ahead."""
        raw_ns = self.raw_ns()
        return ClockPair(raw_ns, raw_ns + 1000 * NS_PER_S, 10, self.suspend_ns)


class Recorder:
    """A sink that keeps what it was given."""

    refresh_period_ns = 0

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def publish(self, frame: Frame) -> None:
        """Keep `frame`."""
        self.frames.append(frame)


def correction(
    status: Status = Status.SYNCHRONIZED,
    *,
    bound_ns: int = 1_000,
    growth_ppb: int = 15_000,
    reasons: Reason = Reason.NONE,
) -> Correction:
    """Return a correction anchored at RAW 0."""
    return Correction(
        raw_ns=0,
        utc_ns=1000 * NS_PER_S,
        rate_ppb=0.0,
        bound_ns=bound_ns,
        bound_growth_ppb=growth_ppb,
        variance=Variance(1.0),
        status=status,
        reasons=reasons,
        source=Source.CPU_MODEL,
        confidence=1.0,
        last_sync_raw_ns=0,
        measurement_count=1,
        delay_ns=0,
    )


NOVEMBER_NS = 1_730_419_200 * NS_PER_S
"""2024-11-01."""


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**10))
def test_a_correction_expires_just_before_its_bound_passes_the_limit(
    bound_ns: int, growth_ppb: int, limit_ns: int
) -> None:
    """At void_after the half width is within the limit, and soon after it is not."""
    made = correction(bound_ns=bound_ns, growth_ppb=growth_ppb)
    age_ns = void_after(made, limit_ns)
    if bound_ns >= limit_ns:
        assert age_ns == 0
    else:
        assert bound_ns + grow_ns(age_ns, growth_ppb) <= limit_ns
        if age_ns == 2**63 - 1:
            return  # The last instant that can be told.
        later_ns = age_ns + NS_PER_S // growth_ppb + 1
        assert bound_ns + grow_ns(later_ns, growth_ppb) >= limit_ns


def test_a_correction_that_is_good_for_centuries_can_be_published() -> None:
    """The widest limit that may be configured, on an oscillator that is known well."""
    made = replace(correction(bound_ns=0, growth_ppb=1), raw_ns=10**15)
    frame = make_frame(
        raw_ns=made.raw_ns,
        frame={"void_after_raw_ns": void_after(made, 3600 * NS_PER_S)},
    )
    assert len(encode_slot(frame)) == SLOT_SIZE


@given(
    st.integers(1, 86_400 * NS_PER_S),
    st.integers(0, 10**8),
    st.integers(1, 500_000),
    st.integers(-500_000, 500_000),
    st.sampled_from([Leap.INSERT, Leap.DELETE]),
)
def test_no_correction_outlives_a_leap_second(
    left_ns: int, bound_ns: int, growth_ppb: int, rate_ppb: int, leap: Leap
) -> None:
    """At void_after, even the latest that UTC can be is a second before month's end."""
    made = replace(
        correction(bound_ns=bound_ns, growth_ppb=growth_ppb),
        utc_ns=NOVEMBER_NS - left_ns,
        rate_ppb=float(rate_ppb),
        leap=leap,
    )
    age_ns = void_after(made, 10**15)
    passed_ns = age_ns + bound_ns + grow_ns(age_ns, growth_ppb)
    passed_ns += age_ns * rate_ppb // NS_PER_S
    if age_ns > 0:
        assert left_ns - passed_ns >= NS_PER_S
    else:
        assert left_ns - bound_ns <= NS_PER_S + 2


def test_no_other_midnight_is_that_of_a_leap_second() -> None:
    """Servers may announce one a month ahead (RFC 5905 §7.3)."""
    made = replace(
        correction(bound_ns=0, growth_ppb=1),
        utc_ns=NOVEMBER_NS - 86_400 * NS_PER_S - NS_PER_S,
        leap=Leap.INSERT,
    )
    assert void_after(made, 10**9) > 80_000 * NS_PER_S


@pytest.mark.anyio
async def test_a_change_is_published_at_once_and_then_at_every_heartbeat() -> None:
    """One frame on the change, ten a second after it, all with the same correction."""
    clock = SimClock()
    sink = Recorder()
    publisher = Publisher(sink, Clocks(clock), frequency_hz=10.0, max_bound_ns=NS_PER_S)
    channel: Channel[Correction] = open_channel(1)
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(publisher.follow, channel.recv)
        supervisor.spawn(publisher.beat)
        await clock.advance(1.0)
        assert sink.frames == []
        await channel.send.send(correction())
        await clock.advance(0.0)
        assert len(sink.frames) == 1
        await clock.advance(1.0)
        assert len(sink.frames) == 11
        await supervisor.stop(grace=0)
    assert {frame.correction for frame in sink.frames} == {correction()}
    assert sink.frames[-1].as_of_raw_ns == 2 * NS_PER_S
    assert sink.frames[-1].heartbeat_ns == NS_PER_S // 10
    assert sink.frames[-1].correction_count == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("frequency_hz", "refresh_period_ns", "frames"),
    [(100.0, 0, 101), (100.0, NS_PER_S // 4, 5), (2.0, NS_PER_S // 4, 3)],
    ids=["every heartbeat", "what the sink needs", "slow heartbeats"],
)
async def test_a_sink_that_makes_heartbeats_is_told_as_often_as_it_needs(
    frequency_hz: float, refresh_period_ns: int, frames: int
) -> None:
    """And what readers are told of their rate is the same, whoever makes them."""
    clock = SimClock()
    sink = Recorder()
    sink.refresh_period_ns = refresh_period_ns
    publisher = Publisher(
        sink, Clocks(clock), frequency_hz=frequency_hz, max_bound_ns=NS_PER_S
    )
    await publish(publisher, clock, correction(), 1.001)
    assert len(sink.frames) == frames
    assert {f.heartbeat_ns for f in sink.frames} == {round(NS_PER_S / frequency_hz)}
    stamps = [frame.as_of_raw_ns for frame in sink.frames]
    assert stamps == sorted(set(stamps))


@pytest.mark.anyio
async def test_a_sink_may_stop_making_heartbeats_and_begin_again() -> None:
    """From the next turn on they come as often as readers were told."""
    clock = SimClock()
    sink = Recorder()
    sink.refresh_period_ns = NS_PER_S // 4
    publisher = Publisher(
        sink, Clocks(clock), frequency_hz=100.0, max_bound_ns=NS_PER_S
    )
    channel: Channel[Correction] = open_channel(1)
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(publisher.follow, channel.recv)
        supervisor.spawn(publisher.beat)
        await channel.send.send(correction())
        for period_ns, frames in ((NS_PER_S // 4, 5), (0, 76), (NS_PER_S // 4, 4)):
            sink.refresh_period_ns = period_ns
            sink.frames.clear()
            await clock.advance(1.001)
            assert len(sink.frames) == frames
        await supervisor.stop(grace=0)


async def publish(
    publisher: Publisher, clock: SimClock, *steps: Correction | float
) -> None:
    """Send corrections and let time pass, in the order given."""
    channel: Channel[Correction] = open_channel(4)
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(publisher.follow, channel.recv)
        supervisor.spawn(publisher.beat)
        for step in steps:
            if isinstance(step, Correction):
                await channel.send.send(step)
                await clock.advance(0.0)
            else:
                await clock.advance(step)
        await supervisor.stop(grace=0)


@pytest.mark.anyio
async def test_a_suspended_host_is_said_to_have_no_time() -> None:
    """The frame after the sleep carries UNKNOWN, not the old time with a new stamp."""
    clock = SimClock()
    clocks = Clocks(clock)
    sink = Recorder()
    publisher = Publisher(sink, clocks, frequency_hz=1.0, max_bound_ns=NS_PER_S)
    await publish(publisher, clock, correction(), 1.0)
    clocks.suspend_ns += 5 * NS_PER_S
    await publish(publisher, clock, 1.0)
    said = [frame.correction.status for frame in sink.frames]
    assert said[0] is Status.SYNCHRONIZED
    assert said[-1] is Status.UNKNOWN
    assert Reason.STEP in sink.frames[-1].correction.reasons


@pytest.mark.anyio
async def test_a_correction_computed_before_the_sleep_is_void_when_it_arrives() -> None:
    """It waited in a channel while RAW stood still: never with today's suspend count."""
    clock = SimClock()
    clocks = Clocks(clock)
    sink = Recorder()
    publisher = Publisher(sink, clocks, frequency_hz=1.0, max_bound_ns=NS_PER_S)
    await publish(publisher, clock, 10.0)
    late = replace(correction(), raw_ns=9 * NS_PER_S)
    clocks.suspend_ns += 3600 * NS_PER_S
    await publish(publisher, clock, late, 2.0)
    assert {frame.correction.status for frame in sink.frames} == {Status.UNKNOWN}


@pytest.mark.anyio
async def test_a_bound_beyond_the_limit_is_no_time() -> None:
    """Too wide from the start: UNKNOWN, and the reason is named."""
    clock = SimClock()
    sink = Recorder()
    publisher = Publisher(sink, Clocks(clock), frequency_hz=1.0, max_bound_ns=500)
    await publish(publisher, clock, correction(bound_ns=500))
    published = sink.frames[-1].correction
    assert (published.status, published.reasons) == (Status.UNKNOWN, Reason.TOO_WIDE)
    assert sink.frames[-1].void_after_raw_ns == 0


@pytest.mark.anyio
async def test_a_restart_does_not_replace_good_time_with_none() -> None:
    """What an earlier daemon left stays until it expires or something better comes."""
    clock = SimClock()
    sink = Recorder()
    publisher = Publisher(
        sink,
        Clocks(clock),
        frequency_hz=10.0,
        max_bound_ns=NS_PER_S,
        inherited_until_raw_ns=5 * NS_PER_S,
    )
    nothing = correction(Status.UNKNOWN, reasons=Reason.NO_SAMPLES)
    await publish(publisher, clock, nothing, 4.9)
    assert sink.frames == []
    await publish(publisher, clock, 0.2)
    assert {frame.correction.status for frame in sink.frames} == {Status.UNKNOWN}
    await publish(publisher, clock, correction())
    assert sink.frames[-1].correction.status is Status.SYNCHRONIZED


@pytest.mark.anyio
async def test_once_it_has_spoken_it_may_take_it_back() -> None:
    """UNKNOWN after a known time is published at once, inherited or not."""
    clock = SimClock()
    sink = Recorder()
    publisher = Publisher(
        sink,
        Clocks(clock),
        frequency_hz=10.0,
        max_bound_ns=NS_PER_S,
        inherited_until_raw_ns=5 * NS_PER_S,
    )
    nothing = correction(Status.UNKNOWN, reasons=Reason.STEP)
    await publish(publisher, clock, correction(), nothing)
    assert sink.frames[-1].correction.status is Status.UNKNOWN
