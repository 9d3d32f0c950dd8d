"""Reading recordings: what is missing is null, and never a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chronotick.eval.streaming.columns import COORDINATOR_COLUMNS, WORKER_COLUMNS
from chronotick.eval.streaming.judge import JudgeSettings, judge
from chronotick.eval.streaming.tables import (
    NULL,
    UnusableRecording,
    read_run,
    to_parquet,
)
from unit.eval.streaming.recordings import imagine, run_of, write_csv

if TYPE_CHECKING:
    from pathlib import Path

ORIGINAL_WORKER = [
    "event_id",
    "node_id",
    "sequence_number",
    "receive_time_ns",
    "coordinator_send_time_ns",
    "ntp_offset_ms",
    "ntp_uncertainty_ms",
    "ntp_timestamp_ns",
    "ct_offset_ms",
    "ct_uncertainty_ms",
    "ct_timestamp_ns",
    "ct_lower_bound_ns",
    "ct_upper_bound_ns",
    "ct_uncertainty_30s_ms",
    "ct_uncertainty_60s_ms",
]
ORIGINAL_COORDINATOR = [
    "event_id",
    "sequence_number",
    "send_time_ns",
    "send_time_iso",
    "ntp_offset_ms",
    "ntp_timestamp_ns",
    "ct_offset_ms",
    "ct_timestamp_ns",
    "ct_lower_bound_ns",
    "ct_upper_bound_ns",
    "pattern_delay_ms",
    "workers_sent",
    "workers_failed",
]


def record(folder: Path, worker: list[str], coordinator: list[str]) -> None:
    """Write an imagined run with these columns, a file for each node."""
    rows, sends = imagine(events=100)
    for node in ("n0", "n1", "n2"):
        mine = [row for row in rows if row["node_id"] == node]
        write_csv(folder / f"worker_{node}.csv", mine, worker)
    write_csv(folder / "coordinator.csv", sends, coordinator)


def test_the_originals_columns_come_first_and_in_order() -> None:
    """Whatever reads the original framework's files by position reads ours."""
    ours = [column.name for column in WORKER_COLUMNS]
    assert ours[: len(ORIGINAL_WORKER)] == ORIGINAL_WORKER
    ours = [column.name for column in COORDINATOR_COLUMNS]
    assert ours[: len(ORIGINAL_COORDINATOR)] == ORIGINAL_COORDINATOR


@pytest.mark.parametrize("as_parquet", [False, True])
def test_what_is_written_is_what_is_judged(tmp_path: Path, as_parquet: bool) -> None:
    """CSV and Parquet lead to the statistics of the rows in memory."""
    record(
        tmp_path,
        [column.name for column in WORKER_COLUMNS],
        [column.name for column in COORDINATOR_COLUMNS],
    )
    if as_parquet:
        for path in list(tmp_path.glob("*.csv")):
            worker = path.stem.startswith("worker")
            to_parquet(path, WORKER_COLUMNS if worker else COORDINATOR_COLUMNS)
            path.unlink()
    expected = judge(run_of(*imagine(events=100)))
    actual = judge(read_run(tmp_path))

    for group in ("causality", "ordering", "windows", "commit_wait", "accuracy"):
        assert expected[group] == actual[group]


def test_the_originals_columns_alone_can_be_judged(tmp_path: Path) -> None:
    """What they allow is judged; the rest is null and names the missing column."""
    record(tmp_path, ORIGINAL_WORKER, ORIGINAL_COORDINATOR)
    statistics = judge(read_run(tmp_path), JudgeSettings(calibrated_level=None))

    assert statistics["causality"]["clocks"]["calibrated"]["judged"] == 300
    assert statistics["ordering"]["clocks"]["calibrated"]["judged"] == 300
    hard = statistics["ordering"]["clocks"]["hard"]
    assert "no column ct_hard_lower_ns, ct_hard_upper_ns" in hard["why_null"]
    wait = statistics["commit_wait"]["wait"]
    assert "no column commit_wait_ns" in wait["why_null"]
    assert statistics["verdict"] == "not judged"


def test_without_a_coordinator_the_datagrams_own_stamp_serves(tmp_path: Path) -> None:
    """The system clock's causality needs the workers' files only."""
    record(tmp_path, ORIGINAL_WORKER, ORIGINAL_COORDINATOR)
    (tmp_path / "coordinator.csv").unlink()
    clocks = judge(read_run(tmp_path))["causality"]["clocks"]

    assert clocks["system"]["judged"] == 300
    assert clocks["ntp"]["why_null"] == "there is no coordinator's file"


def test_nodes_that_were_not_chosen_are_none_of_the_runs(tmp_path: Path) -> None:
    """Nobody waits for what they have decided."""
    rows, _ = imagine(events=100)
    write_csv(tmp_path / "worker_all.csv", rows, ORIGINAL_WORKER)
    run = read_run(tmp_path, nodes=("n0", "n2"))

    assert run.nodes == ("n0", "n2")
    assert len(run.workers) == 200


def test_an_empty_cell_is_null(tmp_path: Path) -> None:
    """Empty, never zero: not even where the rest of the column is there."""
    (tmp_path / "worker_a.csv").write_text(
        "event_id,node_id,receive_time_ns,ntp_timestamp_ns\n1,a,5,\n2,a,6,7\n"
    )
    run = read_run(tmp_path)

    assert list(run.workers.ints["ntp_timestamp_ns"]) == [NULL, 7]
    assert bool(np.isnan(run.workers.floats["ct_uncertainty_ms"]).all())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "holds no events"),
        ("node_id\na\n", "no column event_id"),
        ("event_id,node_id\nx,a\n", "cannot read"),
        ("event_id,node_id\n1,\n", "without node_id"),
    ],
)
def test_what_cannot_be_judged_is_named(
    tmp_path: Path, content: str | None, says: str
) -> None:
    """One line that says which file and what is wrong with it."""
    if content is not None:
        (tmp_path / "worker_a.csv").write_text(content)

    with pytest.raises(UnusableRecording, match=says):
        read_run(tmp_path)
