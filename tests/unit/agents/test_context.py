"""The line that tells a model the time at each turn."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from chronotick.agents.context import claude_hook, context_line, context_record
from chronotick.agents.service import TimeService
from chronotick.cli.context import command
from chronotick.core.status import Status
from unit.agents.lab import START_NS, Lab

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.core.reading import Interval


def test_the_line_has_utc_local_epoch_and_bound(lab: Lab) -> None:
    """All that agents are usually asked for, in one sentence."""
    zone = timezone(timedelta(hours=10))
    assert context_line(lab.service, zone) == (
        "Current time: Saturday 2026-11-21 14:00:00 UTC "
        "(local Sunday 2026-11-22 00:00:00+1000), Unix 1795269600, ± 1 ms, "
        "synchronized (ChronoTick)."
    )


def test_utc_is_told_once(lab: Lab) -> None:
    """Where local time is UTC it is not repeated."""
    assert "local" not in context_line(lab.service, timezone(timedelta(0)))


def test_doubts_are_in_the_line(lab: Lab) -> None:
    """A wide bound is explained."""
    lab.publish(status=Status.WARMUP)
    assert "warmup; the oscillator's rate is still being learned" in context_line(
        lab.service
    )


@pytest.mark.parametrize("status", [Status.WARMUP, Status.HOLDOVER])
def test_a_doubt_comes_with_its_command(lab: Lab, status: Status) -> None:
    """The line names what the record calls `mend`, and stays one line."""
    lab.publish(status=status)
    record = context_record(lab.service)
    assert record["mend"].startswith("chronotick status")
    assert f"run `{record['mend']}`" in record["line"]
    assert len(record["line"].splitlines()) == 1


def test_line_and_fields_are_of_one_reading(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the edge where the time expires they would disagree otherwise."""
    read = lab.service.timepiece.interval
    readings = []

    def interval() -> Interval:
        readings.append(read())
        lab.pass_s(2_000)
        return readings[-1]

    monkeypatch.setattr(lab.service.timepiece, "interval", interval)
    record = context_record(lab.service)
    assert len(readings) == 1
    assert (record["status"], "synchronized" in record["line"]) == (
        "synchronized",
        True,
    )


def test_an_unknown_time_is_told_as_such(lab: Lab) -> None:
    """With an instruction not to guess, and no digits that look like a time."""
    lab.be_gone_s(2_000)
    line = context_line(lab.service)
    assert line.startswith("Current time: unknown (stale). Don't guess")
    assert "2026" not in line
    record = context_record(lab.service)
    assert (record["status"], record["earliest_ns"]) == ("stale", None)


def test_the_hook_tells_its_event_back(lab: Lab) -> None:
    """Claude Code ignores the output of a hook that names another event."""
    output = claude_hook(lab.service)["hookSpecificOutput"]
    assert output["hookEventName"] == "UserPromptSubmit"
    assert "2026-11-21 14:00:00 UTC" in output["additionalContext"]


def test_the_record_has_the_interval(lab: Lab) -> None:
    """For programs: text of nanoseconds."""
    record = context_record(lab.service)
    assert int(record["earliest_ns"]) < START_NS < int(record["latest_ns"])
    assert record["mend"] is None


@pytest.mark.parametrize("style", ["text", "json", "claude-hook"])
def test_the_command_reads_once(
    style: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed and the exit code are of the same reading."""
    read = lab.service.timepiece.interval
    readings = []

    def interval() -> Interval:
        readings.append(read())
        return readings[-1]

    monkeypatch.setattr(lab.service.timepiece, "interval", interval)
    monkeypatch.setattr(TimeService, "at", lambda _: lab.service)
    with pytest.raises(SystemExit) as ending:
        command.main(["--format", style])
    assert (ending.value.code, len(readings)) == (0, 1)


@pytest.mark.parametrize("style", ["text", "json", "claude-hook"])
def test_the_command_never_blocks_a_prompt(
    style: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a daemon it prints that nobody knows; only a hook then exits with 0."""
    with pytest.raises(SystemExit) as ending:
        command.main(["--format", style, "--segment", str(tmp_path / "none")])
    assert ending.value.code == (0 if style == "claude-hook" else 5)
    printed = capsys.readouterr().out
    assert "Current time: unknown (daemon_down)" in printed
    if style != "text":
        json.loads(printed)
