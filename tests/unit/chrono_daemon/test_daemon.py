"""A daemon is a class with hooks or a decorated function."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

import pytest

import chrono_daemon
from chrono_daemon import Context, Daemon, SimClock, Supervisor, daemon

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def plain(ctx: Context, a: int, *, b: int = 2) -> None:
    """Do something plain."""
    _SEEN.append((ctx.name, a, b))


_SEEN: list[tuple[str, int, int]] = []


def test_the_function_wins_over_the_submodule() -> None:
    """`chrono_daemon.daemon` is the decorator although a module has that name."""
    module = importlib.import_module("chrono_daemon.daemon")
    assert inspect.isfunction(chrono_daemon.daemon)
    assert chrono_daemon.daemon is module.daemon


def test_a_daemon_without_run_is_abstract() -> None:
    """`run` must be written; the other hooks have defaults, `name` is empty."""
    with pytest.raises(TypeError):
        Daemon()  # type: ignore[abstract]
    assert Daemon.name == ""

    class Minimal(Daemon):
        def __init__(self) -> None:
            pass

        async def run(self, ctx: Context) -> None: ...

    assert Minimal().name == ""


@pytest.mark.parametrize(
    ("decorate", "name"),
    [
        (daemon, "plain"),
        (daemon(), "plain"),
        (daemon(name="other"), "other"),
        (daemon(name=""), "plain"),
        (daemon(name=None), "plain"),
    ],
)
async def test_the_decorator_makes_a_factory(
    decorate: Callable[..., Callable[..., Daemon]], name: str
) -> None:
    """Bare or with a name; it keeps the function's metadata and arguments."""
    factory = decorate(plain)
    assert factory.__name__ == "plain"
    assert factory.__doc__ == "Do something plain."
    assert inspect.unwrap(factory) is plain
    one, two = factory(1), factory(7, b=8)
    assert isinstance(one, Daemon)
    assert one is not two
    assert one.name == two.name == name
    _SEEN.clear()
    async with Supervisor(clock=SimClock()) as sup:
        sup.add(one)
        sup.add(two, name="two")
    assert sorted(_SEEN) == sorted([(name, 1, 2), ("two", 7, 8)])


async def test_a_deadline_is_declared_with_the_function() -> None:
    """`heartbeat_deadline` goes to the daemons that the factory makes."""

    @daemon(heartbeat_deadline=3)
    async def worker(ctx: Context) -> None:
        await ctx.clock.sleep(100)

    clock = SimClock()
    async with Supervisor(clock=clock, on_error="ignore") as sup:
        sup.add(worker())
        await clock.advance(3)
        assert sup.snapshot()["worker"].missed_heartbeats == 1


async def test_one_instance_runs_repeatedly() -> None:
    """A restart calls the function again, with the same arguments."""
    seen: list[int] = []

    @daemon
    async def flaky(ctx: Context, n: int) -> None:
        seen.append(n)
        if len(seen) < 3:
            raise ValueError

    clock = SimClock()
    async with Supervisor(clock=clock, on_error="restart") as sup:
        sup.add(flaky(5))
        await clock.advance(10)
    assert seen == [5, 5, 5]
