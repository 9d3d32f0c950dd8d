"""Numbers, errors and the order of measurements, whatever the format."""

from __future__ import annotations

import gzip
import pickle
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chronotick.core.errors import ChronotickError
from chronotick.eval.accuracy.traces import (
    MalformedTrace,
    Steering,
    TraceError,
    UnusableTrace,
    duration_ns,
    seconds_ns,
    whole,
)
from chronotick.eval.accuracy.traces_read import AUTO, FORMATS, read_trace

HEAD = "t_s,offset_s,delay_s,disp_s,source\n"
ROWS = HEAD + "10,0,1,,ä\n20,0,1,,a\n"
VECTORS = Path(__file__).parents[3] / "vectors" / "traces"
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


LINES = st.sampled_from(
    [
        line
        for file in ("measurements.log", "rawstats", "peerstats", "loopstats")
        for line in (VECTORS / file).read_text().splitlines()[3:5]
    ]
    + [HEAD + "1,0.1,0.2,0,a"]
)


def refusal(path: Path, name: str = AUTO) -> str | None:
    """Return what is said of a file that cannot be read; None if it can be."""
    try:
        assert read_trace(path, name).measurements
    except TraceError as error:
        return str(error)
    return None


@given(st.integers(-(10**20) + 1, 10**20 - 1))
def test_seconds_are_exact_to_the_nanosecond(value_ns: int) -> None:
    """A Unix time with nine digits comes through whole, where a float would not."""
    text = f"{Decimal(value_ns).scaleb(-9):f}"

    assert value_ns == seconds_ns(text, "t")


@given(st.text(max_size=50))
def test_a_number_is_a_number_or_a_value_error(text: str) -> None:
    """Whatever stands there, nothing but ValueError comes out of it."""
    with suppress(ValueError):
        assert -(10**20) <= seconds_ns(text, "x") <= 10**20
    with suppress(ValueError):
        assert 0 <= whole(text, "x", 255) <= 255


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e12", "", "sNaN", "1e99999999"]
)
def test_what_is_no_finite_time_is_refused(text: str) -> None:
    """NaN, infinities and times beyond any calendar are not measurements."""
    with pytest.raises(ValueError, match="expected t in seconds"):
        seconds_ns(text, "t")


def test_a_duration_is_not_negative() -> None:
    """A negative dispersion is an error, not an interval turned inside out."""
    with pytest.raises(ValueError, match="of 0 s or more"):
        duration_ns("-1e-9", "dispersion")


@REUSED
@given(data=st.binary(max_size=400), name=st.sampled_from([AUTO, *FORMATS]))
def test_any_file_is_read_or_refused_with_its_name(
    tmp_path: Path, data: bytes, name: str
) -> None:
    """Arbitrary bytes give a trace or a `TraceError` that names the file."""
    path = tmp_path / "noise"
    path.write_bytes(data)

    said = refusal(path, name)

    assert said is None or said.startswith(str(path))


@REUSED
@given(line=LINES, at=st.integers(0, 200), put=st.text(max_size=3))
def test_a_damaged_line_is_never_anything_but_a_trace_error(
    tmp_path: Path, line: str, at: int, put: str
) -> None:
    """Real lines with a few characters replaced are read, or refused by their number."""
    path = tmp_path / "damaged"
    damaged = line[:at] + put + line[at + len(put) :]
    path.write_text(f"{damaged}\n{line}\n", encoding="utf-8", newline="")

    said = refusal(path)

    assert said is None or said.startswith(str(path))


def test_a_malformed_line_names_file_line_and_what_was_expected(
    tmp_path: Path,
) -> None:
    """Whoever reads the error can go and look."""
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEAD}0,0.1,0.2,,a\n1,oops,0.2,,a\n2,0.1,0.2,,a\n")

    with pytest.raises(MalformedTrace) as caught:
        read_trace(path)
    assert f"{path}, line 3: expected offset_s in seconds, found 'oops'" == str(
        caught.value
    )
    assert isinstance(caught.value, ChronotickError)


@pytest.mark.parametrize("cut", ["1,0.1", "1,0.1,0.2,,", "1,0.1,0.2,,serv"])
def test_a_last_line_without_its_end_is_counted(tmp_path: Path, cut: str) -> None:
    """A log that is still being written can be judged; what is missing is said.

    A number cut short is still a number: 9.5 may be the beginning of 9.5e-06.
    """
    path = tmp_path / "live.csv"
    path.write_text(f"{HEAD}0,0.1,0.2,,a\n{cut}")

    trace = read_trace(path)

    assert trace.skipped == {"last line cut off": 1}
    assert len(trace.measurements) == 1


