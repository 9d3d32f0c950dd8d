"""One daemon is removed or restarted alone, at whatever moment that is asked for."""

from __future__ import annotations

from typing import Literal

import anyio
import pytest

from chrono_daemon import (
    DaemonHealth,
    OnError,
    RestartPolicy,
    SimClock,
    Supervisor,
)
from chrono_daemon.clock import Ticks, settle
from unit.chrono_daemon.probe import Probe

pytestmark = pytest.mark.anyio


class Gate:
    """A clock on which every sleep ends when the test opens the gate."""

    def __init__(self) -> None:
        self.open = anyio.Event()

    def now(self) -> float:
        """Stand still."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait for the gate."""
        del seconds
        await self.open.wait()

    async def wait_until(self, deadline: float) -> None:
        """Wait for the gate."""
        await self.sleep(deadline)

    def every(
        self, period: float, *, first: Literal["now", "after"] = "after"
    ) -> Ticks:
        """Tick at the gate."""
        return Ticks(self, period, first)


async def test_a_daemon_removed_before_its_first_step_never_runs() -> None:
    """Added and removed with no yield in between; its name is free again."""
    clock = SimClock()
    probe = Probe(run="wait")
    async with Supervisor(clock=clock) as sup:
        sup.add(probe)
        sup.remove("probe")
        await clock.advance(1)
        assert (probe.calls, sup.snapshot()) == ([], {})
        sup.add(Probe())


async def test_a_daemon_restarted_before_its_first_step_runs_once() -> None:
    """The attempt that is about to begin is the new one."""
    clock = SimClock()
    probe = Probe(run="sleep")
    async with Supervisor(clock=clock) as sup:
        sup.add(probe)
        sup.restart("probe")
        await clock.advance(5)
    assert probe.calls == ["on_start", "run", "on_stop"]


@pytest.mark.parametrize(
    ("wish", "runs"), [("remove", 1), ("restart", 2)], ids=["remove", "restart"]
)
async def test_the_end_of_a_delay_takes_no_wish_away(wish: str, runs: int) -> None:
    """Asked for when the delay is over but the daemon hasn't run yet."""
    gate = Gate()
    probe = Probe(run=[ValueError(), None, None])
    async with Supervisor(clock=gate, on_error="restart") as sup:
        sup.add(probe)
        await settle()
        gate.open.set()
        getattr(sup, wish)("probe")
        await settle()
        assert ("probe" in sup.snapshot()) == (wish == "restart")
    assert probe.calls.count("run") == runs


async def test_a_restart_cut_off_by_a_stop_is_forgotten() -> None:
    """It doesn't haunt the next stay."""
    clock = SimClock()
    probe = Probe(run=["wait", None, None])
    sup = Supervisor(clock=clock)
    async with sup:
        sup.add(probe)
        await settle()
        sup.restart("probe")
        await sup.stop(grace=0)
    async with sup:
        sup.restart("probe")
        await clock.advance(1)
    assert probe.calls.count("run") == 2


@pytest.mark.parametrize("policy", ["ignore", "restart"])
async def test_a_listener_may_ask_for_a_restart(policy: OnError) -> None:
    """Of a daemon that has just ended, well or not."""
    clock = SimClock()
    probe = Probe(run=[ValueError(), None, None])

    def listen(health: DaemonHealth) -> None:
        if health.state == "stopped" and probe.calls.count("run") < 3:
            sup.restart("probe")

    sup = Supervisor(
        clock=clock,
        on_error=policy,
        restart=RestartPolicy(1, 1),
        on_change=listen,
    )
    sup.add(probe)
    async with sup:
        await clock.advance(10)
    assert probe.calls.count("run") == 3
    assert sup.snapshot()["probe"].state == "stopped"
