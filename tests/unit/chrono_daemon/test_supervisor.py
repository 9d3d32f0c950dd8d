"""The supervisor starts, reports and ends as its contract says."""

from __future__ import annotations

import logging
import math
from dataclasses import FrozenInstanceError, fields

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import (
    Context,
    DaemonError,
    DaemonHealth,
    OnError,
    RestartPolicy,
    SimClock,
    Supervisor,
    WallClock,
    daemon,
)
from chrono_daemon._types import SupervisorStopped
from chrono_daemon.clock import settle
from unit.chrono_daemon.probe import Probe, failures, run_one

pytestmark = pytest.mark.anyio


class TestRecords:
    """The data types."""

    def test_restart_policy_defaults(self) -> None:
        """base, factor, cap, max_retries; mutable; not validated."""
        policy = RestartPolicy()
        assert [f.name for f in fields(policy)][:4] == [
            "base",
            "factor",
            "cap",
            "max_retries",
        ]
        assert (policy.base, policy.factor, policy.cap) == (0.1, 2.0, 5.0)
        assert policy.max_retries is None
        policy.base = -1
        assert RestartPolicy(1, 2, 3, 4).max_retries == 4

    def test_health_is_frozen_and_its_first_seven_fields_have_no_default(self) -> None:
        """The record's fields, in order."""
        assert [f.name for f in fields(DaemonHealth)][:7] == [
            "name",
            "state",
            "restart_count",
            "last_error",
            "last_error_phase",
            "started_at",
            "uptime",
        ]
        with pytest.raises(TypeError):
            DaemonHealth("x", "running", 0, None, None, None)  # type: ignore[call-arg]
        health = DaemonHealth("x", "running", 0, None, None, None, None)
        with pytest.raises(FrozenInstanceError):
            health.name = "y"  # type: ignore[misc]


class TestConstruction:
    """What works without an event loop."""

    def test_defaults(self) -> None:
        """A wall clock, the logger "chrono_daemon", no stop event yet."""
        sup = Supervisor()
        assert isinstance(sup.clock, WallClock)
        assert sup.logger.name == "chrono_daemon"
        with pytest.raises(RuntimeError, match="stop_event"):
            _ = sup.stop_event
        sup.signal_stop()
        assert sup.snapshot() == {}

    def test_an_unknown_policy_is_refused(self) -> None:
        """`on_error` is one of three words."""
        with pytest.raises(ValueError, match="on_error"):
            Supervisor(on_error="explode")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="on_error"):
            Supervisor().add(Probe(), on_error="explode")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="max_restarts"):
            Supervisor(max_restarts=-1)
        with pytest.raises(ValueError, match="restart_period"):
            Supervisor(restart_period=math.nan)

    def test_what_is_no_daemon_is_refused_by_name(self) -> None:
        """An uncalled factory gets a message of its own."""

        @daemon
        async def worker(ctx: Context) -> None: ...

        sup = Supervisor()
        with pytest.raises(TypeError, match=r"@daemon factory") as caught:
            sup.add(worker)  # type: ignore[arg-type]
        assert "worker" in str(caught.value)
        with pytest.raises(TypeError, match=r"expected a Daemon.*int"):
            sup.add(3)  # type: ignore[arg-type]

    def test_names_come_from_three_places_and_are_unique(self) -> None:
        """Explicit name, else the daemon's, else its class's; once only."""
        sup = Supervisor()
        sup.add(Probe("a"))
        sup.add(Probe("a"), name="b")
        sup.add(Probe(""))
        assert list(sup.snapshot()) == ["a", "b", "Probe"]
        with pytest.raises(ValueError, match=r"duplicate daemon name.*a"):
            sup.add(Probe("a"))
        health = sup.snapshot()["a"]
        assert (health.state, health.started_at, health.uptime) == (
            "starting",
            None,
            None,
        )

    @pytest.mark.parametrize("option", ["watchdog", "start_timeout"])
    def test_limits_that_are_no_times_are_refused(self, option: str) -> None:
        """Negative and NaN limits raise ValueError and register nothing."""
        sup = Supervisor()
        for value in (-1.0, math.nan):
            with pytest.raises(ValueError, match=option):
                if option == "watchdog":
                    sup.add(Probe(), watchdog=value)
                else:
                    sup.add(Probe(), start_timeout=value)
        assert sup.snapshot() == {}