def test_answers_are_put_in_order_and_a_clock_set_back_is_counted(
    tmp_path: Path,
) -> None:
    """A second of disorder between servers is mended; minutes are not."""
    path = tmp_path / "order.csv"
    rows = ["10,0,1,,a", "9,0,1,,b", "500,0,1,,a", "200,0,1,,a", "501,0,1,,b"]
    path.write_text(HEAD + "\n".join(rows) + "\n")

    trace = read_trace(path)

    assert [m.local_ns // 10**9 for m in trace.measurements] == [9, 10, 500, 501]
    assert trace.skipped == {"time went backwards": 1}


@pytest.mark.parametrize(
    "at_s",
    [[*range(6400, 0, -64)], [10, 10**6, *range(74, 640, 64)]],
    ids=["newest first", "one far ahead"],
)
def test_what_would_be_left_out_nearly_all_is_refused(
    tmp_path: Path, at_s: list[int]
) -> None:
    """What is left would be judged as if it were the recording."""
    path = tmp_path / "order.csv"
    path.write_text(HEAD + "".join(f"{t},0,1,,a\n" for t in at_s))

    said = refusal(path)

    assert said is not None
    assert "sort its lines by time" in said


def test_a_copy_is_no_second_measurement(tmp_path: Path) -> None:
    """The same server at the same instant counts once, and the copy is reported."""
    path = tmp_path / "copy.csv"
    path.write_text(HEAD + "10,0,1,,a\n10,0,1,,a\n10,0,1,,b\n")

    trace = read_trace(path)

    assert trace.sources == ("a", "b")
    assert trace.skipped == {"same server, same instant": 1}


def test_a_packed_recording_is_the_same_recording(tmp_path: Path) -> None:
    """Logs are rotated and packed; the digest is of what was in them."""
    text = HEAD + "10,0,1,,a\n20,0,1,,a\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))

    packed, loose = read_trace(tmp_path / "a.csv.gz"), read_trace(tmp_path / "a.csv")

    assert loose.sha256 == packed.sha256
    assert loose.measurements == packed.measurements


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", gzip.compress(ROWS.encode())),
        ("a.csv.GZ", gzip.compress(ROWS.encode())),
        ("a.csv", ROWS.encode("utf-16")),
        ("a.csv", b"\xfe\xff" + ROWS.encode("utf-16-be")),
        ("a.csv", ROWS.replace("\n", "\r").encode()),
        ("a.csv", ROWS.replace("\n", "\r\n").encode()),
    ],
    ids=["packed", "GZ", "utf-16", "utf-16-be", "cr", "cr-lf"],
)
def test_what_others_made_of_a_file_is_seen_by_its_bytes(
    tmp_path: Path, name: str, data: bytes
) -> None:
    """Packed under another name, or saved by a spreadsheet."""
    (tmp_path / "plain").write_text(ROWS, encoding="utf-8")
    (tmp_path / name).write_bytes(data)

    plain = read_trace(tmp_path / "plain").measurements
    assert plain == read_trace(tmp_path / name).measurements


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("t_s;offset_s;delay_s", "found semicolons: save with commas"),
        ("T_S;OFFSET_S;DELAY_S", "found semicolons: save with commas"),
        ('"t_s"\t"offset_s"', "found tabs: save with commas"),
        ("T_s,Offset_s", "expected names in small letters"),
    ],
)
def test_a_header_that_is_nearly_right_is_told_what_is_wrong(
    tmp_path: Path, header: str, expected: str
) -> None:
    """A list of formats would not help: everybody sees that it is CSV."""
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n1;2;3\n")

    with pytest.raises(MalformedTrace, match=f"line 1: .*{expected}"):
        read_trace(path)


def test_an_instant_that_is_none_in_seconds_may_be_one_in_another_unit(
    tmp_path: Path,
) -> None:
    """Milliseconds since 1970 are no seconds; the limit is named."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "1700000000000.5,0,1,,a\n")

    with pytest.raises(MalformedTrace, match=r"1e\+11 at most, .* another unit"):
        read_trace(path)


def test_long_files_say_how_far_they_are_read(tmp_path: Path) -> None:
    """Millions of lines take a minute."""
    path, told = tmp_path / "a.csv", list[tuple[int, int]]()
    path.write_text(HEAD + "".join(f"{k},0,1,,a\n" for k in range(25_000)))

    read_trace(path, tell=lambda done, all_: told.append((done, all_)))

    assert told == [(10_000, 25_002), (20_000, 25_002)]


def test_a_damaged_archive_is_one_clear_error(tmp_path: Path) -> None:
    """Neither zlib's nor gzip's own errors come through."""
    whole_file = gzip.compress((HEAD + "10,0,1,,a\n" * 50).encode())
    path = tmp_path / "cut.csv.gz"
    for data in (whole_file[:-9], b"not packed", whole_file[:20] + b"\0" * 20):
        path.write_bytes(data)

        with pytest.raises(UnusableTrace, match="cannot be unpacked"):
            read_trace(path)


def test_who_knows_better_says_whether_the_clock_was_steered(tmp_path: Path) -> None:
    """The format's usual answer gives way to the caller's."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "10,0,1,,a\n")

    assert Steering.UNKNOWN is read_trace(path).steering
    assert Steering.FREE is read_trace(path, steering=Steering.FREE).steering


def test_a_file_of_nobody_is_refused_with_the_formats_that_there_are(
    tmp_path: Path,
) -> None:
    """A letter is no recording; of a file that holds nothing no format is to blame."""
    path = tmp_path / "letter"
    path.write_text("Dear all,\n")
    with pytest.raises(UnusableTrace, match="csv, chrony, rawstats, peerstats"):
        read_trace(path)
    for text in ("", "\n# t_s\n"):
        path.write_text(text)
        with pytest.raises(UnusableTrace, match="no line but blank ones and comments"):
            read_trace(path)


@pytest.mark.parametrize(
    "error",
    [UnusableTrace("a.csv", "is empty"), MalformedTrace("a.csv", 3, "expected t_s")],
)
def test_a_refusal_can_be_sent_by_the_process_that_met_it(error: TraceError) -> None:
    """The bench computes elsewhere; what cannot be unpickled breaks its pool."""
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(error), str(error)) == (type(sent), str(sent))


def test_a_file_without_measurements_says_what_was_left_out(tmp_path: Path) -> None:
    """Nothing usable is an error, with the reasons and their counts."""
    path = tmp_path / "empty.csv"
    path.write_text(HEAD + "10,,1,,a\n11,0,-1,,a\n12,,1,,a\n")

    with pytest.raises(UnusableTrace) as caught:
        read_trace(path)
    assert "holds no measurement (csv)" in str(caught.value)
    assert "2 × no offset recorded" in str(caught.value)
    assert "1 × negative delay" in str(caught.value)
