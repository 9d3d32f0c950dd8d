"""Each format: what real programs wrote, and what a line of theirs means."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy.traces import Measurement, Skip, Steering
from chronotick.eval.accuracy.traces_chrony import ChronyFormat
from chronotick.eval.accuracy.traces_csv import CsvFormat
from chronotick.eval.accuracy.traces_ntpd import (
    LoopstatsFormat,
    PeerstatsFormat,
    RawstatsFormat,
)
from chronotick.eval.accuracy.traces_read import FORMATS, read_trace

if TYPE_CHECKING:
    from chronotick.eval.accuracy.traces import LineFormat

VECTORS = Path(__file__).parents[3] / "vectors" / "traces"
S = 10**9
UNIX_2026_11_21 = 20_778 * 86_400
"""Midnight of 2026-11-21, MJD 61365, in Unix seconds."""
CHRONY = (
    "2026-11-21 16:33:20 192.0.2.1       N  1 111 111 1111   0  0 0.00 -9.530e-05  "
    "1.927e-04  5.964e-07  1.000e-03  2.000e-03 7F7F0101 4B K K"
)


def one(reader: LineFormat, line: str) -> Measurement:
    """Return the measurement that `line` is."""
    found = reader.parse(7, line)
    assert isinstance(found, Measurement)
    return found


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("chrony", "measurements.log", 36),
        ("rawstats", "rawstats", 20),
        ("peerstats", "peerstats", 20),
        ("loopstats", "loopstats", 16),
    ],
)
def test_what_real_programs_wrote_is_recognized_and_read(
    name: str, file: str, count: int
) -> None:
    """Every line counts, banners aside; the clock is taken as theirs to steer."""
    trace = read_trace(VECTORS / file)

    assert (name, count) == (trace.format, len(trace.measurements))
    assert trace.skipped == {}
    assert Steering.STEERED is trace.steering
    begin = trace.measurements[0].local_ns / S - UNIX_2026_11_21
    assert 59_600 <= begin < 59_610


def test_rawstats_agree_with_what_ntpd_made_of_the_same_exchanges() -> None:
    """Offset and delay from four timestamps are ntpd's own, but for its rounding."""
    raw = read_trace(VECTORS / "rawstats").measurements
    filtered = read_trace(VECTORS / "peerstats").measurements

    for ours, theirs in zip(raw, filtered, strict=True):
        assert ours.offset_ns == pytest.approx(theirs.offset_ns, abs=1)
        assert ours.delay_ns == pytest.approx(theirs.delay_ns, abs=2)
        # Logged some milliseconds after the answer came.
        assert ours.local_ns == pytest.approx(theirs.local_ns, abs=2e7)


def test_a_line_of_chronys_log_means_what_its_manual_says() -> None:
    """Positive is slow, as ours; both dispersions and the root's delay are kept apart."""
    found = one(ChronyFormat(), CHRONY)

    assert found.local_ns == (UNIX_2026_11_21 + 59_600) * S
    assert (
        found.source,
        found.offset_ns,
        found.delay_ns,
        found.dispersion_ns,
    ) == ("192.0.2.1", -95_300, 192_700, 596)
    assert (
        found.root_delay_ns,
        found.root_dispersion_ns,
        found.stratum,
    ) == (1_000_000, 2_000_000, 1)


def test_notes_in_chronys_log_are_no_measurements() -> None:
    """As in the other formats, and as in chronyd's own configuration."""
    for line in ("# moved to another room", "! 10 °C warmer"):
        assert ChronyFormat().parse(3, line) is None


def test_a_line_of_an_older_chrony_is_read() -> None:
    """Before 4.0 the line ended with the root dispersion or the reference."""
    assert one(ChronyFormat(), CHRONY[: CHRONY.index(" 7F7F")]) == one(
        ChronyFormat(), CHRONY
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (" N  1 111 111", " N  1 111 110", "failed chronyd's packet tests"),
        (" N  1 111", " N  1 101", "failed chronyd's packet tests"),
        (" N  1", " ?  0", "server not synchronized"),
        ("1.927e-04", "-1.9e-04", "negative delay"),
    ],
)
def test_what_chronyd_itself_could_not_use_is_counted(
    old: str, new: str, reason: str
) -> None:
    """Well-formed but unusable is no error, and no measurement."""
    assert Skip(reason) == ChronyFormat().parse(1, CHRONY.replace(old, new))


