"""The supervisor stops, is watched and is nested as its contract says."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import (
    Context,
    DaemonHealth,
    RestartPolicy,
    SimClock,
    Supervisor,
    daemon,
)
from chrono_daemon.clock import settle
from unit.chrono_daemon.probe import Probe, failures, run_one

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class TestStopping:
    """signal_stop, stop, and the end of the block."""

    async def test_leaving_the_block_signals_nothing(self) -> None:
        """Exit waits until the daemons return by themselves."""
        clock = SimClock()
        sup = Supervisor(clock=clock)
        probe = Probe(run="sleep")
        async with anyio.create_task_group() as group:

            async def block() -> None:
                async with sup:
                    sup.add(probe)

            group.start_soon(block)
            await settle()
            assert not sup.stop_event.is_set()
            assert sup.snapshot()["probe"].state == "running"
            await clock.advance(1)
        assert sup.snapshot()["probe"].state == "stopped"

    async def test_an_error_of_the_body_cancels_and_comes_out_wrapped(self) -> None:
        """The daemons end as stopped, with their on_stop."""
        probe = Probe(run="wait")
        sup = Supervisor(clock=SimClock())
        sup.add(probe)
        with pytest.raises(ExceptionGroup) as caught:
            async with sup:
                await settle()
                raise KeyError("body")
        assert [type(e) for e in failures(caught.value)] == [KeyError]
        assert probe.calls[-1] == "on_stop"
        assert sup.snapshot()["probe"].state == "stopped"

    async def test_stop_waits_for_those_who_listen(self) -> None:
        """Within the grace everybody may finish by himself."""
        probe = Probe(run="stop", on_stop=None)
        async with Supervisor() as sup:
            sup.add(probe)
            await sup.wait_all_started()
            await sup.stop(grace=5)
            assert sup.snapshot()["probe"].state == "stopped"
            reached = True
        assert reached

    async def test_stop_cancels_those_who_dont_and_the_body_with_them(self) -> None:
        """After the grace the body is cancelled at its next await; nothing escapes."""
        probe = Probe(run="wait")
        after = []
        async with Supervisor() as sup:
            sup.add(probe)
            await sup.wait_all_started()
            await sup.stop(grace=0.01)
            after.append("returned")
            await anyio.lowlevel.checkpoint()
            after.append("not reached")
        assert after == ["returned"]
        assert probe.calls[-1] == "on_stop"

    async def test_signalling_comes_before_cancelling(self) -> None:
        """With grace=0 a daemon parked on the stop event still resumes from it."""
        seen: list[str] = []

        @daemon
        async def worker(ctx: Context) -> None:
            await ctx.stop_event.wait()
            seen.append("resumed")
            await anyio.lowlevel.checkpoint()
            seen.append("not reached")

        async with Supervisor(clock=SimClock()) as sup:
            sup.add(worker())
            await settle()
            await sup.stop(grace=0)
        assert seen == ["resumed"]

    async def test_stopping_what_does_not_run_does_nothing(self) -> None:
        """Before entry, after exit and with no daemon left it returns at once."""
        sup = Supervisor()
        await sup.stop(grace=60)
        async with sup:
            await sup.stop(grace=60)
            assert sup.stop_event.is_set()
            await anyio.lowlevel.checkpoint()
        await sup.stop(grace=60)
        assert sup.stop_event.is_set()

    async def test_a_late_stop_still_cancels(self) -> None:
        """Once exit is waiting for daemons, stop ends them after its grace."""
        sup = Supervisor()
        probe = Probe(run="wait")
        sup.add(probe)
        async with anyio.create_task_group() as group:

            async def block() -> None:
                async with sup:
                    pass

            group.start_soon(block)
            await settle()
            await sup.stop(grace=0.01)
        assert sup.snapshot()["probe"].state == "stopped"

    @pytest.mark.parametrize("value", [-1.0, math.nan])
    async def test_a_grace_that_is_no_time_is_refused(self, value: float) -> None:
        """Negative and NaN times raise ValueError."""
        with pytest.raises(ValueError, match="grace"):
            await Supervisor().stop(grace=value)
        with pytest.raises(ValueError, match="finalize_timeout"):
            await Supervisor().stop(finalize_timeout=value)

    async def test_signal_stop_from_within_a_daemon(self) -> None:
        """It is synchronous, idempotent, and reaches everybody."""
        probe = Probe(run="stop")

        @daemon
        async def boss(ctx: Context) -> None:
            ctx.supervisor.signal_stop()
            ctx.supervisor.signal_stop()
            assert ctx.stopping

        async with Supervisor(clock=SimClock()) as sup:
            sup.add(probe)
            sup.add(boss())
        assert sup.snapshot()["probe"].state == "stopped"


class TestStarted:
    """wait_all_started."""

    async def test_it_waits_for_all_registered_and_no_later_ones(self) -> None:
        """Slow starters hold it; a daemon added afterwards doesn't."""
        clock = SimClock()
        done: list[float] = []
        sup = Supervisor(clock=clock)
        sup.add(Probe("a", on_start="sleep"))
        sup.add(Probe("b"))
        async with sup:

            async def wait() -> None:
                await sup.wait_all_started()
                done.append(clock.now())

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await settle()
                sup.add(Probe("late", on_start=["sleep", "sleep"]))
                assert done == []
                await clock.advance(5)
        assert done == [1]

    async def test_a_failing_starter_keeps_it_closed_until_it_gives_up(self) -> None:
        """An attempt that succeeds opens it; so does the end of the retries."""
        clock = SimClock()
        done: list[float] = []
        sup = Supervisor(clock=clock, on_error="restart", restart=RestartPolicy(1, 1))
        sup.add(Probe(on_start=[ValueError(), ValueError(), None]))
        async with sup, anyio.create_task_group() as group:

            async def wait() -> None:
                await sup.wait_all_started()
                done.append(clock.now())

            group.start_soon(wait)
            await clock.advance(5)
        assert done == [2]
        sup = Supervisor(clock=clock, on_error="ignore")
        sup.add(Probe(on_start=ValueError()))
        async with sup:
            await sup.wait_all_started()


