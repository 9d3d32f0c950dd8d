"""`chronotick eval analyze`: what it prints, writes and exits with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.eval import command
from chronotick.eval.streaming.columns import COORDINATOR_COLUMNS, WORKER_COLUMNS
from unit.eval.streaming.recordings import MS, imagine, write_csv

if TYPE_CHECKING:
    from pathlib import Path


def record(folder: Path, *, squeeze: float = 1.0, hard: bool = True) -> None:
    """Leave an imagined run in `folder`."""
    rows, sends = imagine(events=300, squeeze=squeeze, hard=hard, gap_ns=MS)
    names = [column.name for column in WORKER_COLUMNS]
    write_csv(folder / "worker_all.csv", rows, names)
    names = [column.name for column in COORDINATOR_COLUMNS]
    write_csv(folder / "coordinator.csv", sends, names)


def run(*words: str) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        command.main(["analyze", *words], "chronotick eval")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_what_holds_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each claim has a line; the last line is where the report is."""
    record(tmp_path)

    assert run("--experiment", str(tmp_path), "--level", "0.99") == 0
    out = capsys.readouterr().out
    assert "BROKEN" not in out
    assert out.endswith(f"report: {tmp_path}/report/report.html\n")
    assert (tmp_path / "report" / "summary.md").exists()


def test_what_is_broken_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts see it in the status, programs in the JSON."""
    record(tmp_path, squeeze=0.25, hard=False)

    assert run("--experiment", str(tmp_path), "--json", "--window", "20") == 1
    statistics = json.loads(capsys.readouterr().out)
    assert statistics["verdict"] == "broken"
    sizes = [window["window_ms"] for window in statistics["windows"]["windows"]]
    assert sizes == [20.0, 50.0, 100.0, 500.0, 1000.0]


def test_an_empty_folder_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was expected there."""
    assert run("--experiment", str(tmp_path)) == 1
    err = capsys.readouterr().err
    assert "holds no events" in err
    assert err.count("\n") == 1


def test_a_senseless_window_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started, and the allowed range is named."""
    assert run("--experiment", str(tmp_path), "--window", "0") == 2
    assert "from 1e-6 to 1e9" in capsys.readouterr().err
