"""The supervisor starts, restarts, stops and reports as its contract says."""

from __future__ import annotations

import logging
import math
from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import (
    Context,
    Daemon,
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

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Probe(Daemon):
    """A daemon that records its hooks and misbehaves where it is told to."""

    def __init__(self, called: str = "probe", /, **faults: object) -> None:
        self.name = called
        self.faults = faults
        self.calls: list[str] = []
        self.contexts: list[Context] = []

    async def _hook(self, hook: str, ctx: Context) -> None:
        self.calls.append(hook)
        self.contexts.append(ctx)
        fault = self.faults.get(hook)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        if isinstance(fault, BaseException):
            raise fault
        if fault == "wait":
            await anyio.sleep_forever()
        elif fault == "stop":
            await ctx.stop_event.wait()
        elif fault == "sleep":
            await ctx.clock.sleep(1)
        elif fault == "cancel":
            ctx.cancel_scope.cancel()
            await anyio.sleep_forever()
        elif fault == "swallow":
            ctx.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()

    async def on_start(self, ctx: Context) -> None:
        """Record, misbehave."""
        await self._hook("on_start", ctx)

    async def run(self, ctx: Context) -> None:
        """Record, misbehave."""
        await self._hook("run", ctx)

    async def on_stop(self, ctx: Context) -> None:
        """Record, misbehave."""
        await self._hook("on_stop", ctx)


def failures(raised: BaseException) -> list[BaseException]:
    """Return the leaves of an exception group."""
    if isinstance(raised, BaseExceptionGroup):
        return [leaf for error in raised.exceptions for leaf in failures(error)]
    return [raised]


async def run_one(
    probe: Daemon, on_error: OnError = "shutdown", **options: object
) -> tuple[DaemonHealth, list[BaseException]]:
    """Run one daemon to its end; return its health and what came out of the block."""
    clock = SimClock()
    restart = options.get("restart")
    sup = Supervisor(
        clock=clock,
        on_error=on_error,
        restart=restart if isinstance(restart, RestartPolicy) else None,
    )
    sup.add(probe)
    raised: list[BaseException] = []
    try:
        async with sup:
            await clock.advance(60)
    except BaseExceptionGroup as group:
        raised = failures(group)
    return next(iter(sup.snapshot().values())), raised


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


class TestRestart:
    """The restart policy."""

    async def test_delays_grow_to_the_cap_on_the_clock(self) -> None:
        """.1 .2 .4 ... up to 5, on virtual time; count and error survive the end."""
        starts: list[float] = []

        class Flaky(Daemon):
            async def run(self, ctx: Context) -> None:
                starts.append(round(ctx.clock.now(), 9))
                if len(starts) < 9:
                    raise ValueError(len(starts))

        health, raised = await run_one(Flaky(), "restart")
        gaps = [round(b - a, 9) for a, b in pairwise(starts)]
        assert gaps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
        assert (health.state, health.restart_count, raised) == ("stopped", 8, [])
        assert str(health.last_error) == "8"
        assert health.last_error_phase == "run"

    @pytest.mark.parametrize("retries", [0, 2])
    @pytest.mark.parametrize("phase", ["on_start", "run"])
    async def test_retries_run_out(
        self, retries: int, phase: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """max_retries=2 makes three attempts, a count of three, and a DaemonError."""
        errors: list[object] = [ValueError(str(n)) for n in range(10)]
        last = errors[retries]
        probe = Probe(**{phase: errors})
        health, raised = await run_one(
            probe, "restart", restart=RestartPolicy(max_retries=retries)
        )
        assert probe.calls.count("on_start") == retries + 1
        assert (health.state, health.restart_count) == ("failed", retries + 1)
        assert isinstance(raised[0], DaemonError)
        assert "max_retries" in str(raised[0])
        assert raised[0].__cause__ is last
        assert "max_retries" in caplog.records[-1].message
        assert caplog.records[-1].exc_info is None

    async def test_the_first_delay_is_not_capped(self) -> None:
        """Base above cap is used once as it is."""
        probe = Probe(run=[ValueError(), ValueError(), None])
        health, _ = await run_one(probe, "restart", restart=RestartPolicy(10, 2, 1))
        assert health.started_at == 11

    async def test_no_retry_once_stop_is_signalled(self) -> None:
        """A failure after the signal ends the daemon without an error."""

        class Sore(Daemon):
            async def run(self, ctx: Context) -> None:
                await ctx.stop_event.wait()
                raise ValueError("sore")

        sup = Supervisor(clock=SimClock(), on_error="restart")
        sup.add(Sore())
        async with sup:
            await settle()
            await sup.stop(grace=5)
        health = sup.snapshot()["Sore"]
        assert (health.state, health.restart_count) == ("stopped", 0)
        assert str(health.last_error) == "sore"

    async def test_a_signal_during_backoff_ends_it(self) -> None:
        """No further attempt is made, although the clock never moves again."""
        probe = Probe(run=[ValueError("x")])
        sup = Supervisor(clock=SimClock(), on_error="restart")
        sup.add(probe)
        async with sup:
            await settle()
            assert sup.snapshot()["probe"].state == "restarting"
            sup.signal_stop()
        health = sup.snapshot()["probe"]
        assert (health.state, probe.calls.count("run")) == ("stopped", 1)
        assert str(health.last_error) == "x"

    async def test_cancellation_during_backoff(self) -> None:
        """State stopped, the latest failure kept, no second on_stop."""
        probe = Probe(run=[ValueError("x")])
        sup = Supervisor(clock=SimClock(), on_error="restart")
        sup.add(probe)
        with anyio.CancelScope() as scope:
            async with sup:
                await settle()
                scope.cancel()
        health = sup.snapshot()["probe"]
        assert (health.state, probe.calls.count("on_stop")) == ("stopped", 1)
        assert str(health.last_error) == "x"

    async def test_a_healthy_period_forgives_when_asked_to(self) -> None:
        """reset_after starts delay and retries afresh; the count is kept."""
        starts: list[float] = []

        class Daily(Daemon):
            async def run(self, ctx: Context) -> None:
                starts.append(ctx.clock.now())
                await ctx.clock.sleep(10)
                if len(starts) < 4:
                    raise ValueError("again")

        health, raised = await run_one(
            Daily(),
            "restart",
            restart=RestartPolicy(1, 2, 5, max_retries=1, reset_after=10),
        )
        assert starts == [0, 11, 22, 33]
        assert (health.state, health.restart_count, raised) == ("stopped", 3, [])

    async def test_too_many_restarts_in_a_period_escalate(self) -> None:
        """The supervisor-wide limit counts all daemons and forgets old restarts."""
        clock = SimClock()
        sup = Supervisor(
            clock=clock,
            on_error="restart",
            restart=RestartPolicy(1, 1),
            max_restarts=4,
            restart_period=10,
        )
        for name in "ab":
            sup.add(Probe(name, run=[ValueError(name)] * 9))
        with pytest.raises(ExceptionGroup) as caught:
            async with sup:
                await clock.advance(60)
        assert "max_restarts" in str(failures(caught.value)[0])
        assert clock.now() == 60 or sup.snapshot()["a"].restart_count == 3
        assert sorted(h.restart_count for h in sup.snapshot().values()) == [2, 3]

    async def test_escalation_is_a_failure_of_the_daemon_around(self) -> None:
        """A nested supervisor that gives up is restarted by the outer one."""
        clock = SimClock()
        generations: list[float] = []

        @daemon
        async def parent(ctx: Context) -> None:
            generations.append(ctx.clock.now())
            async with Supervisor(
                clock=clock,
                on_error="restart",
                restart=RestartPolicy(1, 1),
                max_restarts=1,
            ) as inner:
                if len(generations) < 3:
                    inner.add(Probe(run=[ValueError()] * 9))

        async with Supervisor(
            clock=clock, on_error="restart", restart=RestartPolicy(10, 1, 10)
        ) as outer:
            outer.add(parent())
            await clock.advance(60)
        assert generations == [0, 11, 22]
        assert outer.snapshot()["parent"].restart_count == 2


class TestWatchdog:
    """Heartbeat deadlines and start time-outs."""

    async def test_a_silent_daemon_is_failed_at_its_deadline(self) -> None:
        """Missing the deadline is a failure in run, on the clock, after on_stop."""
        clock = SimClock()
        seen: list[float] = []

        class Mute(Probe):
            heartbeat_deadline = 5.0

            async def run(self, ctx: Context) -> None:
                for _ in range(3):
                    await ctx.clock.sleep(2)
                    ctx.heartbeat()
                    seen.append(ctx.clock.now())
                await super().run(ctx)

        probe = Mute(run="wait")
        sup = Supervisor(clock=clock, on_error="ignore")
        sup.add(probe)
        async with sup:
            await clock.advance(10.5)
            health = sup.snapshot()["probe"]
            assert (health.state, health.last_heartbeat) == ("running", 6)
            assert health.heartbeat_deadline == 5
            await clock.advance(1)
            health = sup.snapshot()["probe"]
        assert (health.state, health.missed_heartbeats) == ("stopped", 1)
        assert type(health.last_error).__name__ == "HeartbeatMissed"
        assert health.last_error_phase == "run"
        assert probe.calls == ["on_start", "run", "on_stop"]
        assert seen == [2, 4, 6]

    async def test_the_policy_decides_what_a_missed_heartbeat_does(self) -> None:
        """Restart retries on the clock; shutdown raises DaemonError."""
        clock = SimClock()
        probe = Probe(run="wait")
        async with Supervisor(
            clock=clock, on_error="restart", restart=RestartPolicy(1, 1)
        ) as sup:
            sup.add(probe, watchdog=4)
            await clock.advance(13.5)
            health = sup.snapshot()["probe"]
            assert (health.restart_count, health.missed_heartbeats) == (2, 2)
            await sup.stop(grace=0)
        other = Probe(run="wait")
        with pytest.raises(ExceptionGroup) as caught:
            async with Supervisor(clock=clock) as sup:
                sup.add(other, watchdog=4)
                await clock.advance(5)
        assert type(failures(caught.value)[0].__cause__).__name__ == "HeartbeatMissed"

    async def test_an_infinite_watchdog_lifts_the_declared_deadline(self) -> None:
        """add(watchdog=inf) wins over the class."""

        class Mute(Probe):
            heartbeat_deadline = 1.0

        clock = SimClock()
        async with Supervisor(clock=clock) as sup:
            sup.add(Mute(run="wait"), watchdog=math.inf)
            await clock.advance(10)
            assert sup.snapshot()["probe"].state == "running"
            await sup.stop(grace=0)

    async def test_a_slow_start_is_failed_without_on_stop(self) -> None:
        """start_timeout is a failure in on_start."""
        clock = SimClock()
        probe = Probe(on_start="wait")
        async with Supervisor(clock=clock, on_error="ignore") as sup:
            sup.add(probe, start_timeout=3)
            await clock.advance(3)
            health = sup.snapshot()["probe"]
        assert type(health.last_error).__name__ == "StartTimeout"
        assert (health.last_error_phase, probe.calls) == ("on_start", ["on_start"])

    async def test_a_heartbeat_of_nobody_is_refused(self) -> None:
        """The name must be registered."""
        with pytest.raises(ValueError, match="nobody"):
            Supervisor().heartbeat("nobody")


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