class TestWatching:
    """snapshot and on_change."""

    async def test_uptime_counts_only_while_running(self) -> None:
        """And the clock isn't asked when nobody runs."""

        class Asked(SimClock):
            asked = 0

            def now(self) -> float:
                self.asked += 1
                return super().now()

        clock = Asked()
        sup = Supervisor(clock=clock)
        sup.add(Probe(run="sleep"))
        assert (sup.snapshot()["probe"].uptime, clock.asked) == (None, 0)
        async with sup:
            await clock.advance(0.25)
            assert sup.snapshot()["probe"].uptime == 0.25
            await clock.advance(1)
        asked = clock.asked
        assert sup.snapshot()["probe"].uptime is None
        assert clock.asked == asked

    async def test_a_listener_hears_every_change_of_state(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In order; its own errors are logged and go no further."""
        heard: list[str] = []

        def listen(health: DaemonHealth) -> None:
            heard.append(health.state)
            if health.state == "stopped":
                raise RuntimeError("deaf")

        clock = SimClock()
        async with Supervisor(clock=clock, on_error="restart", on_change=listen) as sup:
            sup.add(Probe(run=[ValueError(), None]))
            await clock.advance(1)
        assert heard == [
            "starting",
            "running",
            "restarting",
            "starting",
            "running",
            "stopped",
        ]
        assert [r.name for r in caplog.records] == [
            "chrono_daemon.probe",
            "chrono_daemon",
        ]

    async def test_a_healthy_daemon_makes_no_noise(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing at INFO or above from the library itself, cancelled or not."""
        with caplog.at_level(logging.INFO):
            await run_one(Probe())
            async with Supervisor(clock=SimClock()) as sup:
                sup.add(Probe(run="wait"))
                await settle()
                await sup.stop(grace=0)
        assert caplog.records == []


class TestNesting:
    """Supervisors inside daemons."""

    async def test_each_has_its_own_clock_and_neither_sees_the_other(self) -> None:
        """An inner simulation runs within one instant of an outer one, held meanwhile."""
        outer_clock = SimClock()
        ticks: list[tuple[float, float]] = []

        @daemon
        async def inner(ctx: Context, clock: SimClock) -> None:
            async for tick in ctx.clock.every(1):
                ticks.append((tick, outer_clock.now()))
                if tick == 3:
                    return

        @daemon
        async def session(ctx: Context) -> None:
            await ctx.clock.sleep(10)
            clock = SimClock()
            with outer_clock.hold("an inner simulation"):
                async with Supervisor(clock=clock) as sup:
                    sup.add(inner(clock))
                    await clock.advance(5)
            assert list(sup.snapshot()) == ["inner"]

        async with Supervisor(clock=outer_clock) as sup:
            sup.add(session())
            await outer_clock.advance(20)
        assert ticks == [(1, 10), (2, 10), (3, 10)]
        assert list(sup.snapshot()) == ["session"]


@pytest.mark.parametrize("where", ["on_start", "run"])
async def test_outer_cancellation_passes_through(where: str) -> None:
    """A cancelled scope around the block ends it and isn't swallowed on the way."""
    probe = Probe(**{where: "wait"})
    reached: list[str] = []
    make: Callable[[], Supervisor] = lambda: Supervisor(clock=SimClock())  # noqa: E731
    with anyio.CancelScope() as scope:
        async with make() as sup:
            sup.add(probe)
            await settle()
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        reached.append("after the block")
    assert scope.cancelled_caught
    assert reached == []
    assert sup.snapshot()["probe"].state == "stopped"


class TestOneDaemon:
    """remove and restart of a single daemon, drain, history."""

    async def test_a_removed_daemon_is_stopped_and_forgotten(self) -> None:
        """on_stop runs, siblings stay, the name is free again."""
        clock = SimClock()
        gone, stays = Probe("gone", run="wait"), Probe("stays", run="stop")
        async with Supervisor(clock=clock) as sup:
            sup.add(gone)
            sup.add(stays)
            await settle()
            sup.remove("gone")
            assert "gone" in sup.snapshot()
            await settle()
            assert list(sup.snapshot()) == ["stays"]
            assert gone.calls[-1] == "on_stop"
            sup.add(Probe("gone"))
            await settle()
            sup.remove("gone")
            assert list(sup.snapshot()) == ["stays"]
            with pytest.raises(ValueError, match="nobody"):
                sup.remove("nobody")
            sup.signal_stop()

    async def test_a_queued_daemon_can_be_removed(self) -> None:
        """It never runs."""
        probe = Probe()
        sup = Supervisor()
        sup.add(probe)
        sup.remove("probe")
        async with sup:
            await anyio.lowlevel.checkpoint()
        assert (probe.calls, sup.snapshot()) == ([], {})

    @pytest.mark.parametrize("failing", [False, True])
    async def test_a_daemon_in_backoff_can_be_removed(self, failing: bool) -> None:
        """So can one that fails on the way out."""
        probe = Probe(run=[ValueError(), "wait"] if not failing else ["wait"])
        if failing:
            probe.faults["on_stop"] = ValueError("late")
        async with Supervisor(clock=SimClock(), on_error="restart") as sup:
            sup.add(probe)
            await settle()
            sup.remove("probe")
            await settle()
            assert sup.snapshot() == {}
        assert probe.calls.count("run") == 1

    async def test_a_restarted_daemon_begins_a_new_attempt(self) -> None:
        """Running, waiting or finished; it isn't counted as a retry."""
        clock = SimClock()
        probe = Probe(run=["wait", ValueError(), None, None])
        sup = Supervisor(
            clock=clock, on_error="restart", restart=RestartPolicy(100, 1, 100)
        )
        sup.add(probe)
        with pytest.raises(RuntimeError, match="running"):
            sup.restart("probe")
        async with sup:
            await clock.advance(1)
            sup.restart("probe")
            await clock.advance(1)
            health = sup.snapshot()["probe"]
            assert (health.state, health.restart_count) == ("restarting", 1)
            assert probe.calls == ["on_start", "run", "on_stop"] * 2
            sup.restart("probe")
            await clock.advance(1)
            health = sup.snapshot()["probe"]
            assert (health.state, health.started_at) == ("stopped", 2)
            sup.restart("probe")
            await clock.advance(1)
            health = sup.snapshot()["probe"]
            assert (health.state, health.started_at) == ("stopped", 3)
            with pytest.raises(ValueError, match="nobody"):
                sup.restart("nobody")
        assert probe.calls.count("run") == 4

    async def test_a_restart_from_within_is_a_new_attempt(self) -> None:
        """A daemon may ask for a fresh start of itself."""
        starts: list[float] = []

        @daemon
        async def phoenix(ctx: Context) -> None:
            starts.append(ctx.clock.now())
            await ctx.clock.sleep(1)
            if len(starts) < 3:
                ctx.supervisor.restart(ctx.name)
                await anyio.sleep_forever()

        clock = SimClock()
        async with Supervisor(clock=clock) as sup:
            sup.add(phoenix())
            await clock.advance(5)
        assert starts == [0, 1, 2]

    async def test_drain_cancels_nothing(self) -> None:
        """It waits for those who take their time."""
        clock = SimClock()
        probe = Probe(run="stop", on_stop="sleep")
        done: list[float] = []
        async with Supervisor(clock=clock) as sup:
            sup.add(probe)
            await settle()

            async def drain() -> None:
                await sup.drain()
                done.append(clock.now())

            async with anyio.create_task_group() as group:
                group.start_soon(drain)
                await clock.advance(3)
        assert done == [1]

    async def test_history_remembers_the_latest_changes(self) -> None:
        """As many as asked for, none by default."""
        clock = SimClock()
        sup = Supervisor(clock=clock, on_error="restart", history=4)
        sup.add(Probe(run=[ValueError("x"), None]))
        async with sup:
            await clock.advance(1)
        past = sup.history("probe")
        assert [h.state for h in past] == [
            "restarting",
            "starting",
            "running",
            "stopped",
        ]
        assert [h.restart_count for h in past] == [1, 1, 1, 1]
        with pytest.raises(ValueError, match="nobody"):
            sup.history("nobody")
        with pytest.raises(ValueError, match="history"):
            Supervisor(history=-1)
        plain = Supervisor()
        plain.add(Probe())
        assert plain.history("probe") == ()
