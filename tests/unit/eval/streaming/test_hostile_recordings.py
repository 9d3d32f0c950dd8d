"""Recordings that are damaged, foreign, doubled or absurd: named, or counted, never used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.eval.plots import to_png
from chronotick.eval.streaming.about import UnreadableAbout, read_about
from chronotick.eval.streaming.analyze import UnwritableReport, analyze
from chronotick.eval.streaming.columns import WORKER_COLUMNS, file_name, worker_file
from chronotick.eval.streaming.figures import FIGURES
from chronotick.eval.streaming.judge import judge
from chronotick.eval.streaming.lines import end_of_lines
from chronotick.eval.streaming.recorder import Recorder, UnwritableRecording
from chronotick.eval.streaming.report import markdown, page
from chronotick.eval.streaming.tables import (
    NULL,
    UnusableRecording,
    read_run,
    to_parquet,
)

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "event_id,node_id,receive_time_ns,ct_hard_lower_ns,ct_hard_upper_ns,true_time_ns"
ROWS = "1,a,5,4,6,5\n2,a,15,14,16,15\n"


def write(folder: Path, name: str, text: str | bytes) -> None:
    """Write a file of a run."""
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + f"{HEAD}\n{ROWS}".encode(),
        f"{HEAD}\n{ROWS}".replace("\n", "\r\n"),
        '"' + HEAD.replace(",", '","') + '"\n' + ROWS,
    ],
    ids=["byte-order mark", "CRLF", "quoted"],
)
def test_what_other_programs_write_is_read(tmp_path: Path, text: str | bytes) -> None:
    """A spreadsheet's habits are no damage."""
    write(tmp_path, "worker_a.csv", text)
    run = read_run(tmp_path)

    assert list(run.workers.ints["receive_time_ns"]) == [5, 15]
    assert run.damaged == 0


@pytest.mark.parametrize(
    "last", ["3,a,2", "3,a,25,24,26,25,99\n", "3,a,25,24,26,2", "3,a,25,24,26,25"]
)
def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path, last: str) -> None:
    """It is left out, counted, and told in the report.

    Not ended, it may look whole: a time without its last digits is still a number.
    """
    write(tmp_path, "worker_a.csv", f"{HEAD}\n{ROWS}{last}")
    statistics = judge(read_run(tmp_path))

    assert statistics["run"]["rows"] == 2
    assert statistics["run"]["damaged_lines"] == 1
    assert "| damaged lines left out | 1 |" in markdown(statistics, {})


