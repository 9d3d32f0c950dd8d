"""How the daemon is doing: what is told of one that is silent, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.agents.health import get_daemon_status, look
from chronotick.agents.requests import GetDaemonStatus
from chronotick.core.records import SourceReport
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from chronotick.agents.results import DaemonStatus
    from unit.agents.lab import Lab

GOOD = SourceReport(server="good.example", endpoint="192.0.2.1:123", verdict="selected")
LIAR = SourceReport(
    server="liar.example", endpoint="192.0.2.9:123", verdict="falseticker"
)
OF_A_LIVING_DAEMON = ("pid", "uptime_s", "write_rate_hz", "memory_mb", "cpu_affinity")


def told(lab: Lab) -> DaemonStatus:
    """What an agent is answered."""
    return get_daemon_status(lab.service, GetDaemonStatus())


def facts(status: DaemonStatus) -> list[object]:
    """What is true of a living daemon only."""
    return [getattr(status, name) for name in OF_A_LIVING_DAEMON]


@pytest.mark.parametrize(("silence_s", "state"), [(100, "holdover"), (2_000, "stale")])
def test_a_dead_daemon_is_not_described_as_if_it_lived(
    lab: Lab, silence_s: float, state: str
) -> None:
    """No process, memory or rate; its servers are told as what they were."""
    lab.report(GOOD, LIAR)
    assert None not in facts(told(lab))
    lab.be_gone_s(silence_s)
    status = told(lab)
    assert status.status == state
    assert facts(status) == [None] * len(OF_A_LIVING_DAEMON)
    assert "agree" not in status.summary
    ago = {100: "1 min 40 s", 2_000: "33 min 20 s"}[int(silence_s)]
    assert status.problems[1:] == [
        f"the servers are told as of the daemon's last report, {ago} ago"
    ]
    assert [row.server for row in status.servers] == ["good.example", "liar.example"]
    assert status.hints == [f"chronotick daemon --segment {lab.path}"]


def test_a_living_daemon_without_a_time_is_described(lab: Lab) -> None:
    """It has no time to give, but it does publish that."""
    lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)
    lab.report(GOOD)
    status = told(lab)
    assert status.status == "unsynchronized"
    assert None not in facts(status)
    lab.pass_s(100)
    assert facts(told(lab)) == [None] * len(OF_A_LIVING_DAEMON)


def test_a_daemon_that_begins_is_not_its_predecessor(lab: Lab) -> None:
    """Its report is as old as it says, however old the last frame is."""
    lab.report(LIAR)
    lab.pass_s(100)
    lab.writer.close()
    with SegmentWriter(lab.path) as successor:
        lab.writer = successor
        lab.report(LIAR)
        lab.pass_s(2)
        status = told(lab)
    assert facts(status) == [None] * len(OF_A_LIVING_DAEMON)
    assert status.problems[1].endswith("report, 2 s ago")


def test_a_daemon_that_cannot_write_its_report_is_told_by_its_frames(lab: Lab) -> None:
    """A full disk: it publishes, so it lives; but its servers are as they were."""
    lab.report(GOOD, LIAR)
    lab.pass_s(4)
    lab.publish()
    assert "1 of 2 servers agree" in told(lab).summary
    lab.pass_s(30)
    lab.publish()
    status = told(lab)
    assert (status.status, status.mend) == ("synchronized", None)
    assert "agree" not in status.summary
    assert None not in facts(status)
    told_of = "the servers are told as of the daemon's last report, 34 s ago"
    assert status.problems == [f"{told_of} (it cannot write one: see its log)"]


def test_ages_are_unknown_after_a_sleep(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RAW stood still meanwhile, so what it says of ages is wrong."""
    fall_asleep(lab, monkeypatch)
    status = told(lab)
    assert status.status == "disrupted"
    assert (status.heartbeat_age_s, status.last_sync_age_s) == (None, None)
    assert facts(status) == [None] * len(OF_A_LIVING_DAEMON)


def test_each_server_s_problem_comes_with_a_command(lab: Lab) -> None:
    """The description promises it; the time needs no mending, so `mend` is null."""
    odd = SourceReport(server="a b", endpoint=None, verdict="unresolved")
    lab.report(GOOD, LIAR, odd)
    status = told(lab)
    assert (status.status, status.mend) == ("synchronized", None)
    assert len(status.problems) == 2
    assert status.hints == [
        "chronotick doctor --server liar.example",
        "chronotick doctor --server 'a b'",
    ]


def test_a_look_tells_the_reasons_of_a_doubt_only(lab: Lab) -> None:
    """A falseticker in a good minority is none; what the clock adds is one."""
    lab.publish(reasons=Reason.FALSETICKERS)
    assert look(lab.service).reasons is Reason.NONE
    lab.publish(status=Status.HOLDOVER, reasons=Reason.SOURCES_LOST)
    assert look(lab.service).reasons == Reason.SOURCES_LOST
    lab.pass_s(100)
    seen = look(lab.service)
    assert seen.reasons == Reason.SOURCES_LOST | Reason.WRITER_SILENT
    lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)
    assert look(lab.service).reasons == Reason.NO_AGREEMENT


def fall_asleep(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspend the host for an hour: all but BOOTTIME stands still."""
    read = lab.host.clock_gettime_ns
    hour_ns = 3_600 * NS_PER_S

    def clock_gettime_ns(clk_id: int, /) -> int:
        return read(clk_id) + (hour_ns if clk_id == 7 else 0)  # CLOCK_BOOTTIME

    pair = lab.host.pair
    monkeypatch.setattr(lab.host, "clock_gettime_ns", clock_gettime_ns)
    monkeypatch.setattr(lab.host, "pair", lambda: pair()._replace(suspend_ns=hour_ns))