def test_what_only_chronyds_delay_tests_refused_is_kept() -> None:
    """They are a filter of its own; ours is to be judged on the same exchanges."""
    assert one(ChronyFormat(), CHRONY.replace(" 1111 ", " 1001 ")).delay_ns == 192_700


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026-11-21", "2026-13-21", "expected a date and time"),
        (" N ", " X ", "expected a leap status"),
        ("111 111 1111", "111 121 1111", "expected test results"),
        ("-9.530e-05", "fast", "expected offset in seconds"),
        ("  5.964e-07", " -5.96e-07", "expected peer dispersion of 0 s or more"),
        (" N  1 ", " N  -1 ", "expected stratum from 0 to 255"),
    ],
)
def test_a_malformed_line_of_chronys_log_is_refused(
    old: str, new: str, expected: str
) -> None:
    """The message says what belongs there."""
    with pytest.raises(ValueError, match=expected):
        ChronyFormat().parse(1, CHRONY.replace(old, new))


@given(
    begin_ns=st.integers(0, 2**32 * S - 1),
    away_ns=st.integers(0, 10**9),
    there_ns=st.integers(0, 10**9),
    back_ns=st.integers(0, 10**9),
    offset_ns=st.integers(-(10**12), 10**12),
)
def test_rawstats_hold_across_the_end_of_an_era(
    begin_ns: int, away_ns: int, there_ns: int, back_ns: int, offset_ns: int
) -> None:
    """Whatever T1 to T4 are, before, over and after 2036-02-07, the formula holds."""
    era = 2**32 * S
    stamps = [
        begin_ns,
        begin_ns + away_ns + offset_ns,
        begin_ns + away_ns + there_ns + offset_ns,
        begin_ns + away_ns + there_ns + back_ns,
    ]
    texts = [f"{Decimal(each % era).scaleb(-9):.9f}" for each in stamps]
    logged_ns = stamps[3] - 2_208_988_800 * S
    day, second_ns = divmod(logged_ns + 40_587 * 86_400 * S, 86_400 * S)
    line = (
        f"{day} {second_ns // 10**6 / 1000:.3f} 192.0.2.1 192.0.2.2 {' '.join(texts)}"
    )

    found = RawstatsFormat().parse(1, line)

    if Decimal(0) in map(Decimal, texts):
        assert found == Skip("incomplete exchange")
        return
    assert isinstance(found, Measurement)
    assert away_ns + back_ns == found.delay_ns
    assert offset_ns + (away_ns - back_ns) // 2 == found.offset_ns
    middle_ns = (away_ns + there_ns + back_ns) // 2
    assert begin_ns - 2_208_988_800 * S + middle_ns == found.local_ns


def test_an_exchange_without_an_answer_is_counted() -> None:
    """Broadcasts and lost answers leave zeros among the four timestamps."""
    line = "61365 1.0 192.0.2.1 192.0.2.2 0.000000000 1.5 1.6 1.7"

    assert Skip("incomplete exchange") == RawstatsFormat().parse(1, line)


def test_a_server_that_says_it_has_no_time_is_counted() -> None:
    """Leap indicator 3 (RFC 5905 figure 9)."""
    line = "61365 1.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6 1.7 3 4 4 16 6 -20 0.0 0.0 .INIT."

    assert Skip("server not synchronized") == RawstatsFormat().parse(1, line)


def test_rawstats_of_an_old_ntpd_and_of_a_new_one_are_read() -> None:
    """Eight fields, or what newer versions say of the server besides."""
    stamps = (
        "3565350574.400229473 3565350574.442385200 "
        "3565350574.442436000 3565350575.154505763"
    )
    old = f"56285 54575.160 128.4.1.1 192.168.1.5 {stamps}"
    new = f"{old} 0 4 4 1 8 -21 0.250000 0.000320 .PPS."

    assert one(RawstatsFormat(), old).root_delay_ns == 0
    found = one(RawstatsFormat(), new)
    assert (
        found.root_delay_ns,
        found.root_dispersion_ns,
        found.stratum,
    ) == (250_000_000, 320_000, 1)


def test_peerstats_of_a_reference_clock_are_read() -> None:
    """The line that ntpd's manual shows."""
    line = (
        "48773 10847.650 127.127.4.1 9714 -0.001605376 0.000000000 0.001424877 "
        "0.000958674"
    )

    found = one(PeerstatsFormat(), line)

    assert (
        found.offset_ns,
        found.delay_ns,
        found.dispersion_ns,
    ) == (-1_605_376, 0, 1_424_877)
    assert found.local_ns == ((48_773 - 40_587) * 86_400 + 10_847.65) * S