@pytest.mark.parametrize(
    "text", ["", HEAD + "\n", HEAD[:9]], ids=["empty", "header only", "half a header"]
)
def test_a_node_without_events_costs_no_other(tmp_path: Path, text: str) -> None:
    """The others are judged; alone it is no run."""
    write(tmp_path, "worker_b.csv", text)
    with pytest.raises(UnusableRecording, match="holds no events"):
        read_run(tmp_path)
    write(tmp_path, "worker_a.csv", f"{HEAD}\n{ROWS}")

    assert read_run(tmp_path).damaged == (not text.endswith("\n"))
    assert len(read_run(tmp_path).workers) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bytes(range(256)), "cannot read .*worker_a.csv"),
        (f"{HEAD}\n1,\xe9,5,4,6,5\n".encode("latin-1"), "cannot read .*worker_a.csv"),
        ("event_id,receive_time_ns,receive_time_ns\n1,5,6\n", "exists 2 times"),
        ("event_id,node_id,receive_time_ns\n1,a,1.7e18\n", r"invalid value '1\.7e18'"),
        (f"{HEAD}\n{ROWS},a,5,4,6,5\n", "no column event_id, or gaps in it"),
        (
            f"{HEAD}\n1,a,9223372036854775807,4,6,5\n",
            "receive_time_ns is 92.*: no time",
        ),
        (f"{HEAD}\n1,a,-4611686018427387905,4,6,5\n", "is -46.*: no time"),
        (f"{HEAD}\n1,a,5,6,4,5\n", "ct_hard_upper_ns is below ct_hard_lower_ns in 1"),
        ("event_id,node_id,run_id\n1,a,x\n2,a,y\n", r"holds 2 runs \(x, y\)"),
        (
            "event_id,node_id,commit_wait_ns\n1,a,-5\n2,a,\n3,a,5\n",
            "commit_wait_ns is below 0 in 1 rows",
        ),
        ("x" * 200_000 + "\n1\n", "cannot read .*worker_a.csv: field larger than"),
    ],
)
def test_what_no_node_can_have_recorded_is_refused(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    """One line that says what is wrong, and no statistics."""
    write(tmp_path, "worker_a.csv", text)

    with pytest.raises(UnusableRecording, match=says):
        read_run(tmp_path)


def test_events_of_two_runs_are_never_compared(tmp_path: Path) -> None:
    """A worker's file of the last run beside a coordinator's of this one is refused."""
    write(tmp_path, "worker_a.csv", "event_id,node_id,run_id\n1,a,x\n")
    write(tmp_path, "coordinator.csv", "event_id,run_id\n1,y\n")

    with pytest.raises(UnusableRecording, match="give each a folder of its own"):
        read_run(tmp_path)


def test_a_copy_of_a_file_counts_once(tmp_path: Path) -> None:
    """The same events of the same node are left out, and counted."""
    for name in ("worker_a.csv", "worker_a (copy).csv"):
        write(tmp_path, name, f"{HEAD}\n{ROWS}")
    statistics = judge(read_run(tmp_path))

    assert statistics["run"]["rows"] == 2
    assert statistics["run"]["repeated_rows"] == 2
    assert "| repeated rows left out | 2 |" in markdown(statistics, {})


def test_parquet_of_one_node_hides_no_other_nodes_csv(tmp_path: Path) -> None:
    """Of two files of one node the Parquet file is read; of two nodes both are."""
    write(tmp_path, "worker_a.csv", f"{HEAD}\n{ROWS}")
    to_parquet(tmp_path / "worker_a.csv", WORKER_COLUMNS)
    write(tmp_path, "worker_b.csv", f"{HEAD}\n{ROWS}".replace(",a,", ",b,"))

    assert read_run(tmp_path).nodes == ("a", "b")
    assert len(read_run(tmp_path).workers) == 4


def test_a_new_recording_replaces_an_old_ones_parquet(tmp_path: Path) -> None:
    """Or the old events would be judged in place of the new."""
    path = tmp_path / "worker_a.csv"
    write(tmp_path, path.name, f"{HEAD}\n{ROWS}")
    to_parquet(path, WORKER_COLUMNS)
    with Recorder(path, WORKER_COLUMNS, is_replacing=True) as recorder:
        assert len(read_run(tmp_path).workers) == 2
        recorder.replace_old()
        recorder.write({"event_id": 9, "node_id": "a"})

    assert list(read_run(tmp_path).workers.ints["event_id"]) == [9]


def test_a_value_that_is_not_finite_is_null(tmp_path: Path) -> None:
    """Infinity is no uncertainty; JSON has no word for it either."""
    text = "event_id,node_id,receive_time_ns,ct_timestamp_ns,ct_uncertainty_ms,true_time_ns"
    write(tmp_path, "worker_a.csv", f"{text}\n1,a,5,5,inf,5\n2,a,5,5,0,5\n")
    statistics = judge(read_run(tmp_path))

    assert statistics["accuracy"]["claimed_sigma"]["judged"] == 1
    assert statistics["accuracy"]["claimed_sigma"]["coverage"] == 1.0


@pytest.mark.parametrize(
    "name", ["日本 é 😀", r"$\frac$", "a|<b>x</b>", "a\nb\x00", "n" * 300],
    ids=["scripts", "formula", "markup", "control", "long"],
)  # fmt: skip
def test_a_node_may_be_called_anything(tmp_path: Path, name: str) -> None:
    """Figures, Markdown and HTML show the name and mean nothing else by it."""
    rows = ROWS.replace(",a,", f',"{name}",')
    write(tmp_path, "worker_a.csv", f"{HEAD}\n{rows}")
    run = read_run(tmp_path)
    statistics = judge(run)
    figure = to_png(FIGURES["offsets"](statistics))
    summary = markdown(statistics, {})

    assert run.nodes == (name,)
    assert figure.startswith(b"\x89PNG")
    assert "<b>x" not in page(statistics, {}, {}) + summary
    line = next(line for line in summary.splitlines() if line.startswith("| nodes"))
    assert line.replace("\\|", "").count("|") == 3
    assert all(c.isprintable() for c in line)


def test_no_two_nodes_share_a_file() -> None:
    """Whatever is in a name stays apart in the file's name, and inside its folder."""
    names = ["a/b", "a_b", "a%2Fb", "a\\b", "..", "日本", "a b", "/etc/passwd", "\x00"]
    files = [worker_file(name) for name in names]

    assert len(set(files)) == len(names)
    assert not [file for file in files if "/" in file or "\x00" in file]
    assert file_name("node-1.example_org") == "node-1.example_org"


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """At the header, which is the first thing that is written."""
    (tmp_path / "worker_a.csv").symlink_to("/dev/full")

    with pytest.raises(UnwritableRecording, match=r"worker_a.csv: No space left"):
        Recorder(tmp_path / "worker_a.csv", WORKER_COLUMNS)


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the folder and the cause."""
    write(tmp_path, "worker_a.csv", f"{HEAD}\n{ROWS}")
    report = tmp_path / "report"
    report.mkdir()
    (report / "statistics.json").symlink_to("/dev/full")

    with pytest.raises(
        UnwritableReport, match=r"cannot write to .*report: No space left"
    ):
        analyze(tmp_path)


def test_one_node_and_one_event_are_a_run(tmp_path: Path) -> None:
    """There are no pairs; nothing is divided by their number."""
    write(tmp_path, "worker_a.csv", f"{HEAD}\n1,a,5,4,6,5\n")
    statistics = analyze(tmp_path).statistics

    hard = statistics["ordering"]["clocks"]["hard"]
    assert hard["all_pairs"]["pairs"] == 0
    assert hard["all_pairs"]["decided_share"] is None
    assert list(read_run(tmp_path).workers.ints["ntp_timestamp_ns"]) == [NULL]


def test_a_description_may_be_missing_and_may_not_be_damaged(tmp_path: Path) -> None:
    """Nothing is invented for it."""
    assert read_about(tmp_path) == {}
    for text, says in (
        (b"\xff", "is not a JSON object"),
        ("[1, 2]", "is not a JSON object: it is a list"),
        ("null", "is not a JSON object: it is null"),
        ("1", "is not a JSON object: it is a number"),
        ("[" * 100_000, "is nested too deeply to be read"),
    ):
        write(tmp_path, "run.json", text)
        with pytest.raises(UnreadableAbout, match=f"run.json {says}"):
            read_about(tmp_path)


def test_what_a_parser_quotes_is_cut(tmp_path: Path) -> None:
    """One line that can be read, whatever the length of the line that cannot."""
    write(tmp_path, "worker_a.csv", f"{HEAD}\n1,a,{'9' * 5000},4,6,5\n")

    with pytest.raises(UnusableRecording) as refused:
        read_run(tmp_path)
    assert "cannot read" in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(tmp_path))


def test_a_line_ends_wherever_it_ends(tmp_path: Path) -> None:
    """Looked for from the end, in steps that no line needs to fit into."""
    path = tmp_path / "lines"
    for text, end in (
        (b"", 0),
        (b"abc", 0),
        (b"a\nb", 2),
        (b"a\r\nb\r\n", 6),
        (b"a\rb", 2),
        (b"a\n" + b"b" * 200_000, 2),
    ):
        path.write_bytes(text)
        assert end_of_lines(path) == end
