"""Telling the time: the answers, and what is said when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chronotick.agents.availability import State, trouble_of
from chronotick.agents.results import TimeNow
from chronotick.agents.tools import Outcome, call
from chronotick.core.errors import (
    ClockDisrupted,
    ClockError,
    NoDaemon,
    NotSynchronized,
    SegmentCorrupt,
    SegmentError,
    StaleCorrection,
    TornRead,
)
from chronotick.core.records import SourceReport
from chronotick.core.status import Reason, Status
from unit.agents.lab import BOUND_NS, START_NS, Lab, LabHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def ask(lab: Lab, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that is expected to answer."""
    outcome = await call(lab.service, name, arguments)
    assert not outcome.is_error, outcome.text
    assert outcome.structured is not None
    assert outcome.text == outcome.structured["summary"]
    return outcome.structured


async def fail(lab: Lab, name: str, **arguments: Any) -> Outcome:
    """Call a tool that is expected to refuse."""
    outcome = await call(lab.service, name, arguments)
    assert outcome.is_error, outcome.text
    return outcome


async def test_the_time_comes_with_its_bound(lab: Lab) -> None:
    """All forms of the instant agree, and the interval contains the truth."""
    now = await ask(lab, "get_time")
    assert now["utc"] == "2026-11-21T14:00:00.000000000Z"
    assert now["unix_ns"] == str(START_NS)
    assert int(now["earliest_unix_ns"]) <= START_NS - BOUND_NS
    assert int(now["latest_unix_ns"]) >= START_NS + BOUND_NS
    assert now["uncertainty_s"] == pytest.approx(BOUND_NS / 1e9, abs=1e-8)
    assert (now["status"], now["mend"]) == ("synchronized", None)
    assert (now["timezone"], now["local"], now["weekday"]) == ("UTC", None, "Saturday")
    assert now["summary"] == ("It is 2026-11-21T14:00:00.000000000Z (Saturday) ± 1 ms.")


@pytest.mark.parametrize("timezone", [None, "UTC", "Asia/Kathmandu"])
async def test_the_time_has_the_fields_of_its_class(
    lab: Lab, timezone: str | None
) -> None:
    """All of them, of the types and in the order that the schema is made from."""
    now = await ask(lab, "get_time", timezone=timezone)
    as_class = msgspec.convert(now, TimeNow)
    assert list(now.items()) == list(msgspec.to_builtins(as_class).items())


async def test_the_system_clock_is_told_beside_it(lab: Lab) -> None:
    """It is 2 ms behind here: adding the offset corrects it."""
    now = await ask(lab, "get_time")
    assert now["offset_s"] == pytest.approx(0.002, abs=1e-9)
    assert now["system_clock_utc"] == "2026-11-21T13:59:59.998000000Z"
    assert now["valid_until"] == "2026-11-21T14:16:40.000000000Z"
    assert now["source_age_s"] == pytest.approx(2.0, abs=0.01)


async def test_the_local_time_is_told_where_a_zone_is_named(lab: Lab) -> None:
    """The weekday is that of the zone: already Sunday on Kiritimati."""
    now = await ask(lab, "get_time", timezone="Pacific/Kiritimati")
    assert now["local"] == "2026-11-22T04:00:00.000000000+14:00"
    assert now["weekday"] == "Sunday"
    assert now["utc"] == "2026-11-21T14:00:00.000000000Z"


