"""The supervisor restarts what fails, and ends what has fallen silent."""

from __future__ import annotations

import math
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import (
    Context,
    Daemon,
    DaemonError,
    RestartPolicy,
    SimClock,
    Supervisor,
    daemon,
)
from chrono_daemon.clock import settle
from unit.chrono_daemon.probe import Probe, failures, run_one

pytestmark = pytest.mark.anyio


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

    @pytest.mark.parametrize(("tolerated", "tries"), [(0, 1), (1, 3)])
    async def test_a_period_of_no_time_forgets_at_once(
        self, tolerated: int, tries: int
    ) -> None:
        """Each restart then stands alone: one more than none is too many."""
        clock = SimClock()
        sup = Supervisor(
            clock=clock,
            on_error="restart",
            restart=RestartPolicy(1, 1),
            max_restarts=tolerated,
            restart_period=0,
        )
        probe = Probe(run=[ValueError(), ValueError(), None])
        sup.add(probe)
        raised: list[BaseException] = []
        try:
            async with sup:
                await clock.advance(60)
        except BaseExceptionGroup as group:
            raised = failures(group)
        assert probe.calls.count("run") == tries
        assert [type(error) for error in raised] == [DaemonError] * (tolerated == 0)

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

    async def test_what_goes_wrong_on_the_way_out_is_told_too(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The silence is the failure; what its end raised is the context of it."""

        @daemon
        async def mute(ctx: Context) -> None:
            try:
                await ctx.clock.sleep(100)
            finally:
                raise KeyError("half done")

        clock = SimClock()
        async with Supervisor(clock=clock, on_error="ignore") as sup:
            sup.add(mute(), watchdog=4)
            await clock.advance(5)
            error = sup.snapshot()["mute"].last_error
        assert type(error).__name__ == "HeartbeatMissed"
        assert error is not None
        assert isinstance(error.__context__, KeyError)
        assert "half done" in caplog.text

    async def test_a_heartbeat_of_nobody_is_refused(self) -> None:
        """The name must be registered."""
        with pytest.raises(ValueError, match="nobody"):
            Supervisor().heartbeat("nobody")
