"""What is read by address says what the time is worth, in every state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.agents.resources import read_resource
from chronotick.agents.service import TimeService
from chronotick.core.status import Reason, Status
from unit.agents.test_health import GOOD, fall_asleep

if TYPE_CHECKING:
    from pathlib import Path

    from unit.agents.lab import Lab

HISTORY, SOURCES = "chronotick://history/3600", "chronotick://sources"


def read(lab: Lab, uri: str) -> Any:
    """The document at `uri`."""
    return json.loads(read_resource(lab.service, uri)[1])


@pytest.mark.parametrize("uri", [HISTORY, SOURCES])
def test_a_good_time_is_told_above_the_rows(lab: Lab, uri: str) -> None:
    """The state is there whether or not there is something to say."""
    told = read(lab, uri)
    assert (told["status"], told["mend"]) == ("synchronized", None)
    assert "The time is synchronized" in told["summary"]


@pytest.mark.parametrize("uri", [HISTORY, SOURCES])
@pytest.mark.parametrize(
    ("silence_s", "state", "why"),
    [(100, "holdover", "the daemon is silent"), (2_000, "stale", "expired")],
)
def test_a_dead_daemon_is_told_above_the_rows(
    lab: Lab, uri: str, silence_s: float, state: str, why: str
) -> None:
    """Nobody may take old rows for the state of now."""
    lab.report(GOOD)
    lab.be_gone_s(silence_s)
    told = read(lab, uri)
    assert told["status"] == state
    assert told["mend"] == f"chronotick daemon --segment {lab.path}"
    assert why in told["summary"].lower()


@pytest.mark.parametrize("uri", [HISTORY, SOURCES])
def test_without_a_daemon_the_answer_is_no(tmp_path: Path, uri: str) -> None:
    """The state, the command and no row."""
    nowhere = TimeService.at(tmp_path / "none")
    told = json.loads(read_resource(nowhere, uri)[1])
    assert told["status"] == "daemon_down"
    assert told["mend"] == f"chronotick daemon --segment {tmp_path}/none"
    assert not told.get("servers")
    assert not told.get("corrections")


def test_the_servers_come_with_their_details(lab: Lab) -> None:
    """The shape of GET /api/sources."""
    lab.report(GOOD)
    told = read(lab, SOURCES)
    assert list(told) == ["summary", "status", "mend", "servers"]
    assert told["servers"][0]["samples"] == 0


def test_the_history_is_of_the_past(lab: Lab) -> None:
    """It says so, newest first, as old as asked for."""
    lab.pass_s(3_000)
    lab.publish(off_ns=5_000)
    lab.pass_s(0.5)
    told = read(lab, HISTORY)
    assert "not the time now" in told["summary"]
    assert [entry["age_s"] for entry in told["corrections"]] == [0.5, 3_000.5]
    assert len(read(lab, "chronotick://history/60")["corrections"]) == 1


def test_ages_from_before_a_sleep_are_unknown(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RAW stood still meanwhile: a difference of it is no age."""
    lab.pass_s(10)
    fall_asleep(lab, monkeypatch)
    asleep = read(lab, HISTORY)
    assert asleep["status"] == "disrupted"
    assert [entry["age_s"] for entry in asleep["corrections"]] == [None]
    lab.publish(off_ns=5_000)
    awake = read(lab, HISTORY)
    assert awake["status"] == "synchronized"
    assert [entry["age_s"] for entry in awake["corrections"]] == [0.0, None]
    assert "1 of unknown age" in awake["summary"]


def test_without_agreement_the_history_says_so(lab: Lab) -> None:
    """Then nothing vouches for the clocks either, so no age is told."""
    lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)
    told = read(lab, HISTORY)
    assert told["status"] == "unsynchronized"
    assert told["mend"] == f"chronotick status --segment {lab.path}"
    assert [entry["age_s"] for entry in told["corrections"]] == [None]
