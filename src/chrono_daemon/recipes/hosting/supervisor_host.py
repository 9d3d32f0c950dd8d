"""A supervisor that is started and stopped by calls instead of a block."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio

from chrono_daemon._parking import start_in_order, yield_now
from chrono_daemon.context import unless_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from chrono_daemon.supervisor import DaemonHealth, Supervisor

__all__ = ["SupervisorHost"]


class _Stay:
    """One time between a start and the end of the block."""

    def __init__(self) -> None:
        self.decided = anyio.Event()
        self.stop_requested = anyio.Event()
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope()
        self.started = False
        self.startup_error: Exception | None = None
        self.stopping_error: Exception | None = None
        self.complaint: RuntimeError | None = None


@dataclass
class SupervisorHost:
    """Runs a supervisor as a task of somebody else's task group.

    A daemon that fails after a successful start comes out of that task group. Whatever
    ends the stay, `on_stopping` is called first, before any daemon is told to stop.
    """

    supervisor: Supervisor
    """The supervisor; its daemons are added before `start`, or later."""
    on_stopping: Callable[[], object] | None = None
    """Called, and awaited if it is awaitable, at the beginning of every teardown. What
    it raises is raised on after the supervisor was stopped."""
    default_grace: float = 0.0
    """Wall seconds for the daemons to finish by themselves."""
    default_finalize_timeout: float = 2.0
    """Wall seconds for each `on_stop` of a cancelled daemon."""
    _stay: _Stay | None = field(default=None, init=False, repr=False, compare=False)

    async def start(self, task_group: TaskGroup) -> None:
        """Enter the supervisor in a task of `task_group`; return when all have started.

        When the start fails, the supervisor has been torn down, and the host may be
        started again; the error comes out here and not out of the task group too.

        Raises:
            RuntimeError: the host is started already, or daemons ended as failed.
            ExceptionGroup: what came out of the supervisor.
        """
        if self._stay is not None:
            raise RuntimeError("this host is started already")
        stay = self._stay = _Stay()
        start_in_order(task_group, self._host, stay, name="supervisor host")
        try:
            await stay.decided.wait()
        except BaseException:
            stay.scope.cancel()
            raise
        if stay.startup_error is not None:
            raise stay.startup_error
        if not stay.started:
            raise RuntimeError("the host was torn down while it was starting")

    async def stop(
        self, *, grace: float | None = None, finalize_timeout: float | None = None
    ) -> None:
        """Tear everything down and wait for the end of it. No-op when not started.

        A start that is under way ends too, with a RuntimeError of its own.

        Args:
            grace: replaces `default_grace`, for good.
            finalize_timeout: replaces `default_finalize_timeout`, for good.

        Raises:
            Exception: what `on_stopping` raised, after all was torn down.
        """
        if grace is not None:
            self.default_grace = grace
        if finalize_timeout is not None:
            self.default_finalize_timeout = finalize_timeout
        stay = self._stay
        if stay is None:
            return
        stay.stop_requested.set()
        await stay.ended.wait()
        if stay.stopping_error is not None:
            raise stay.stopping_error

    def snapshot(self) -> dict[str, DaemonHealth]:
        """Return every daemon's health; see `Supervisor.snapshot`."""
        return self.supervisor.snapshot()

    async def _host(self, stay: _Stay) -> None:
        try:
            with stay.scope:
                await self._enter(stay)
        except Exception as error:
            if stay.started:
                raise
            stay.startup_error = _without(error, stay.complaint)
        finally:
            self._stay = None
            stay.ended.set()
            stay.decided.set()

    async def _enter(self, stay: _Stay) -> None:
        failed_before = self._failed()
        async with self.supervisor:
            try:
                if not await unless_set(
                    stay.stop_requested, self.supervisor.wait_all_started
                ):
                    return
                await yield_now()
                failed = self._failed() - failed_before
                if failed:
                    names = ", ".join(sorted(failed))
                    stay.complaint = RuntimeError(f"daemons failed to start: {names}")
                    raise stay.complaint
                stay.started = True
                stay.decided.set()
                await stay.stop_requested.wait()
            finally:
                await self._tear_down(stay)

    async def _tear_down(self, stay: _Stay) -> None:
        # Shielded: the teardown is due also when the host is being cancelled, and the
        # supervisor's own stop may cancel the block that this runs in.
        with anyio.CancelScope(shield=True):
            try:
                if self.on_stopping is not None:
                    outcome = self.on_stopping()
                    if isawaitable(outcome):
                        await outcome
            except Exception as error:
                if not stay.stop_requested.is_set():
                    raise
                stay.stopping_error = error
            finally:
                await self.supervisor.stop(
                    grace=self.default_grace,
                    finalize_timeout=self.default_finalize_timeout,
                )

    def _failed(self) -> set[str]:
        return {
            name
            for name, health in self.supervisor.snapshot().items()
            if health.state == "failed"
        }


def _without(error: Exception, complaint: RuntimeError | None) -> Exception:
    """Leave our own complaint out where the reasons themselves came out too."""
    if complaint is None or not isinstance(error, ExceptionGroup):
        return error
    rest = error.split(lambda leaf: leaf is complaint)[1]
    return complaint if rest is None else rest
