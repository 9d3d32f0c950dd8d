"""What was acknowledged and is not there is counted, named, and breaks a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chronotick.eval.streaming.columns import (
    ACKNOWLEDGED_AFTER,
    COORDINATOR_COLUMNS,
    WORKER_COLUMNS,
    coordinator_columns,
)
from chronotick.eval.streaming.judge import judge
from chronotick.eval.streaming.recorder import Recorder
from chronotick.eval.streaming.report import markdown
from chronotick.eval.streaming.tables import UnusableRecording, read_run, to_parquet
from unit.eval.streaming.recordings import MS, imagine, run_of, write_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NODES = ("n0", "n1", "n2")
Rows = list[dict[str, Any]]


def acknowledged(names: Sequence[str] = NODES, events: int = 50) -> tuple[Rows, Rows]:
    """Imagine a run in which every arrival was acknowledged."""
    rows, sends = imagine(events=events)
    for send in sends:
        send |= {ACKNOWLEDGED_AFTER + name: 30 * MS for name in names}
    return rows, sends


def claim_of(statistics: dict[str, Any]) -> dict[str, Any]:
    """Return the claim that nothing is missing."""
    (found,) = [c for c in statistics["claims"] if c["id"] == "recorded"]
    return dict(found)


def test_a_run_that_is_all_there_says_so() -> None:
    """Acknowledged, recorded, missing: of each node."""
    rows, sends = acknowledged()
    statistics = judge(run_of(rows, sends, NODES))

    each = {"acknowledged": 50, "recorded": 50, "missing": 0}
    assert statistics["run"]["recorded"]["nodes"] == dict.fromkeys(NODES, each)
    assert claim_of(statistics)["holds"] is True
    assert statistics["verdict"] == "holds"
    assert "acknowledged and not recorded" not in markdown(statistics, {})


def test_the_rows_of_a_node_that_was_killed_are_missed() -> None:
    """It acknowledged them all, and wrote twenty."""
    rows, sends = acknowledged()
    rows = [row for row in rows if row["node_id"] != "n1" or row["event_id"] < 20]
    statistics = judge(run_of(rows, sends, NODES))
    said = markdown(statistics, {})

    assert claim_of(statistics)["measured"] == 30
    assert claim_of(statistics)["nodes"] == {"n1": 30}
    assert statistics["verdict"] == "broken"
    assert "| acknowledged and not recorded | n1 30 of 50 |" in said
    assert "BROKEN: n1: 30" in said


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_node_without_any_row_is_named(acknowledges: bool) -> None:
    """Whether it acknowledged anything or not: nothing is known of it."""
    rows, sends = acknowledged()
    rows = [row for row in rows if row["node_id"] != "n2"]
    for send in sends if not acknowledges else ():
        del send[f"{ACKNOWLEDGED_AFTER}n2"]
    statistics = judge(run_of(rows, sends, NODES))

    assert claim_of(statistics)["holds"] is False
    assert claim_of(statistics)["nodes"] == {"n2": 50 * acknowledges}
    lost = "50 of 50" if acknowledges else "0 of 0"
    assert f"n2 {lost}, no other arrival" in markdown(statistics, {})


def test_an_arrival_whose_acknowledgement_was_lost_is_none_too_many() -> None:
    """It is recorded, and may be."""
    rows, sends = acknowledged()
    del sends[7][f"{ACKNOWLEDGED_AFTER}n0"]
    statistics = judge(run_of(rows, sends, NODES))

    assert statistics["run"]["recorded"]["acknowledged"] == 149
    assert claim_of(statistics)["holds"] is True


@pytest.mark.parametrize(("lost", "holds"), [(None, True), ("n1", False)])
def test_workers_that_go_by_other_names_are_counted_together(
    lost: str | None, holds: bool
) -> None:
    """The coordinator knows them by address, unless it was told their names."""
    addresses = [f"192.0.2.{k}:9000" for k in range(3)]
    rows, sends = acknowledged(addresses)
    rows = [row for row in rows if row["node_id"] != lost]
    statistics = judge(run_of(rows, sends, addresses))

    assert claim_of(statistics)["holds"] is holds
    told = "50 of 150; arrivals of 2 of 3 workers are there"
    assert (told in markdown(statistics, {})) is not holds


@pytest.mark.parametrize(
    ("sends", "why"),
    [(False, "there is no coordinator's file"), (True, "does not tell who")],
)
def test_files_that_do_not_tell_are_not_judged_by_it(sends: bool, why: str) -> None:
    """Those of earlier versions, and the original framework's."""
    rows, sent = imagine(events=20)
    statistics = judge(run_of(rows, sent if sends else ()))

    assert claim_of(statistics)["holds"] is None
    assert why in claim_of(statistics)["why"]


@pytest.mark.parametrize("is_parquet", [False, True])
def test_who_acknowledged_is_read_as_it_was_written(
    tmp_path: Path, is_parquet: bool
) -> None:
    """Whatever the names: they are in the header, and may need quotes there."""
    names = ('a,"b"', "nœud/é 日本")
    columns = coordinator_columns(names)
    path = tmp_path / "coordinator.csv"
    for _ in range(2):  # One that never got beyond its header is used again.
        with Recorder(path, columns):
            pass
    with Recorder(path, columns) as recorder:
        recorder.write({"event_id": 2, ACKNOWLEDGED_AFTER + names[0]: 5})
        recorder.write({"event_id": 1, ACKNOWLEDGED_AFTER + names[1]: 7})
    if is_parquet:
        to_parquet(path, COORDINATOR_COLUMNS)
    write_csv(
        tmp_path / "worker_a.csv",
        [{"event_id": 1, "node_id": names[0]}],
        [column.name for column in WORKER_COLUMNS],
    )
    run = read_run(tmp_path)
    recorded = judge(run)["run"]["recorded"]

    assert {name: list(v) for name, v in run.acknowledged_after_ns.items()} == {
        names[0]: [-(2**63), 5],
        names[1]: [7, -(2**63)],
    }
    assert recorded["nodes"][names[0]] == {
        "acknowledged": 1,
        "recorded": 1,
        "missing": 1,
    }


def test_an_acknowledgement_before_the_send_is_no_recording(tmp_path: Path) -> None:
    """It would prove any arrival wrong."""
    names = [column.name for column in coordinator_columns("a")]
    send = {"event_id": 1, f"{ACKNOWLEDGED_AFTER}a": -1}
    write_csv(tmp_path / "coordinator.csv", [send], names)
    row = {"event_id": 1, "node_id": "a"}
    write_csv(tmp_path / "worker_a.csv", [row], ["event_id", "node_id"])
    with pytest.raises(UnusableRecording, match="acknowledgement"):
        read_run(tmp_path)
