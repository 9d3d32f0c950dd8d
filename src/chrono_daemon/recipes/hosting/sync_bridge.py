"""Daemons for code that isn't async: an event loop in a thread, behind a `with`."""

from __future__ import annotations

import concurrent.futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
from anyio.from_thread import start_blocking_portal

from chrono_daemon.clock import WallClock
from chrono_daemon.recipes.hosting.supervisor_host import SupervisorHost
from chrono_daemon.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from anyio.from_thread import BlockingPortal

    from chrono_daemon.clock import Clock

__all__ = ["host_async_dispatcher"]

D = TypeVar("D")


@contextmanager
def host_async_dispatcher(
    setup: Callable[[Supervisor], Coroutine[object, object, D]],
    *,
    clock: Clock | None = None,
    backend: str = "asyncio",
    ready_timeout: float = 10.0,
) -> Iterator[tuple[BlockingPortal, D]]:
    """Run daemons in a background event loop for the time of a `with` block.

    The body runs when every `on_start` has returned. Leaving it, in whatever way,
    stops the daemons at once and joins the thread.

    Args:
        setup: adds daemons to the supervisor, in the loop; what it returns is yielded.
        clock: what the daemons live by; a `WallClock` by default.
        backend: "asyncio" or "trio".
        ready_timeout: wall seconds for `setup` and the start of all daemons.

    Yields:
        A portal for calls into the loop, and what `setup` returned.

    Raises:
        RuntimeError: "async setup failed", with the reason as its cause, or the
            time-out passed.
        ExceptionGroup: on leaving the body, when a daemon failed meanwhile.
    """
    stay = _Stay(setup, clock)
    with start_blocking_portal(backend) as portal:
        finished = portal.start_task_soon(stay.run)
        try:
            dispatcher = _await_ready(stay, ready_timeout)
        except BaseException:
            finished.cancel()
            raise
        try:
            yield portal, dispatcher
        except BaseException as error:
            portal.call(stay.leave)
            failure = finished.exception()
            if failure is not None:
                error.add_note(f"meanwhile daemons failed: {failure!r}")
            raise
        portal.call(stay.leave)
        finished.result()


class _Stay(Generic[D]):
    """What happens in the thread."""

    def __init__(
        self,
        setup: Callable[[Supervisor], Coroutine[object, object, D]],
        clock: Clock | None,
    ) -> None:
        self._setup = setup
        self._supervisor = Supervisor(clock=WallClock() if clock is None else clock)
        self._leaving: anyio.Event | None = None
        self.ready: concurrent.futures.Future[D] = concurrent.futures.Future()

    def leave(self) -> None:
        if self._leaving is not None:
            self._leaving.set()

    async def run(self) -> None:
        try:
            dispatcher = await self._setup(self._supervisor)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001  (raised in the other thread)
            self.ready.set_exception(error)
            return
        host = SupervisorHost(self._supervisor)
        async with anyio.create_task_group() as group:
            try:
                await host.start(group)
            except Exception as error:  # noqa: BLE001  (raised in the other thread)
                self.ready.set_exception(error)
                return
            leaving = self._leaving = anyio.Event()
            self.ready.set_result(dispatcher)
            await leaving.wait()
            await host.stop(grace=0)


def _await_ready(stay: _Stay[D], ready_timeout: float) -> D:
    try:
        return stay.ready.result(ready_timeout)
    except concurrent.futures.TimeoutError as error:
        if stay.ready.done():
            raise RuntimeError("async setup failed") from error
        raise RuntimeError(
            f"async setup was not ready within the timeout of {ready_timeout} s"
        ) from None
    except BaseException as error:
        if not stay.ready.done() or stay.ready.exception() is not error:
            raise  # Not from over there: this thread is being interrupted.
        raise RuntimeError("async setup failed") from error
