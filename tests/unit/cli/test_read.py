"""`chronotick read`: bounds that hold, and refusals that say why."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode
from chronotick.core.status import Reason, Status

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cli.conftest import Publication


def read(publication: Publication, *flags: str) -> Result:
    """Run the verb on the publication's segment."""
    return CliRunner().invoke(cli, ["read", "--segment", publication.path, *flags])


def test_the_interval_contains_the_truth(publication: Publication) -> None:
    """Published as CLOCK_REALTIME ± 1 ms, it holds CLOCK_REALTIME."""
    publication.publish()

    before_ns = time.time_ns()
    record = json.loads(read(publication, "--json").stdout)
    after_ns = time.time_ns()

    assert int(record["earliest_ns"]) <= after_ns
    assert before_ns <= int(record["latest_ns"])
    assert record["width_ns"] >= 2_000_000
    assert record["status"] == "SYNCHRONIZED"
    assert record["reasons"] == []


def test_people_get_one_fact_a_line(publication: Publication) -> None:
    """Each line begins with what it says; nothing is colored outside a terminal."""
    publication.publish(ahead_ns=5_000_000_000, reasons=Reason.FALSETICKERS)

    result = read(publication)

    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert list(facts) == ["time", "bound", "earliest", "latest", "system", "status"]
    assert facts["earliest"] < facts["time"] < facts["latest"]
    assert facts["system"].endswith("s behind")
    assert facts["status"] == "synchronized (some servers contradict the majority)"
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"status": Status.UNKNOWN, "reasons": Reason.NO_SAMPLES},
            "has no trustworthy time (no server has answered yet)",
        ),
        ({"max_age_ns": 0}, "expired"),
    ],
)
def test_no_trustworthy_time_is_an_error(
    publication: Publication, changes: dict[str, Any], why: str
) -> None:
    """Nothing is printed that could be taken for a time."""
    publication.publish(**changes)

    result = read(publication)

    assert result.exit_code == ExitCode.NO_TIME
    assert result.stdout == ""
    assert why in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    """The first error that a newcomer meets tells the next step."""
    path = tmp_path / "nothing"

    result = CliRunner().invoke(cli, ["read", "--segment", str(path)])

    assert result.exit_code == ExitCode.NO_DAEMON
    assert result.stderr == (
        f"chronotick: error: no daemon is publishing at {path}: "
        f"start one with `chronotick daemon --segment {path}`\n"
    )


def test_a_file_that_is_no_segment_is_refused(tmp_path: Path) -> None:
    """Somebody's file at the path is not read as a time."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"buy milk" * 600)

    result = CliRunner().invoke(cli, ["read", "--segment", str(path)])

    assert result.exit_code == ExitCode.FAILURE
    assert "is not a usable segment" in result.stderr
    assert "--segment" in result.stderr
    assert "remove" not in result.stderr  # It may be anything, and dear to somebody.
    assert result.stderr.count("\n") == 1


def test_the_variable_names_the_segment(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHRONOTICK_SEGMENT serves where no flag is given."""
    publication.publish()
    monkeypatch.setenv("CHRONOTICK_SEGMENT", publication.path)

    assert CliRunner().invoke(cli, ["read"]).exit_code == ExitCode.OK