class InterruptedHost(LabHost):
    """Something happens just after one of its clocks is read for the n-th time."""

    reads_left = 0

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Read RAW or any other clock but CLOCK_REALTIME."""
        found = super().clock_gettime_ns(clk_id)
        self._read()
        return found

    def time_ns(self) -> int:
        """Read CLOCK_REALTIME."""
        found = super().time_ns()
        self._read()
        return found

    def _read(self) -> None:
        self.reads_left -= 1
        if self.reads_left == 0:
            self.on_sleep()


@pytest.mark.parametrize("reads", range(1, 8))
@pytest.mark.parametrize("is_warm", [True, False])
async def test_a_time_is_of_one_publication(
    empty_lab: Lab, reads: int, is_warm: bool
) -> None:
    """Also where the daemon withdraws its time while the time is being told."""
    host = InterruptedHost()
    lab = Lab(empty_lab.writer, host=host)
    lab.publish()
    if is_warm:
        await ask(lab, "get_time")
    nothing: dict[str, Any] = {"raw_ns": 0, "utc_ns": 0, "rate_ppb": 0.0}
    host.on_sleep = lambda: lab.publish(status=Status.UNKNOWN, **nothing)
    host.reads_left = reads
    outcome = await call(lab.service, "get_time", {})
    if outcome.is_error:
        return
    assert outcome.structured is not None
    assert outcome.structured["offset_s"] == pytest.approx(0.002, abs=1e-9)
    assert outcome.structured["valid_until"] == "2026-11-21T14:16:40.000000000Z"


async def test_utc_is_reckoned_in_integers(lab: Lab) -> None:
    """As the clock itself does: after days a float's rounding is a nanosecond."""
    lab.publish(rate_ppb=-12_345.678901, max_age_s=1e7)
    lab.pass_s(9e6)
    reading = lab.service.timepiece.read()
    assert reading.utc_and_expiry_ns()[0] == reading.now.midpoint_ns


@pytest.mark.parametrize("sub_ns", [1, 93, 123_456_789])
async def test_no_nanosecond_is_lost(lab: Lab, sub_ns: int) -> None:
    """Nanoseconds travel as text: a JSON number would round them."""
    lab.host.raw += sub_ns
    lab.publish()
    now = await ask(lab, "get_time")
    assert now["unix_ns"] == str(START_NS + sub_ns)


async def test_future_uncertainty_grows_with_the_worst_drift(lab: Lab) -> None:
    """15 ppm for 100 s is 1.5 ms on top of what the bound is now."""
    told = await ask(lab, "get_time_with_future_uncertainty", future_seconds=100)
    assert told["uncertainty_increase_s"] == pytest.approx(0.0015, abs=1e-8)
    assert told["future_uncertainty_s"] == pytest.approx(0.0025, abs=1e-7)
    assert told["future_utc"] == "2026-11-21T14:01:40.000000000Z"
    assert told["now"]["unix_ns"] == str(START_NS)


async def test_a_future_beyond_the_correction_has_no_bound(lab: Lab) -> None:
    """Readers will refuse by then, so a number would be invented."""
    told = await ask(lab, "get_time_with_future_uncertainty", future_seconds=1_001)
    assert told["future_uncertainty_s"] is None
    assert told["uncertainty_increase_s"] is None
    assert "expires before that" in told["summary"]


async def test_holdover_and_warm_up_say_so_and_name_the_command(lab: Lab) -> None:
    """A time that is worse than it should be never looks like a good one."""
    lab.publish(status=Status.HOLDOVER, reasons=Reason.SOURCES_LOST)
    held = await ask(lab, "get_time")
    assert held["status"] == "holdover"
    assert held["mend"] == f"chronotick status --segment {lab.path}"
    assert "servers have stopped answering" in held["summary"]
    lab.publish(status=Status.WARMUP)
    warming = await ask(lab, "get_time")
    assert warming["status"] == "warmup"
    assert warming["mend"] == f"chronotick status --segment {lab.path}"


async def test_a_silent_daemon_is_holdover_with_a_growing_bound(lab: Lab) -> None:
    """A dead writer must not look healthy: the bound grows, and the mend is a daemon."""
    before = await ask(lab, "get_time")
    lab.be_gone_s(100)
    after = await ask(lab, "get_time")
    assert after["status"] == "holdover"
    assert after["uncertainty_s"] == pytest.approx(
        before["uncertainty_s"] + 0.0015, abs=1e-8
    )
    assert after["mend"] == f"chronotick daemon --segment {lab.path}"
    status = await ask(lab, "get_daemon_status")
    assert status["status"] == "holdover"
    assert "the daemon is silent" in status["problems"][0]
    assert status["heartbeat_age_s"] == pytest.approx(100)