def test_loopstats_have_no_delay_to_bound_anything_with() -> None:
    """The line that ntpd's manual shows; it is no exchange."""
    line = "50935 75440.031 0.000006019 13.778190 0.000351733 0.0133806 6"

    found = one(LoopstatsFormat(), line)

    assert (found.offset_ns, found.delay_ns) == (6_019, None)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("rawstats", "61365 1.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6"),
        ("rawstats", "61365 1.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6 -1.7"),
        ("rawstats", "x 1.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6 1.7"),
        ("rawstats", "61365 99999.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6 1.7"),
        ("rawstats", "61365 1.0 192.0.2.1 192.0.2.2 1.4 1.5 1.6 1.7 9"),
        ("peerstats", "48773 10847.650 127.127.4.1 9714 -0.001605376 0.0"),
        ("peerstats", "48773 10847.650 127.127.4.1 9714 -0.001605376 0.0 -1 0"),
        ("loopstats", "50935 75440.031 0.000006019 13.778190 0.0 0.0"),
        ("loopstats", "50935 75440.031 nan 13.778190 0.0 0.0 6"),
    ],
)
def test_a_malformed_line_of_ntpds_is_refused(name: str, line: str) -> None:
    """Fields that are missing, or hold what they cannot."""
    with pytest.raises(ValueError, match="expected"):
        FORMATS[name]().parse(1, line)


# Texts as they come out of other programs: comma, quote and line end inside.
NAMES = st.text(st.sampled_from('ab.:[],"'), min_size=1, max_size=12).filter(
    lambda name: not name.startswith("#")
)
ROWS = st.builds(
    Measurement,
    line=st.just(2),
    local_ns=st.integers(-(10**18), 10**18),
    source=NAMES,
    offset_ns=st.integers(-(10**18), 10**18),
    delay_ns=st.none() | st.integers(0, 10**12),
    dispersion_ns=st.integers(0, 10**12),
    truth_ns=st.none() | st.integers(-(10**18), 10**18),
)


@given(row=ROWS, order=st.permutations(range(6)))
def test_csv_says_again_what_was_written(row: Measurement, order: list[int]) -> None:
    """In any order of columns, to the nanosecond, quotes and commas included."""
    fields = {
        "t_s": row.local_ns,
        "offset_s": row.offset_ns,
        "delay_s": row.delay_ns,
        "disp_s": row.dispersion_ns,
        "truth_s": row.truth_ns,
    }
    texts = {
        name: "" if value is None else f"{Decimal(value).scaleb(-9):f}"
        for name, value in fields.items()
    } | {"source": '"' + row.source.replace('"', '""') + '"'}
    names = [list(texts)[k] for k in order]
    reader = CsvFormat()

    assert reader.parse(1, ",".join(names)) is None
    assert row == reader.parse(2, ",".join(texts[name] for name in names))


def test_csv_rows_may_tell_the_truth_alone() -> None:
    """A line without an offset but with the truth is an instant to be judged at."""
    reader = CsvFormat()
    reader.parse(1, "t_s,offset_s,truth_s")

    found = reader.parse(2, "5,,0.25")

    assert isinstance(found, Measurement)
    assert (found.offset_ns, found.truth_ns) == (None, S // 4)
    assert Skip("no offset recorded") == reader.parse(3, "6,,")


def test_csv_columns_that_are_not_used_are_named() -> None:
    """Nothing is ignored in silence."""
    reader = CsvFormat()
    reader.parse(1, "t_s,offset_s,weather")

    assert reader.notes() == ("columns not used: weather",)


def test_a_csv_header_may_be_quoted() -> None:
    """As R writes it, and not pandas."""
    header = '"t_s","offset_s"'
    reader = CsvFormat()

    assert CsvFormat.matches(header)
    assert not CsvFormat.matches('"t_s,offset_s')
    assert reader.parse(1, header) is None
    assert one(reader, '"5","0.25"').offset_ns == S // 4


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("time,offset", "expected a header with t_s and offset_s"),
        ("t_s,delay_s", "expected a header with t_s and offset_s"),
        ("t_s,offset_s,t_s", "expected each column once, found t_s twice"),
    ],
)
def test_a_csv_header_that_cannot_do_is_refused(header: str, expected: str) -> None:
    """The message lists the columns that there are."""
    with pytest.raises(ValueError, match=expected):
        CsvFormat().parse(1, header)


def test_a_csv_row_of_another_length_is_refused() -> None:
    """A missing comma would shift every value after it."""
    reader = CsvFormat()
    reader.parse(1, "t_s,offset_s,delay_s")

    with pytest.raises(ValueError, match="expected 3 fields as in the header, found 2"):
        reader.parse(2, "1,2")
