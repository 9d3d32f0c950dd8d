"""`chronotick benchmark`: every kind of reading, with its ratio and its reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import chronotick
from chronotick.cli import cli, readings
from chronotick.cli.exit_codes import ExitCode
from chronotick.shm.native import WHY

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cli.conftest import Publication

_KINDS = ["time_time", "now", "now_ns", "interval", "now_ns_python"]


@pytest.fixture(autouse=True)
def _few_cold_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_COLD_CALLS", 3)
    monkeypatch.setattr(readings, "COLD_BYTES", 1 << 16)


def test_json_has_every_figure(publication: Publication) -> None:
    """One object a reading, with a unit in every key; one turn has one ratio."""
    publication.publish()
    words = ["benchmark", "--iterations", "50", "--json", "--segment", publication.path]

    record = json.loads(CliRunner().invoke(cli, words).stdout)

    assert (record["native"], record["reader"]) == (chronotick.NATIVE, WHY)
    assert record["iterations"] == 50
    assert record["attach_ns"] > 0
    assert (record["writer_hz"], record["readers"]) == (None, [])
    assert list(record["readings"]) == _KINDS
    yardstick_ns = record["readings"]["time_time"]["loop_ns"]
    for reading in record["readings"].values():
        assert list(reading) == [
            "ratio_to_time_time", "loop_ns", "p50_ns", "p90_ns", "p99_ns", "p99.9_ns",
            "max_ns", "mean_ns", "cold_ns",
        ]  # fmt: skip
        assert 0 < reading["p50_ns"] <= reading["max_ns"]
        assert reading["cold_ns"] > 0
        # 50 calls are one turn, so its ratio is that of the two loops.
        assert reading["ratio_to_time_time"] == reading["loop_ns"] / yardstick_ns


def test_people_get_a_table(publication: Publication) -> None:
    """A row a reading, which reader runs, and what the percentiles include."""
    publication.publish()
    words = ["benchmark", "--iterations", "50", "--segment", publication.path]

    result = CliRunner().invoke(cli, words)

    lines = result.stdout.splitlines()
    assert lines[0].split()[:5] == ["reading", "×", "time.time()", "each", "p50"]
    assert lines[1].split()[:2] == ["time.time()", "1.00"]
    assert [line.split("  ")[0] for line in lines[2:6]] == [
        "now()",
        "now_ns()",
        "interval(), both ends read",
        "now_ns(), pure Python",
    ]
    assert lines[6].startswith("50 readings of each kind")
    assert lines[6].endswith(f"reader: {WHY}")
    assert "include timing them" in lines[7]
    assert result.stderr == ""


def test_without_a_daemon_nothing_is_measured(tmp_path: Path) -> None:
    """A benchmark of a refusal would be a number about nothing."""
    words = ["benchmark", "--segment", str(tmp_path / "nothing")]

    assert CliRunner().invoke(cli, words).exit_code == ExitCode.NO_DAEMON


def test_a_segment_cannot_be_named_and_made(tmp_path: Path) -> None:
    """Which of the two would be read is not guessed."""
    words = ["benchmark", "--writer-hz", "10", "--segment", str(tmp_path / "named")]

    result = CliRunner().invoke(cli, words)

    assert result.exit_code == ExitCode.USAGE
    assert "no --segment" in result.stderr
