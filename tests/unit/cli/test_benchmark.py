"""`chronotick benchmark`: every kind of reading, with its ratio."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chronotick.cli import benchmark, cli
from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cli.conftest import Publication


@pytest.fixture(autouse=True)
def _short_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_RATIO_CALLS", 50)


def test_json_has_every_percentile(publication: Publication) -> None:
    """One object a reading, with unit in every key."""
    publication.publish()
    words = ["benchmark", "--iterations", "50", "--json", "--segment", publication.path]

    record = json.loads(CliRunner().invoke(cli, words).stdout)

    assert record["iterations"] == 50
    assert record["time_time_ns"] > 0
    assert list(record["readings"]) == ["now", "now_ns", "interval"]
    for reading in record["readings"].values():
        assert list(reading) == [
            "p50_ns", "p90_ns", "p99_ns", "p99.9_ns", "max_ns", "mean_ns",
            "ratio_to_time_time",
        ]  # fmt: skip
        assert 0 < reading["p50_ns"] <= reading["max_ns"]
        assert reading["ratio_to_time_time"] > 0


def test_people_get_a_table(publication: Publication) -> None:
    """A row a reading; the yardstick is named."""
    publication.publish()
    words = ["benchmark", "--iterations", "50", "--segment", publication.path]

    lines = CliRunner().invoke(cli, words).stdout.splitlines()

    assert lines[0].split()[:2] == ["reading", "p50"]
    assert [line.split()[0] for line in lines[1:4]] == [
        "now()",
        "now_ns()",
        "interval()",
    ]
    assert lines[4].startswith("50 readings of each kind; time.time() takes")


def test_without_a_daemon_nothing_is_measured(tmp_path: Path) -> None:
    """A benchmark of a refusal would be a number about nothing."""
    words = ["benchmark", "--segment", str(tmp_path / "nothing")]

    assert CliRunner().invoke(cli, words).exit_code == ExitCode.NO_DAEMON
