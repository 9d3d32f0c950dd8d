"""`chronotick monitor`: goes on whatever happens, and ends as it found things."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chronotick.cli import cli, monitor
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.monitor import sparkline
from chronotick.core.errors import NoDaemon
from chronotick.core.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from unit.cli.conftest import Publication


def watch(path: object, *flags: str) -> Result:
    """Run the verb for a moment."""
    words = ["monitor", "--interval", "10ms", "--for", "20ms", "--segment", str(path)]
    return CliRunner().invoke(cli, [*words, *flags])


def test_every_reading_is_a_line(publication: Publication) -> None:
    """Time, bound and status; the last line is of the end."""
    publication.publish()

    result = watch(publication.path)

    lines = result.stdout.splitlines()
    assert result.exit_code == ExitCode.OK
    assert len(lines) >= 2
    assert all("Z  ± 1" in line and line.endswith("synchronized") for line in lines)


def test_without_a_time_it_says_why_and_goes_on(tmp_path: Path) -> None:
    """A daemon may be started later; the exit code tells how it ended."""
    result = watch(tmp_path / "nothing")

    lines = result.stdout.splitlines()
    assert result.exit_code == ExitCode.NO_DAEMON
    assert len(lines) >= 2
    assert all(line.startswith("no time: no daemon is publishing") for line in lines)


def test_json_is_one_object_a_line(publication: Publication, tmp_path: Path) -> None:
    """Readings and refusals both carry a status."""
    publication.publish(status=Status.WARMUP)

    readings = [
        json.loads(x) for x in watch(publication.path, "--json").stdout.split("\n") if x
    ]
    refusals = [
        json.loads(x) for x in watch(tmp_path / "x", "--json").stdout.split("\n") if x
    ]

    assert {record["status"] for record in readings} == {"WARMUP"}
    assert {record["status"] for record in refusals} == {"UNKNOWN"}
    assert all("no daemon" in record["error"] for record in refusals)


def test_the_live_view_shows_the_same_facts(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal one panel is redrawn; it names the segment and the bound."""
    publication.publish()
    console = Console(force_terminal=True, width=100, record=True)
    monkeypatch.setattr("chronotick.cli.terminal.stdout_console", lambda: console)
    monkeypatch.setattr("chronotick.cli.terminal.is_live", lambda _: True)

    result = watch(publication.path)

    shown = console.export_text()
    assert result.exit_code == ExitCode.OK
    assert publication.path[:20] in shown
    assert "± 1" in shown
    assert "synchronized" in shown


def test_the_live_view_says_why_there_is_no_time() -> None:
    """The reason stands where the time would."""
    console = Console(width=100)
    with console.capture() as captured:
        console.print(monitor._view("/x", NoDaemon("/x"), [], []))

    assert "not known" in captured.get()
    assert "start one with" in captured.get()


@given(st.lists(st.floats(-1e12, 1e12), max_size=80))
def test_a_sparkline_has_a_bar_a_value(values: list[float]) -> None:
    """The largest value has the highest bar, the least the lowest."""
    bars = sparkline(values)

    assert len(bars) == len(values)
    if values and max(values) > min(values):
        assert bars[values.index(max(values))] == "█"
        assert bars[values.index(min(values))] == "▁"


def test_an_interval_out_of_range_is_wrong_usage() -> None:
    """A typing error does not spin the CPU."""
    result = CliRunner().invoke(cli, ["monitor", "--interval", "0"])

    assert result.exit_code == ExitCode.USAGE
    assert "0 is not from 10ms to 1h" in result.stderr