TIME_TOOLS: dict[str, dict[str, Any]] = {
    "get_time": {},
    "get_time_with_future_uncertainty": {"future_seconds": 1},
    "stamp_event": {},
    "wait_until": {"in_seconds": 0},
    "commit_wait": {"stamp": str(START_NS)},
    "deadline": {"deadline": str(START_NS)},
    "elapsed": {"since": str(START_NS)},
    "plan_rendezvous": {
        "participants": [
            {"node": "a", "uncertainty_s": 0.1},
            {"node": "b", "uncertainty_s": 0.1},
        ],
        "in_seconds": 60,
    },
}


@pytest.mark.parametrize("name", TIME_TOOLS)
async def test_an_expired_time_is_refused_by_every_tool(lab: Lab, name: str) -> None:
    """No number at all comes back, but the state, the cause and the command."""
    lab.be_gone_s(1_001)
    outcome = await fail(lab, name, **TIME_TOOLS[name])
    assert outcome.structured == {
        "summary": outcome.text,
        "status": "stale",
        "cause": outcome.structured and outcome.structured["cause"],
        "mend": f"chronotick daemon --segment {lab.path}",
    }
    assert "expired" in outcome.text
    assert f"chronotick daemon --segment {lab.path}" in outcome.text


async def test_a_daemon_without_time_is_unsynchronized(empty_lab: Lab) -> None:
    """Before the first publication, and while the servers disagree."""
    outcome = await fail(empty_lab, "get_time")
    assert outcome.structured is not None
    assert outcome.structured["status"] == "unsynchronized"
    assert "nothing has been published yet" in outcome.text
    empty_lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)
    outcome = await fail(empty_lab, "get_time")
    assert "no majority of the servers agrees" in outcome.text
    status = await ask(empty_lab, "get_daemon_status")
    assert status["status"] == "unsynchronized"
    assert status["warmup_complete"] is False
    assert status["uncertainty_s"] is None


async def test_no_daemon_is_said_by_get_time_and_get_daemon_status(
    lab: Lab, tmp_path: Path
) -> None:
    """The status tool answers in this state too, without a single number."""
    nowhere = type(lab.service).at(tmp_path / "none")
    outcome = await call(nowhere, "get_time")
    assert outcome.is_error
    assert outcome.structured is not None
    assert outcome.structured["status"] == "daemon_down"
    status = (await call(nowhere, "get_daemon_status")).structured
    assert status is not None
    assert status["status"] == "daemon_down"
    assert status["mend"] == f"chronotick daemon --segment {tmp_path}/none"
    assert status["measurement_count"] is None
    assert status["uptime_s"] is None


async def test_a_daemon_that_is_started_later_is_found(tmp_path: Path) -> None:
    """A long-lived server need not be restarted for it."""
    from chronotick.shm.writer import SegmentWriter  # noqa: PLC0415

    path = tmp_path / "later"
    with SegmentWriter(tmp_path / "other") as other:
        lab = Lab(other)
        lab.service = type(lab.service).at(path)
        assert (await call(lab.service, "get_time")).is_error
    with SegmentWriter(path) as writer:
        lab = Lab(writer)
        lab.publish()
        assert not (await call(lab.service, "get_time")).is_error


async def test_the_status_counts_what_the_segment_says(lab: Lab) -> None:
    """Uptime, measurements, corrections and ages come from the publication."""
    lab.pass_s(1)
    status = await ask(lab, "get_daemon_status")
    assert status["status"] == "synchronized"
    assert status["uptime_s"] == pytest.approx(3_600)
    assert (status["measurement_count"], status["correction_count"]) == (12, 7)
    assert status["last_sync_age_s"] == pytest.approx(3.0, abs=0.01)
    assert status["warmup_complete"] is True
    assert (status["problems"], status["hints"], status["servers"]) == ([], [], [])
    assert status["memory_mb"] is None  # nobody wrote a report here


