"""A daemon that misbehaves where it is told to, for tests of the supervisor."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from chrono_daemon import (
    Context,
    Daemon,
    DaemonHealth,
    OnError,
    RestartPolicy,
    SimClock,
    Supervisor,
)


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
