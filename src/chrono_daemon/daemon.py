"""What can be supervised: a class with three hooks, or a decorated function.

It decides how a daemon is written; when the hooks run is the supervisor's business.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, overload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrono_daemon.context import Context

__all__ = ["Daemon", "FunctionDaemon", "daemon", "is_factory"]

P = ParamSpec("P")

_MARK: Final = "__chrono_daemon_factory__"


class Daemon(ABC):
    """Something that runs for a long time under a `Supervisor`.

    Subclasses need not call `super().__init__()`.
    """

    name: str = ""
    """The name to run under; the class name when empty."""

    heartbeat_deadline: float | None = None
    """Seconds on the supervisor's clock that `run` may go without `ctx.heartbeat()`.

    Missing it is a failure of the daemon, treated as its policy says. None: no deadline.
    """

    async def on_start(self, ctx: Context) -> None:  # noqa: B027  (a hook, may stay empty)
        """Prepare; the daemon counts as started when this returns."""

    @abstractmethod
    async def run(self, ctx: Context) -> None:
        """Do the work; returning ends the daemon."""

    async def on_stop(self, ctx: Context) -> None:  # noqa: B027  (a hook, may stay empty)
        """Clean up; called once for every attempt whose `on_start` succeeded."""


class FunctionDaemon(Daemon):
    """A daemon whose `run` awaits a function."""

    def __init__(
        self,
        run: Callable[[Context], Awaitable[object]],
        name: str,
        heartbeat_deadline: float | None = None,
    ) -> None:
        self._run = run
        self.name = name
        self.heartbeat_deadline = heartbeat_deadline

    async def run(self, ctx: Context) -> None:
        """Await the function; a restart calls it again."""
        await self._run(ctx)


@overload
def daemon(
    fn: Callable[Concatenate[Context, P], Awaitable[object]], /
) -> Callable[P, Daemon]: ...


@overload
def daemon(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    heartbeat_deadline: float | None = None,
) -> Callable[
    [Callable[Concatenate[Context, P], Awaitable[object]]], Callable[P, Daemon]
]: ...


def daemon(
    fn: Callable[Concatenate[Context, P], Awaitable[object]] | None = None,
    /,
    *,
    name: str | None = None,
    heartbeat_deadline: float | None = None,
) -> (
    Callable[P, Daemon]
    | Callable[
        [Callable[Concatenate[Context, P], Awaitable[object]]], Callable[P, Daemon]
    ]
):
    """Turn `async def fn(ctx, ...)` into a factory of daemons.

    Calling the factory with everything but `ctx` gives a new `Daemon`. Usable bare or
    with keywords.

    Args:
        fn: the function, when used bare.
        name: what the daemons are called; `fn.__name__` when empty or None.
        heartbeat_deadline: see `Daemon.heartbeat_deadline`.
    """

    def decorate(
        function: Callable[Concatenate[Context, P], Awaitable[object]],
    ) -> Callable[P, Daemon]:
        called: str = getattr(function, "__name__", type(function).__name__)

        @functools.wraps(function)
        def factory(*args: P.args, **kwargs: P.kwargs) -> Daemon:
            def run(ctx: Context) -> Awaitable[object]:
                return function(ctx, *args, **kwargs)

            return FunctionDaemon(run, name or called, heartbeat_deadline)

        setattr(factory, _MARK, True)
        return factory

    return decorate if fn is None else decorate(fn)


def is_factory(thing: object) -> bool:
    """Say whether `thing` is what `@daemon` makes: a factory, not yet a daemon."""
    return getattr(thing, _MARK, False) is True