class TestLifecycle:
    """Every row of the table."""

    async def test_a_clean_life(self) -> None:
        """All hooks once, state stopped, started_at kept, uptime gone."""
        probe = Probe()
        health, raised = await run_one(probe)
        assert probe.calls == ["on_start", "run", "on_stop"]
        assert raised == []
        assert health == DaemonHealth("probe", "stopped", 0, None, None, 0.0, None)

    @pytest.mark.parametrize("fault", ["cancel", "swallow"])
    @pytest.mark.parametrize("on_error", ["shutdown", "restart", "ignore"])
    async def test_cancelling_oneself_in_run_is_a_clean_end(
        self, fault: str, on_error: OnError
    ) -> None:
        """on_stop runs outside the scope and may await; siblings are unaffected."""
        probe = Probe(run=fault, on_stop="sleep")
        health, raised = await run_one(probe, on_error)
        assert probe.calls == ["on_start", "run", "on_stop"]
        assert (health.state, health.last_error, raised) == ("stopped", None, [])

    async def test_cancelling_oneself_in_on_start_skips_the_rest(self) -> None:
        """Neither run nor on_stop is called."""
        probe = Probe(on_start="cancel")
        health, raised = await run_one(probe)
        assert probe.calls == ["on_start"]
        assert (health.state, health.started_at, raised) == ("stopped", None, [])

    @pytest.mark.parametrize(
        ("on_error", "state"), [("shutdown", "failed"), ("ignore", "stopped")]
    )
    @pytest.mark.parametrize("phase", ["on_start", "run", "on_stop"])
    async def test_an_exception_in_a_hook(
        self, phase: str, on_error: OnError, state: str
    ) -> None:
        """on_stop is owed iff on_start succeeded, and is called once at most."""
        error = ValueError("boom")
        probe = Probe(**{phase: error})
        health, raised = await run_one(probe, on_error)
        assert (
            probe.calls
            == {
                "on_start": ["on_start"],
                "run": ["on_start", "run", "on_stop"],
                "on_stop": ["on_start", "run", "on_stop"],
            }[phase]
        )
        assert (health.state, health.last_error) == (state, error)
        assert health.last_error_phase == phase
        if on_error == "ignore":
            assert raised == []
        else:
            assert len(raised) == 1
            assert isinstance(raised[0], DaemonError)
            assert raised[0].__cause__ is error
            assert str(raised[0]) == "daemon 'probe' failed: boom"

    async def test_on_stop_failing_is_not_retried_under_restart(self) -> None:
        """It is raised as under shutdown."""
        probe = Probe(on_stop=ValueError("boom"))
        health, raised = await run_one(probe, "restart")
        assert probe.calls == ["on_start", "run", "on_stop"]
        assert (health.state, health.restart_count) == ("failed", 0)
        assert isinstance(raised[0], DaemonError)

    @pytest.mark.parametrize(
        ("faults", "calls"),
        [
            ({"run": "wait"}, ["on_start", "run", "on_stop"]),
            ({"on_start": "wait"}, ["on_start"]),
            ({"on_stop": "wait"}, ["on_start", "run", "on_stop"]),
        ],
    )
    async def test_cancellation_from_outside(
        self, faults: dict[str, object], calls: list[str]
    ) -> None:
        """State stopped, no error, on_stop once iff on_start had finished."""
        probe = Probe(**faults)
        sup = Supervisor(clock=SimClock())
        sup.add(probe)
        async with sup:
            await settle()
            await sup.stop(grace=0)
        health = sup.snapshot()["probe"]
        assert probe.calls == calls
        assert (health.state, health.last_error) == ("stopped", None)

    async def test_a_failing_sibling_cancels_the_others(self) -> None:
        """The others end as cancelled, after their on_stop."""
        probe, bad = Probe(run="wait"), Probe("bad", run=[ValueError("boom")])
        sup = Supervisor(clock=SimClock())
        sup.add(probe)
        sup.add(bad)
        with pytest.raises(ExceptionGroup) as caught:
            async with sup:
                pass
        assert [str(e) for e in failures(caught.value)] == ["daemon 'bad' failed: boom"]
        assert probe.calls == ["on_start", "run", "on_stop"]
        assert sup.snapshot()["probe"].state == "stopped"

    @pytest.mark.parametrize("on_error", ["shutdown", "restart", "ignore"])
    @pytest.mark.parametrize("phase", ["on_start", "run", "on_stop"])
    async def test_what_is_no_exception_passes_through(
        self, on_error: OnError, phase: str
    ) -> None:
        """A BaseException is raised unwrapped under every policy; on_stop is owed."""

        class Drastic(BaseException):
            pass

        error = Drastic()
        probe = Probe(**{phase: error})
        health, raised = await run_one(probe, on_error)
        assert raised == [error]
        assert (health.state, health.last_error) == ("failed", error)
        assert health.last_error_phase == phase
        assert probe.calls.count("on_stop") == (phase != "on_start")

    async def test_a_stubborn_on_stop_is_cancelled_after_the_budget(self) -> None:
        """The finalize timeout of the latest stop bounds a forced on_stop."""
        probe = Probe(run="wait", on_stop="wait")
        sup = Supervisor(clock=SimClock())
        sup.add(probe)
        async with sup:
            await settle()
            await sup.stop(grace=0, finalize_timeout=0.01)
        assert sup.snapshot()["probe"].state == "stopped"
        assert probe.calls == ["on_start", "run", "on_stop"]

    async def test_on_stop_raising_in_teardown_hides_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is logged before the error of run, and doesn't replace it."""
        error = ValueError("boom")
        probe = Probe(run=error, on_stop=RuntimeError("late"))
        with caplog.at_level(logging.INFO):
            health, _ = await run_one(probe, "ignore")
        assert health.last_error is error
        assert [r.message for r in caplog.records] == [
            "on_stop raised during teardown",
            "daemon raised",
        ]
        for record in caplog.records:
            assert record.name == "chrono_daemon.probe"
            assert record.levelno == logging.ERROR
            assert record.exc_info is not None
            assert vars(record)["sim_time"] == 0.0

    async def test_a_group_from_an_inner_task_group_is_an_ordinary_failure(
        self,
    ) -> None:
        """An ExceptionGroup raised in run goes by the policy like any Exception."""

        @daemon
        async def worker(ctx: Context) -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                raise ValueError("inner")

        health, raised = await run_one(worker(), "ignore")
        assert raised == []
        assert isinstance(health.last_error, ExceptionGroup)


