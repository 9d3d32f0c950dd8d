"""A reading carried back to the arrival still contains the truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.reading import Interval
from chronotick.core.records import ClockPair, Sample
from chronotick.core.status import Reason, Source, Status
from chronotick.eval.streaming.stamping import (
    Bracketed,
    NtpReading,
    carried_back,
    stamps,
)

CLOCKS = ClockPair(raw_ns=1_000, realtime_ns=51_000, error_ns=1, suspend_ns=0)


def interval(earliest_ns: int, latest_ns: int) -> Interval:
    """Return an interval with these ends."""
    return Interval(
        earliest_ns, latest_ns, Status.SYNCHRONIZED, Source.FUSION, Reason.NONE, 5e5
    )


@settings(deadline=None)
@given(
    age_ns=st.integers(0, 10**9),
    preempted_ns=st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)),
    rate_ppb=st.integers(-499_000, 499_000),
    ends_ns=st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)),
    stamp_ns=st.tuples(st.integers(0, 10**5), st.integers(-(10**5), 10**5)),
)
def test_the_truth_stays_inside(
    age_ns: int,
    preempted_ns: tuple[int, int],
    rate_ppb: int,
    ends_ns: tuple[int, int],
    stamp_ns: tuple[int, int],
) -> None:
    """Whatever the oscillator's rate, the preemption and the stamp's error were."""
    arrival_utc_ns, arrival_raw_ns = 10**18, 5_000
    read_raw_ns = arrival_raw_ns + age_ns + preempted_ns[0]
    read_utc_ns = arrival_utc_ns + round(
        (read_raw_ns - arrival_raw_ns) * (1 + rate_ppb / 1e9)
    )
    reading = Bracketed(
        interval(read_utc_ns - ends_ns[0], read_utc_ns + ends_ns[1]),
        arrival_raw_ns + age_ns,
        read_raw_ns + preempted_ns[1],
    )
    error_ns, off_ns = stamp_ns[0], max(-stamp_ns[0], min(stamp_ns[0], stamp_ns[1]))
    stamped_ns = min(arrival_raw_ns + off_ns, reading.before_raw_ns)
    # The truth at the true arrival; the stamp says another instant.
    earliest_ns, latest_ns = carried_back(reading, stamped_ns, error_ns)

    assert earliest_ns - 2 <= arrival_utc_ns <= latest_ns + 2


def test_missing_clocks_are_missing_columns() -> None:
    """No reading: no number in any of its columns, and a reason."""
    row = stamps(
        raw_ns=900, error_ns=0, clocks=CLOCKS, ntp="no exchange yet", hard="StaleCorrection",
        calibrated=None, true_ns=None,
    ).columns()  # fmt: skip

    assert row == {
        "ct_status": "StaleCorrection",
        "true_time_ns": None,
        "ntp_status": "no exchange yet",
    }


def test_all_clocks_are_of_the_same_instant() -> None:
    """System, plain NTP and ChronoTick are stamps of one arrival."""
    found = stamps(
        raw_ns=900,
        error_ns=0,
        clocks=CLOCKS,
        ntp=NtpReading(-30_000, 70),
        hard=Bracketed(interval(20_950, 21_050), 1_000, 1_000),
        calibrated=None,
        true_ns=20_899,
    )
    row = found.columns()

    assert found.system_ns == 50_900
    assert row["ntp_timestamp_ns"] == 20_900
    assert (row["ct_hard_lower_ns"], row["ct_hard_upper_ns"]) == (20_849, 20_951)
    assert row["ct_timestamp_ns"] == 20_900
    assert row["ct_offset_ms"] == -0.03
    assert row["ct_uncertainty_ms"] == 0.5
    assert "ct_lower_bound_ns" not in row


@settings(deadline=None)
@given(
    ends_ns=st.tuples(*[st.integers(0, 10**6)] * 4),
    took_ns=st.tuples(*[st.integers(0, 10**7)] * 4),
)
def test_the_calibrated_interval_is_never_outside_the_hard_one(
    ends_ns: tuple[int, ...], took_ns: tuple[int, ...]
) -> None:
    """Read afterwards, it is widened by more; the hard bound caps it all the same."""
    now_ns = 10**15
    before_ns = 1_000 + took_ns[0]
    after_ns = before_ns + took_ns[1]
    again_ns = after_ns + took_ns[2]
    row = stamps(
        raw_ns=900,
        error_ns=0,
        clocks=CLOCKS,
        ntp="no server to ask",
        hard=Bracketed(
            interval(now_ns - ends_ns[0], now_ns + ends_ns[1]), before_ns, after_ns
        ),
        calibrated=Bracketed(
            interval(now_ns - ends_ns[2], now_ns + ends_ns[3]),
            again_ns,
            again_ns + took_ns[3],
        ),
        true_ns=None,
    ).columns()
    hard = (row["ct_hard_lower_ns"], row["ct_hard_upper_ns"])
    inner = (row["ct_lower_bound_ns"], row["ct_upper_bound_ns"])

    assert hard[0] <= inner[0] <= inner[1] <= hard[1]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        ((20_960, 21_040), (20_860, 20_940)),
        ((20_900, 21_040), (20_849, 20_940)),
        ((20_960, 21_900), (20_860, 20_951)),
        # Nowhere inside: still a miss of whatever is not at the very end.
        ((20_000, 20_100), (20_849, 20_849)),
        ((22_000, 22_100), (20_951, 20_951)),
    ],
)
def test_what_lies_in_the_hard_bound_is_kept(
    inner: tuple[int, int], kept: tuple[int, int]
) -> None:
    """As it was read, where it is inside."""
    row = stamps(
        raw_ns=900, error_ns=0, clocks=CLOCKS, ntp="no server to ask", true_ns=None,
        hard=Bracketed(interval(20_950, 21_050), 1_000, 1_000),
        calibrated=Bracketed(interval(*inner), 1_000, 1_000),
    ).columns()  # fmt: skip

    assert row["ct_lower_bound_ns"] == pytest.approx(kept[0], abs=1)
    assert row["ct_upper_bound_ns"] == pytest.approx(kept[1], abs=1)


def test_plain_ntp_is_relative_to_the_system_clock() -> None:
    """UTC − REALTIME, from an exchange that is relative to RAW."""
    sample = Sample(
        server="s", raw_ns=990, offset_ns=20_000, delay_ns=10, root_delay_ns=0,
        root_dispersion_ns=5, precision_ns=0, stratum=1,
    )  # fmt: skip

    assert NtpReading.of(sample, CLOCKS) == (-30_000, 10)
