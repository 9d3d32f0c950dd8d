"""A supervisor lives inside something else, and its failures don't get lost there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from chrono_daemon import (
    Context,
    Daemon,
    DaemonError,
    SimClock,
    Supervisor,
    daemon,
)
from chrono_daemon.clock import settle
from chrono_daemon.recipes.hosting import SupervisorHost, host_async_dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Worker(Daemon):
    """Runs until told to stop, or fails on request; keeps a diary."""

    def __init__(self, diary: list[str], *, fail_in: str = "") -> None:
        self.diary = diary
        self.fail_in = fail_in
        self.fail = anyio.Event()

    async def on_start(self, ctx: Context) -> None:
        """Note, fail."""
        self.diary.append("on_start")
        if self.fail_in == "on_start":
            raise ValueError("on_start")

    async def run(self, ctx: Context) -> None:
        """Wait for the stop, or for the order to fail."""
        if self.fail_in == "run":
            await self.fail.wait()
            raise ValueError("run")
        await ctx.stop_event.wait()
        self.diary.append("saw stop")

    async def on_stop(self, ctx: Context) -> None:
        """Note."""
        self.diary.append("on_stop")


def host_of(worker: Daemon, diary: list[str]) -> SupervisorHost:
    """Return a host with one daemon and a noted teardown."""
    sup = Supervisor(clock=SimClock())
    sup.add(worker)
    return SupervisorHost(supervisor=sup, on_stopping=lambda: diary.append("stopping"))


async def _cancel_at_rest(scope: anyio.CancelScope) -> None:
    await settle()
    scope.cancel()


class TestSupervisorHost:
    """start and stop."""

    async def test_the_order_of_a_stay(self) -> None:
        """Teardown callback first, then the daemons, then stop returns; and again."""
        diary: list[str] = []
        host = host_of(Worker(diary), diary)
        await host.stop()
        async with anyio.create_task_group() as group:
            await host.start(group)
            assert diary == ["on_start"]
            assert host.snapshot()["Worker"].state == "running"
            with pytest.raises(RuntimeError, match="started already"):
                await host.start(group)
            await host.stop(grace=1, finalize_timeout=3)
            assert diary == ["on_start", "stopping", "saw stop", "on_stop"]
            assert (host.default_grace, host.default_finalize_timeout) == (1, 3)
            assert host.snapshot()["Worker"].state == "stopped"
            host.supervisor.add(Worker(diary), name="second")
            await host.start(group)
            assert host.snapshot()["second"].state == "running"
            await host.stop()

    async def test_a_failed_start_is_raised_by_start_alone(self) -> None:
        """Everything is torn down, the caller's group is unharmed, and try again."""
        diary: list[str] = []
        host = host_of(Worker(diary, fail_in="on_start"), diary)
        async with anyio.create_task_group() as group:
            with pytest.raises(ExceptionGroup) as caught:
                await host.start(group)
            assert caught.group_contains(DaemonError)
            assert diary == ["on_start", "stopping"]
            host.supervisor.add(Worker(diary), name="second")
            await host.start(group)
            await host.stop()
        assert diary[-1] == "on_stop"

    async def test_a_later_failure_comes_out_of_the_callers_group(self) -> None:
        """After the teardown callback has run."""
        diary: list[str] = []
        worker = Worker(diary, fail_in="run")
        host = host_of(worker, diary)
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                await host.start(group)
                worker.fail.set()
        assert caught.group_contains(DaemonError, depth=2)
        assert diary == ["on_start", "on_stop", "stopping"]

    async def test_cancelling_the_owner_tears_down_too(self) -> None:
        """on_stopping runs, awaited although all is being cancelled."""
        diary: list[str] = []

        async def stopping() -> None:
            await anyio.lowlevel.checkpoint()
            diary.append("awaited")

        host = host_of(Worker(diary), diary)
        host.on_stopping = stopping
        async with anyio.create_task_group() as group:
            await host.start(group)
            group.cancel_scope.cancel()
        assert "awaited" in diary
        assert diary[-1] in {"on_stop", "awaited"}
        assert host.snapshot()["Worker"].state == "stopped"

    async def test_an_error_in_on_stopping_comes_out_of_stop(self) -> None:
        """After the supervisor was stopped."""
        diary: list[str] = []
        host = host_of(Worker(diary), diary)

        def stopping() -> None:
            raise KeyError("sorry")

        host.on_stopping = stopping
        async with anyio.create_task_group() as group:
            await host.start(group)
            with pytest.raises(KeyError, match="sorry"):
                await host.stop(grace=1)
            assert diary[-1] == "on_stop"

    async def test_a_start_that_hangs_can_be_stopped(self) -> None:
        """`stop` tears down what has started, and `start` says so."""
        diary: list[str] = []

        class Slow(Worker):
            async def on_start(self, ctx: Context) -> None:
                await anyio.sleep_forever()

        host = host_of(Worker(diary), diary)
        host.supervisor.add(Slow(diary), name="slow")

        async def start() -> None:
            with pytest.raises(RuntimeError, match="torn down"):
                await host.start(group)
            diary.append("start raised")

        async with anyio.create_task_group() as group:
            group.start_soon(start)
            await settle()
            with anyio.CancelScope() as patience:
                group.start_soon(_cancel_at_rest, patience)
                await host.stop()
            assert not patience.cancelled_caught
        assert diary[:2] == ["on_start", "stopping"]
        assert sorted(diary[2:]) == ["on_stop", "saw stop", "start raised"]
        states = {h.state for h in host.snapshot().values()}
        assert states == {"stopped"}

    async def test_a_cancelled_start_leaves_nothing_running(self) -> None:
        """The half-started supervisor is torn down."""
        clock = SimClock()

        @daemon
        async def worker(ctx: Context) -> None:
            await anyio.sleep_forever()

        class Slow(Daemon):
            async def on_start(self, ctx: Context) -> None:
                await anyio.sleep_forever()

            async def run(self, ctx: Context) -> None: ...

        sup = Supervisor(clock=clock)
        sup.add(worker())
        sup.add(Slow())
        host = SupervisorHost(sup)
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as inner:
                    inner.start_soon(host.start, group)
                    await settle()
                    scope.cancel()
            await settle()
            assert {h.state for h in sup.snapshot().values()} == {"stopped"}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestSyncBridge:
    """host_async_dispatcher."""

    def test_the_body_runs_when_all_have_started(self, backend: str) -> None:
        """The portal reaches the loop; leaving stops all and joins the thread."""
        diary: list[str] = []
        threads = threading.active_count()

        async def setup(sup: Supervisor) -> str:
            sup.add(Worker(diary))
            return "dispatcher"

        with host_async_dispatcher(setup, backend=backend) as (portal, dispatcher):
            assert dispatcher == "dispatcher"
            assert diary == ["on_start"]
            assert portal.call(threading.get_ident) != threading.get_ident()
        assert diary[-1] == "on_stop"
        assert threading.active_count() == threads

    def test_a_setup_may_return_nothing(self, backend: str) -> None:
        """And add nobody."""

        async def setup(sup: Supervisor) -> None: ...

        with host_async_dispatcher(setup, backend=backend) as (_, dispatcher):
            assert dispatcher is None

    def test_failing_to_set_up_names_the_reason(self, backend: str) -> None:
        """The original error is the cause."""
        error = KeyError("setup")

        async def setup(sup: Supervisor) -> None:
            raise error

        with pytest.raises(RuntimeError, match="async setup failed") as caught:
            enter(lambda: host_async_dispatcher(setup, backend=backend))
        assert caught.value.__cause__ is error

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
    def test_leaving_while_setting_up_names_the_reason(
        self, backend: str, kind: type[BaseException]
    ) -> None:
        """It is no time-out: nobody waits for it."""

        async def setup(sup: Supervisor) -> None:
            raise kind("no configuration")

        with pytest.raises(RuntimeError, match="async setup failed") as caught:
            enter(lambda: host_async_dispatcher(setup, backend=backend))
        assert type(caught.value.__cause__) is kind

    def test_failing_to_start_names_the_reason(self, backend: str) -> None:
        """The cause is a group with the DaemonError."""

        async def setup(sup: Supervisor) -> None:
            sup.add(Worker([], fail_in="on_start"))

        with pytest.raises(RuntimeError, match="async setup failed") as caught:
            enter(lambda: host_async_dispatcher(setup, backend=backend))
        cause = caught.value.__cause__
        assert isinstance(cause, ExceptionGroup)
        assert isinstance(cause.exceptions[0], DaemonError)

    def test_taking_too_long_is_an_error(self, backend: str) -> None:
        """It mentions the timeout, and the thread ends."""
        threads = threading.active_count()

        async def setup(sup: Supervisor) -> None:
            await anyio.sleep_forever()

        with pytest.raises(RuntimeError, match="timeout"):
            enter(
                lambda: host_async_dispatcher(
                    setup, backend=backend, ready_timeout=0.01
                )
            )
        assert threading.active_count() == threads

    def test_a_failure_during_the_body_is_raised_when_it_is_left(
        self, backend: str
    ) -> None:
        """Nothing is swallowed, and an error of the body gets a note about it."""

        async def setup(sup: Supervisor) -> Worker:
            worker = Worker([], fail_in="run")
            sup.add(worker)
            return worker

        with (
            pytest.raises(ExceptionGroup) as caught,
            host_async_dispatcher(setup, backend=backend) as (portal, worker),
        ):
            portal.call(worker.fail.set)
        assert caught.group_contains(DaemonError)
        with (
            pytest.raises(KeyError) as other,
            host_async_dispatcher(setup, backend=backend) as (portal, worker),
        ):
            portal.call(worker.fail.set)
            raise KeyError("body")
        assert "DaemonError" in other.value.__notes__[0]

    def test_an_error_of_the_body_stops_everything(self, backend: str) -> None:
        """It comes out as it is."""
        diary: list[str] = []

        async def setup(sup: Supervisor) -> None:
            sup.add(Worker(diary))

        with (
            pytest.raises(KeyError, match="body"),
            host_async_dispatcher(setup, backend=backend),
        ):
            raise KeyError("body")
        assert diary[-1] == "on_stop"


def enter(make: Callable[[], object]) -> None:
    """Enter a context manager that is expected to fail."""
    with make():  # type: ignore[attr-defined]
        raise AssertionError("the body must not run")