class TestContext:
    """What hooks are given."""

    async def test_each_attempt_has_a_context_and_a_scope_of_its_own(self) -> None:
        """Restarts share the stop event, nothing else."""
        probe = Probe(run=[ValueError("1"), ValueError("2"), None])
        await run_one(probe, "restart")
        runs = probe.contexts[1::3]
        assert len(runs) == 3
        assert len({id(ctx) for ctx in runs}) == 3
        assert len({id(ctx.cancel_scope) for ctx in runs}) == 3
        assert len({id(ctx.stop_event) for ctx in runs}) == 1
        assert probe.contexts[0] is probe.contexts[1] is probe.contexts[2]

    async def test_sleep_ends_early_when_asked_to_stop(self) -> None:
        """ctx.sleep says which of the two it was."""
        clock = SimClock()
        seen: list[tuple[bool, float]] = []

        @daemon
        async def sleeper(ctx: Context) -> None:
            for _ in range(3):
                slept = await ctx.sleep(1)
                seen.append((slept, ctx.clock.now()))

        async with Supervisor(clock=clock) as sup:
            sup.add(sleeper())
            await clock.advance(1.5)
            sup.signal_stop()
            await settle()
            with pytest.raises(ValueError, match="NaN"):
                await Context(
                    clock,
                    anyio.CancelScope(),
                    logging.getLogger(),
                    "x",
                    sup,
                    anyio.Event(),
                ).sleep(math.nan)
        assert seen == [(True, 1.0), (False, 1.5), (False, 1.5)]