GOOD = SourceReport(
    server="good.example",
    endpoint="192.0.2.1:123",
    verdict="selected",
    reach=0o377,
    stratum=1,
    offset_ns=12_000,
    delay_ns=3_100_000,
    bound_ns=1_600_000,
    poll_s=16.0,
    samples=8,
)
GONE = SourceReport(
    server="gone.example", endpoint=None, verdict="unresolved", detail="no such name"
)


async def test_servers_are_told_with_their_verdicts(lab: Lab) -> None:
    """Who is not believed is a problem with its reason; details only if asked for."""
    lab.report(GOOD, GONE)
    status = await ask(lab, "get_daemon_status")
    assert "1 of 2 servers agree" in status["summary"]
    assert status["problems"] == ["server gone.example is unresolved: no such name"]
    good, gone = status["servers"]
    assert (good["verdict"], good["reach"], good["stratum"]) == ("selected", "377", 1)
    assert good["offset_s"] == pytest.approx(12e-6)
    assert "delay_s" not in good
    assert (gone["address"], gone["offset_s"]) == (None, None)
    assert status["write_rate_hz"] == 100.0
    assert status["memory_mb"] > 1
    assert len(status["cpu_affinity"]) > 0
    verbose = await ask(lab, "get_daemon_status", verbose=True)
    assert verbose["servers"][0]["delay_s"] == pytest.approx(0.0031)
    assert verbose["servers"][0]["samples"] == 8


async def test_another_daemon_s_report_is_not_this_one_s(
    lab: Lab, tmp_path: Path
) -> None:
    """A file that an earlier daemon left says nothing about now."""
    lab.report(GOOD)
    report = tmp_path / "segment.status"
    report.write_text(report.read_text().replace(f"{lab.writer.start_id:016x}", "ff"))
    assert (await ask(lab, "get_daemon_status"))["servers"] == []


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NoDaemon("/p"), State.DAEMON_DOWN),
        (NotSynchronized("/p", "why"), State.UNSYNCHRONIZED),
        (NotSynchronized("/p", "why", is_silent=True), State.DAEMON_DOWN),
        (TornRead("/p", 3), State.UNSYNCHRONIZED),
        (StaleCorrection("/p", 1.0), State.STALE),
        (ClockDisrupted("/p", "slept"), State.DISRUPTED),
        (SegmentCorrupt("/p", "short"), State.SEGMENT_UNUSABLE),
        (SegmentError("other"), State.SEGMENT_UNUSABLE),
        (ClockError("other"), State.UNSYNCHRONIZED),
    ],
)
async def test_every_error_has_a_state_and_a_command(
    error: ClockError | SegmentError, state: State
) -> None:
    """None of them is "ok", and each names what to run."""
    trouble = trouble_of(error, "/dev/shm/chronotick_shm")  # noqa: S108
    assert trouble.state is state
    assert trouble.mend.startswith("chronotick ")
    assert "--segment" not in trouble.mend
    assert trouble_of(error, "/a b").mend.endswith("--segment '/a b'")


@pytest.mark.parametrize(
    "error_at",
    [
        NoDaemon,
        lambda path: NotSynchronized(path, "why"),
        lambda path: NotSynchronized(path, "why", is_silent=True),
        lambda path: StaleCorrection(path, 1),
        lambda path: ClockDisrupted(path, "it slept"),
        lambda path: TornRead(path, 3),
    ],
    ids=["none", "unsynchronized", "silent", "stale", "disrupted", "torn"],
)
async def test_every_command_names_the_segment(
    error_at: Callable[[str], ClockError],
) -> None:
    """That of the cause, too: it would start a daemon where nobody reads."""
    error = error_at("/a b")
    for said in (str(error), trouble_of(error, "/a b").cause):
        assert said.count("`chronotick ") == said.count(" --segment '/a b'`") > 0
    default = "/dev/shm/chronotick_shm"  # noqa: S108
    assert "--segment" not in str(error_at(default))
    assert "--segment" not in trouble_of(error_at(default), default).cause
