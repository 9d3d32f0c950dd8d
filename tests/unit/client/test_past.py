"""Stamps of the past: the truth inside, and a refusal where nothing is certain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chronotick.client.clock import Clock
from chronotick.core.errors import ClockDisrupted, ClockError
from chronotick.core.records import ClockPair, Variance
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.writer import SegmentWriter
from unit.client.virtual import VirtualHost
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.client.stamps import StampClock


class _Day:
    """A host whose system clock is steered, and a daemon that corrects now and then."""

    def __init__(
        self,
        path: Path,
        *,
        rate_ppb: float = 8_000.0,
        lasts_s: int = 100,
        host: VirtualHost | None = None,
    ) -> None:
        self.host = host or VirtualHost(rate_ppb=rate_ppb, tick_ns=0)
        self.writer = SegmentWriter(path)
        self.clock = Clock(path, clocks=self.host)
        self.lasts_ns = lasts_s * NS_PER_S
        self.stamps: list[tuple[int, int, int]] = []
        """RAW, REALTIME and the truth, of stamps taken so far."""

    def correct(
        self, *, off_ns: int = 0, bound_ns: int = 100_000, marker: int = 0
    ) -> None:
        """Publish a correction that is `off_ns` wrong."""
        host = self.host
        clocks = ClockPair(
            host.raw_ns,
            host.clock_gettime_ns(time.CLOCK_REALTIME),
            50,
            host.suspended_ns,
            marker,
        )
        self.writer.publish(
            make_frame(
                raw_ns=host.raw_ns,
                utc_ns=host.utc_ns + off_ns,
                rate_ppb=host.rate_ppb,
                bound_ns=bound_ns,
                frame={
                    "clocks": clocks,
                    "void_after_raw_ns": host.raw_ns + self.lasts_ns,
                    "disruption_marker": marker,
                },
            )
        )

    def pass_time(self, seconds: float, *, slew_ppm: float = 0.0) -> None:
        """Let time pass with the system clock slewed, and take a stamp at the end."""
        self.host.advance(seconds)
        self.host.stepped_ns += round(seconds * slew_ppm * 1_000)
        realtime_ns = self.host.clock_gettime_ns(time.CLOCK_REALTIME)
        self.stamps.append((self.host.raw_ns, realtime_ns, self.host.utc_ns))

    def close(self) -> None:
        """Let go of the segment."""
        self.clock.close()
        self.writer.close()


@pytest.fixture
def day(tmp_path: Path) -> _Day:
    """Return a day that has just begun, with one correction."""
    day = _Day(tmp_path / "segment")
    day.correct()
    return day


@given(
    turns=st.lists(
        st.tuples(
            st.lists(st.tuples(st.floats(0, 0.5), st.floats(-480, 480)), max_size=4),
            st.integers(-100_000, 100_000),
        ),
        min_size=1,
        max_size=60,
    )
)
@settings(max_examples=40, deadline=None)
def test_every_stamp_that_is_told_is_told_right(
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[tuple[list[tuple[float, float]], int]],
) -> None:
    """Of either clock, in any steering that the kernel can do, at any correction."""
    day = _Day(tmp_path_factory.mktemp("past") / "segment")
    day.correct()
    for stretches, off_ns in turns:
        for seconds, slew_ppm in stretches:
            day.pass_time(seconds, slew_ppm=slew_ppm)
        day.correct(off_ns=off_ns)
    for raw_ns, realtime_ns, utc_ns in day.stamps:
        got = day.clock.past(raw_ns, "raw")
        assert got.earliest_ns <= utc_ns <= got.latest_ns
        try:
            got = day.clock.past(realtime_ns)
        except ClockError as exc:
            assert "nothing is remembered" in str(exc)  # noqa: PT017
            continue
        assert got.earliest_ns <= utc_ns <= got.latest_ns
    day.close()


_STEPS_NS = st.integers(0, 3_000_000) | st.integers(0, 30_000_000)


@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from([-1, 1]),
            st.lists(
                st.tuples(
                    st.floats(0, 20), st.floats(-480, 480), st.just(0) | _STEPS_NS
                ),
                max_size=5,
            ),
        ),
        min_size=1,
        max_size=40,
    )
)
@example([(1, [(16.0, 0.0, 0), (0.5, 0.0, 7_000_000), (15.0, 0.0, 0)])])
@example([(-1, [(16.0, 0.0, 0), (0.001, 0.0, 7_000_000), (15.0, 0.0, 0)])])
@example([(-1, [(32.0, 0.0, 0), (0.001, 0.0, 7_000_000)]), (1, [(1.0, 0.0, 0)])])
@example([(-1, [(0.0, 0.0, 361_498)]), (1, [(1.0, 0.0, 353_556)])])
@settings(max_examples=150, deadline=None)
def test_no_step_between_two_looks_makes_a_stamp_wrong(
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[tuple[int, list[tuple[float, float, int]]]],
) -> None:
    """Steps, or slews that are faster than the kernel's, all one way, amid any slews.

    However small: one that the check lets pass must be in the width.
    """
    day = _Day(tmp_path_factory.mktemp("past") / "segment", lasts_s=1_000_000)
    day.correct()
    for sign, stretches in turns:
        for seconds, slew_ppm, step_ns in stretches:
            day.pass_time(seconds / 2, slew_ppm=slew_ppm)
            day.host.stepped_ns += sign * step_ns
            day.pass_time(seconds / 2, slew_ppm=slew_ppm)
        # Of two corrections for one instant only the first is remembered.
        day.host.advance(1e-6)
        day.correct()
    for _, realtime_ns, utc_ns in day.stamps:
        try:
            got = day.clock.past(realtime_ns)
        except (ClockError, ValueError):
            continue
        assert got.earliest_ns <= utc_ns <= got.latest_ns
    day.close()


def test_a_stamp_between_corrections_is_bounded_by_both(day: _Day) -> None:
    """Narrower than either says alone."""
    day.correct(off_ns=80_000)
    day.pass_time(1.0)
    day.host.advance(1.0)
    day.correct(off_ns=-80_000)
    raw_ns, _, utc_ns = day.stamps[0]
    got = day.clock.past(raw_ns, "raw")

    assert got.earliest_ns <= utc_ns <= got.latest_ns
    assert got.width_ns < 100_000


@pytest.mark.parametrize("seconds", [0.5, 8.0, 15.9])
def test_a_stamp_of_the_system_clock_costs_what_the_looks_are_apart(
    tmp_path: Path, seconds: float
) -> None:
    """A microsecond per millisecond between them at most, and the bound."""
    day = _Day(tmp_path / "segment", lasts_s=1_000_000)
    day.correct()
    day.pass_time(seconds)
    day.host.advance(16.0 - seconds)
    _, realtime_ns, utc_ns = day.stamps[0]
    got = day.clock.past(realtime_ns)

    assert got.earliest_ns <= utc_ns <= got.latest_ns
    assert got.width_ns < 2 * (100_000 + 16 * 15_000 + 1_000) + 16_000_000


@pytest.mark.parametrize("on", ["raw", "realtime"])
def test_a_stamp_of_the_future_is_refused(day: _Day, on: StampClock) -> None:
    """It is no past."""
    which = time.CLOCK_MONOTONIC_RAW if on == "raw" else time.CLOCK_REALTIME
    ahead_ns = day.host.clock_gettime_ns(which) + NS_PER_S

    with pytest.raises(ValueError, match="has not come yet"):
        day.clock.past(ahead_ns, on)


def test_what_the_ring_has_forgotten_is_refused(day: _Day) -> None:
    """For the system clock; RAW runs on, only with less and less certainty."""
    day.pass_time(1.0)
    for _ in range(60):
        day.host.advance(1.0)
        day.correct()
    raw_ns, realtime_ns, utc_ns = day.stamps[0]

    with pytest.raises(ClockError, match=r"reaches .* s back"):
        day.clock.past(realtime_ns)
    got = day.clock.past(raw_ns, "raw")
    assert got.earliest_ns <= utc_ns <= got.latest_ns


def test_what_is_wider_than_the_daemons_limit_is_refused(day: _Day) -> None:
    """A bound that the daemon itself would not publish is not handed out."""
    with pytest.raises(ClockError, match="too old"):
        day.clock.past(RAW_NS - 1000 * NS_PER_S, "raw")


def test_a_stamp_around_a_step_of_the_system_clock_is_refused(day: _Day) -> None:
    """Which side of the step it was on cannot be told; others are not concerned."""
    day.pass_time(1.0)
    day.host.advance(0.5)
    day.correct()
    day.host.stepped_ns += 2 * NS_PER_S
    day.pass_time(1.0)
    day.correct()
    day.pass_time(1.0)
    before, around, after = (stamp[1] for stamp in day.stamps)

    with pytest.raises(ClockDisrupted, match="was set"):
        day.clock.past(around - NS_PER_S // 2)
    assert day.clock.past(before).midpoint_ns == pytest.approx(
        day.stamps[0][2], abs=1_000_000
    )
    assert day.clock.past(after).midpoint_ns == pytest.approx(
        day.stamps[2][2], abs=1_000_000
    )


def test_a_stamp_from_before_a_sleep_is_told_by_what_was_known_then(day: _Day) -> None:
    """And one from between the last correction and the sleep is refused."""
    day.host.advance(0.5)
    day.correct()
    day.host.advance(0.5)
    unsure_ns = day.host.raw_ns
    known_ns = RAW_NS + NS_PER_S // 4
    day.host.suspend(3600.0)
    day.host.advance(0.5)
    day.correct()
    day.pass_time(0.5)

    got = day.clock.past(known_ns, "raw")
    assert got.midpoint_ns == pytest.approx(
        make_frame(raw_ns=known_ns).correction.utc_ns, abs=100_000
    )
    with pytest.raises(ClockDisrupted, match="slept"):
        day.clock.past(unsure_ns, "raw")
    assert day.clock.past(day.stamps[0][0], "raw").status is Status.SYNCHRONIZED


def test_a_stamp_older_than_a_forgotten_sleep_is_refused(day: _Day) -> None:
    """Nothing says on which side of it the stamp was taken."""
    day.host.suspend(3600.0)
    day.host.advance(1.0)
    for _ in range(50):
        day.host.advance(0.1)
        day.correct()

    with pytest.raises(ClockDisrupted, match="slept"):
        day.clock.past(RAW_NS + 1, "raw")


# ── arrays ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("on", ["RAW", "monotonic", ""])
def test_a_clock_that_is_neither_is_refused(day: _Day, on: StampClock) -> None:
    """A stamp of CLOCK_MONOTONIC would get a bound of RAW, which it does not keep."""
    raw_ns = day.host.raw_ns

    with pytest.raises(ValueError, match="'realtime' or 'raw'"):
        day.clock.past(raw_ns, on)
    with pytest.raises(ValueError, match="'realtime' or 'raw'"):
        day.clock.correct(np.array([raw_ns]), on)


@pytest.mark.parametrize("on", ["raw", "realtime"])
def test_a_stamp_is_a_whole_number(day: _Day, on: StampClock) -> None:
    """A float has lost a hundred ns that no bound allows for."""
    day.pass_time(1.0)
    stamp_ns = day.stamps[0][on == "realtime"]

    assert day.clock.past(np.int64(stamp_ns), on) == day.clock.past(stamp_ns, on)  # type: ignore[arg-type]
    for other in (float(stamp_ns), str(stamp_ns), None):
        with pytest.raises(TypeError, match="int"):
            day.clock.past(other, on)  # type: ignore[arg-type]


def test_a_negative_variance_is_no_spread(day: _Day) -> None:
    """As `interval` has it; a root of it would be no real number."""
    day.writer.publish(make_frame(variance=Variance(-4.0)))
    day.pass_time(1.0)

    assert day.clock.interval().sigma_ns == 0.0
    assert day.clock.past(day.stamps[0][0], "raw").sigma_ns == 0.0


@given(
    rate_ppb=st.floats(-500_000, 500_000),
    wrong_ppb=st.sampled_from([-15_000, 15_000]),
    steered=st.sampled_from([-500e-6, 500e-6]),
    seconds=st.floats(0, 600),
)
@settings(deadline=None)
def test_an_array_is_bounded_at_the_limits_of_both_clocks(
    tmp_path_factory: pytest.TempPathFactory,
    rate_ppb: float,
    wrong_ppb: int,
    steered: float,
    seconds: float,
) -> None:
    """RAW off by all that the bound allows, the system clock as slow as can be."""
    host = VirtualHost(rate_ppb=rate_ppb, tick_ns=0)
    before_ns, stamp_ns = host.utc_ns, host.clock_gettime_ns(time.CLOCK_REALTIME)
    host.advance(seconds)
    elapsed_ns = host.raw_ns - RAW_NS
    told_ns = host.utc_ns - before_ns
    host.stepped_ns += elapsed_ns + int(elapsed_ns * steered) - told_ns
    path = tmp_path_factory.mktemp("array") / "segment"
    with SegmentWriter(path) as writer, Clock(path, clocks=host) as clock:
        writer.publish(
            make_frame(
                raw_ns=host.raw_ns,
                utc_ns=host.utc_ns,
                rate_ppb=rate_ppb + wrong_ppb,
                bound_ns=0,
                bound_growth_ppb=15_000,
            )
        )
        got = clock.correct(np.array([stamp_ns]))

    assert abs(int(got.utc_ns[0]) - before_ns) <= int(got.half_width_ns[0])


@pytest.mark.parametrize("on", ["raw", "realtime"])
def test_an_array_is_corrected_from_one_snapshot(day: _Day, on: StampClock) -> None:
    """Each element within its half width, which grows with its distance from now."""
    for _ in range(100):
        day.pass_time(0.01, slew_ppm=200.0)
    day.correct()
    index = 0 if on == "raw" else 1
    stamps = np.array([stamp[index] for stamp in day.stamps], dtype=np.int64)
    truth = np.array([stamp[2] for stamp in day.stamps], dtype=np.int64)
    got = day.clock.correct(stamps, on)

    assert got.utc_ns.dtype == got.half_width_ns.dtype == np.int64
    assert np.all(np.abs(got.utc_ns - truth) <= got.half_width_ns)
    assert np.all(np.diff(got.half_width_ns) <= 0)
    assert got.half_width_ns[-1] < 120_000


@pytest.mark.parametrize(
    "stamps", [[1, 2], 5, np.array([1.0]), np.array([1], dtype=np.int32)]
)
def test_what_is_no_array_of_stamps_is_refused(day: _Day, stamps: object) -> None:
    """A float would lose 240 ns without a word."""
    with pytest.raises(TypeError, match="array of int64"):
        day.clock.correct(stamps)  # type: ignore[arg-type]


def test_an_empty_array_stays_empty(day: _Day) -> None:
    """And costs no error."""
    got = day.clock.correct(np.array([], dtype=np.int64))

    assert len(got.utc_ns) == len(got.half_width_ns) == 0


JULY_NS = 1_782_864_000 * NS_PER_S
"""2026-07-01."""


class _LeapingHost(VirtualHost):
    """Begins 200 s before the end of a month; a leap second is inserted there, or not."""

    def __init__(self, leap_ns: int) -> None:
        super().__init__(tick_ns=0)
        self.leap_ns = leap_ns

    @property
    def utc_ns(self) -> int:
        age_ns = self.raw_ns - RAW_NS - 200 * NS_PER_S
        return JULY_NS + age_ns - (self.leap_ns if age_ns >= 0 else 0)


@pytest.mark.parametrize("leap_ns", [0, NS_PER_S])
@pytest.mark.parametrize("corrections", [2, 20, 60])
def test_no_correction_tells_of_the_other_side_of_a_leap_second(
    tmp_path: Path, leap_ns: int, corrections: int
) -> None:
    """Of either side its own do, and once they are forgotten, nobody does."""
    day = _Day(tmp_path / "segment", host=_LeapingHost(leap_ns), lasts_s=10_000)
    for _ in range(10):
        day.correct()
        day.pass_time(19.0)
    before = day.stamps[4]
    day.host.advance(13.0)
    for _ in range(corrections):
        day.correct()
        day.pass_time(10.0)

    for raw_ns, _, utc_ns in day.stamps[12:]:
        got = day.clock.past(raw_ns, "raw")
        assert got.earliest_ns <= utc_ns <= got.latest_ns
    raw_ns, _, utc_ns = before
    if corrections < 44:
        got = day.clock.past(raw_ns, "raw")
        assert got.earliest_ns <= utc_ns <= got.latest_ns
    else:
        with pytest.raises(ClockDisrupted, match="leap second"):
            day.clock.past(raw_ns, "raw")


def test_a_new_month_costs_no_stamp_of_its_own(tmp_path: Path) -> None:
    """No leap second was announced, so what was measured before it holds on."""
    day = _Day(tmp_path / "segment", host=_LeapingHost(0))
    day.pass_time(195.0)
    day.correct()
    day.pass_time(15.0)
    raw_ns, _, utc_ns = day.stamps[-1]
    got = day.clock.past(raw_ns, "raw")
    assert got.earliest_ns <= utc_ns <= got.latest_ns


def test_a_stamp_from_before_a_forgotten_move_is_refused(day: _Day) -> None:
    """It was told by vmclock, so nothing is remembered of before, where RAW was another."""
    day.correct(marker=1)
    day.pass_time(5.0)
    day.host.advance(1.0)
    day.correct(marker=2)
    day.pass_time(1.0)
    (old_raw_ns, _, _), (raw_ns, _, utc_ns) = day.stamps
    with pytest.raises(ClockDisrupted, match="moved"):
        day.clock.past(old_raw_ns, "raw")
    got = day.clock.past(raw_ns, "raw")
    assert got.earliest_ns <= utc_ns <= got.latest_ns