class TestAdding:
    """add and spawn, at every time."""

    async def test_adding_inside_the_block_runs_at_the_next_yield(self) -> None:
        """Scheduled at once, not run at once."""
        probe = Probe()
        async with Supervisor(clock=SimClock()) as sup:
            sup.add(probe)
            assert probe.calls == []
            assert sup.snapshot()["probe"].state == "starting"
            await settle()
            assert probe.calls == ["on_start", "run", "on_stop"]

    async def test_adding_after_signal_stop_still_launches(self) -> None:
        """The late daemon sees the event already set."""
        probe = Probe(run="stop")
        async with Supervisor(clock=SimClock()) as sup:
            sup.signal_stop()
            sup.add(probe)
        assert probe.calls == ["on_start", "run", "on_stop"]

    async def test_adding_after_the_body_ended_launches_too(self) -> None:
        """A daemon may add another while exit waits."""
        probe = Probe()

        @daemon
        async def boss(ctx: Context) -> None:
            await ctx.clock.sleep(1)
            ctx.supervisor.add(probe)

        clock = SimClock()
        async with anyio.create_task_group() as group:

            async def block() -> None:
                async with Supervisor(clock=clock) as sup:
                    sup.add(boss())

            group.start_soon(block)
            await clock.advance(1)
        assert probe.calls == ["on_start", "run", "on_stop"]

    async def test_adding_during_a_forced_stop_is_refused(self) -> None:
        """A daemon that could never run raises SupervisorStopped."""
        async with Supervisor(clock=SimClock()) as sup:
            sup.add(Probe(run="wait"))
            await settle()
            await sup.stop(grace=0)
            with pytest.raises(SupervisorStopped):
                sup.add(Probe("late"))
        assert list(sup.snapshot()) == ["probe"]

    async def test_adding_when_the_group_takes_no_more_is_refused(self) -> None:
        """Nothing is registered then, and stopping doesn't wait for it."""
        sup = Supervisor(clock=SimClock())
        async with sup:
            home = sup._home
        assert home is not None
        sup._home = home
        with pytest.raises(SupervisorStopped):
            sup.add(Probe())
        assert sup.snapshot() == {}
        await sup.stop(grace=60)

    async def test_leaving_what_was_not_entered_is_refused(self) -> None:
        """By name."""
        with pytest.raises(RuntimeError, match="not entered"):
            await Supervisor().__aexit__(None, None, None)

    async def test_daemons_start_in_order_of_registration(self) -> None:
        """Queued or added inside, on both backends."""
        order: list[int] = []

        async def worker(ctx: Context, n: int) -> None:
            order.append(n)
            await ctx.clock.sleep(1)
            order.append(n)

        clock = SimClock()
        sup = Supervisor(clock=clock)
        for n in range(20):
            sup.spawn(worker, n, name=f"w{n}")
        async with sup:
            for n in range(20, 40):
                sup.spawn(worker, n=n, name=f"w{n}")
            await clock.advance(1)
        assert order == [*range(40), *range(40)]

    async def test_spawn_takes_its_name_from_the_function(self) -> None:
        """Or from name=."""

        async def worker(ctx: Context) -> None: ...

        sup = Supervisor()
        sup.spawn(worker)
        sup.spawn(worker, name="other")
        assert list(sup.snapshot()) == ["worker", "other"]

    async def test_a_finished_supervisor_can_be_entered_again(self) -> None:
        """Fresh stop event, old names reserved, old records kept, no second run."""
        sup = Supervisor(clock=SimClock())
        first, second = Probe("first"), Probe("second", run="stop")
        sup.add(first)
        async with sup:
            with pytest.raises(RuntimeError, match="running already"):
                await sup.__aenter__()
            sup.signal_stop()
            old = sup.stop_event
        with pytest.raises(ValueError, match="duplicate"):
            sup.add(Probe("first"))
        sup.add(second)
        await sup.wait_all_started()
        assert sup.snapshot()["second"].state == "starting"
        async with sup:
            assert sup.stop_event is not old
            await settle()
            assert sup.snapshot()["second"].state == "running"
            sup.signal_stop()
        assert first.calls == ["on_start", "run", "on_stop"]
        assert [h.state for h in sup.snapshot().values()] == ["stopped", "stopped"]
