"""Runs daemons in virtual time, and writes down what they did.

It decides how a simulation is set up, driven and recorded; what is right or wrong about
the record is for the test to say. Our own tests use nothing else. Needs no test
framework; only `both_backends` imports pytest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeVar, cast

import anyio

from chrono_daemon._types import EndOfStream
from chrono_daemon.channel import Channel, ReceiveStream, SendStream, open_channel
from chrono_daemon.clock import SimClock, settle
from chrono_daemon.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    import pytest

    from chrono_daemon._types import OnError
    from chrono_daemon.channel import ChannelStats
    from chrono_daemon.context import Context

__all__ = [
    "BACKENDS",
    "Event",
    "Recorder",
    "Simulation",
    "both_backends",
    "replay",
    "run_simulated",
    "settle",
    "simulate",
]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

BACKENDS: Final = ("asyncio", "trio")
"""What everything runs on; trio must be installed to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was recorded."""

    at: float
    """When, in seconds on the simulation's clock."""
    kind: Literal["wake", "send", "receive", "close", "note"]
    who: str
    """The task that woke or noted, or the channel that was used."""
    what: object = None
    """The item sent or received, or what was noted."""


class Recorder:
    """The events of one simulation, in the order they happened."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self.events: list[Event] = []

    def note(self, who: str, what: object = None) -> None:
        """Write down anything, stamped with virtual time."""
        self._add("note", who, what)

    def channel(self, name: str, maxsize: float = 0) -> Channel[T]:
        """Open a channel whose completed sends, receives and closes are recorded.

        A receive whose item was given back, as a lost race does, counts as none.

        Raises:
            ValueError: as `open_channel` does.
        """
        inner: Channel[T] = open_channel(maxsize)
        return Channel(
            _RecordedSend(name, inner.send, self._add),
            _RecordedReceive(name, inner.recv, self._add, self._forget_receive),
        )

    def wakes(self) -> list[tuple[float, str]]:
        """Return who woke from a sleep on the clock, and when, in order."""
        return [(e.at, e.who) for e in self.events if e.kind == "wake"]

    def sends(self, channel: str) -> list[tuple[float, object]]:
        """Return what was sent on the channel of that name, and when, in order."""
        return [
            (e.at, e.what) for e in self.events if e.kind == "send" and e.who == channel
        ]

    def woke(self) -> None:
        """Record that the present task woke; the recording clock calls this."""
        self._add("wake", anyio.get_current_task().name or "", None)

    def _add(
        self,
        kind: Literal["wake", "send", "receive", "close", "note"],
        who: str,
        what: object,
    ) -> None:
        self.events.append(Event(at=self._clock.now(), kind=kind, who=who, what=what))

    def _forget_receive(self, who: str, what: object) -> None:
        """Strike the latest receive of `what` out: it was given back."""
        for index in reversed(range(len(self.events))):
            event = self.events[index]
            if event.kind == "receive" and event.who == who and event.what is what:
                del self.events[index]
                return


class _RecordingClock(SimClock):
    """A strict SimClock that tells the recorder about every wake."""

    def __init__(self, t0: float) -> None:
        super().__init__(t0, strict=True)
        self.recorder = Recorder(self)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if seconds > 0:
            self.recorder.woke()

    async def wait_until(self, deadline: float) -> None:
        late = deadline <= self.now()
        await super().wait_until(deadline)
        if not late:
            self.recorder.woke()


class _RecordedSend(Generic[T]):
    def __init__(
        self,
        name: str,
        inner: SendStream[T],
        add: Callable[[Literal["send", "close"], str, object], None],
    ) -> None:
        self._name = name
        self._inner = inner
        self._add = add

    async def send(self, item: T) -> None:
        await self._inner.send(item)
        self._add("send", self._name, item)

    def send_nowait(self, item: T) -> None:
        self._inner.send_nowait(item)
        self._add("send", self._name, item)

    async def aclose(self) -> None:
        if self._inner.statistics().open_send_streams:
            self._add("close", self._name, None)
        await self._inner.aclose()

    def statistics(self) -> ChannelStats:
        return self._inner.statistics()


class _TakesBack(Protocol[T_contra]):
    """What the receive end of every channel inside a process can do."""

    def put_back(self, item: T_contra) -> None: ...


class _RecordedReceive(Generic[T]):
    def __init__(
        self,
        name: str,
        inner: ReceiveStream[T],
        add: Callable[[Literal["receive"], str, object], None],
        forget: Callable[[str, object], None],
    ) -> None:
        self._name = name
        self._inner = inner
        self._add = add
        self._forget = forget

    async def receive(self) -> T:
        item = await self._inner.receive()
        self._add("receive", self._name, item)
        return item

    def receive_nowait(self) -> T:
        item = self._inner.receive_nowait()
        self._add("receive", self._name, item)
        return item

    def put_back(self, item: T) -> None:
        self._forget(self._name, item)
        cast("_TakesBack[T]", self._inner).put_back(item)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._inner.aclose()

    def statistics(self) -> ChannelStats:
        return self._inner.statistics()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One simulated world: its clock, its supervisor, and the record of it."""

    clock: SimClock
    supervisor: Supervisor
    recorder: Recorder = field(repr=False)


async def simulate(
    setup: Callable[[Simulation], Awaitable[object] | None],
    *,
    for_s: float,
    t0: float = 0.0,
    on_error: OnError = "shutdown",
) -> Simulation:
    """Run a simulation inside the present event loop.

    The daemons that `setup` adds are started, time moves on by `for_s`, and they are
    stopped by force; their `on_stop` hooks run.

    Args:
        setup: given the world before it starts; adds daemons to its supervisor.
        for_s: virtual seconds.
        t0: virtual seconds to start from.
        on_error: the supervisor's policy.

    Raises:
        ExceptionGroup: what came out of the supervisor.
        ValueError: `for_s` is negative, NaN or infinite.
    """
    if not 0 <= for_s < math.inf:
        raise ValueError(f"for_s must be 0 or more and finite, not {for_s!r}")
    clock = _RecordingClock(t0)
    supervisor = Supervisor(clock=clock, on_error=on_error)
    world = Simulation(clock=clock, supervisor=supervisor, recorder=clock.recorder)
    prepared = setup(world)
    if isawaitable(prepared):
        await prepared
    async with supervisor:
        await clock.advance(for_s)
        await supervisor.stop(grace=0)
    return world


def run_simulated(
    setup: Callable[[Simulation], Awaitable[object] | None],
    *,
    for_s: float,
    t0: float = 0.0,
    on_error: OnError = "shutdown",
    backend: str = "asyncio",
) -> Simulation:
    """Run a simulation in an event loop of its own; see `simulate`.

    Args:
        setup: given the world before it starts; adds daemons to its supervisor.
        for_s: virtual seconds.
        t0: virtual seconds to start from.
        on_error: the supervisor's policy.
        backend: "asyncio" or "trio".

    Raises:
        ExceptionGroup: what came out of the supervisor.
        ValueError: `for_s` is negative, NaN or infinite.
    """

    async def main() -> Simulation:
        return await simulate(setup, for_s=for_s, t0=t0, on_error=on_error)

    return anyio.run(main, backend=backend)


async def replay(
    ctx: Context, events: Iterable[Event], out: SendStream[object]
) -> None:
    """Send what was recorded, each item at the time it was sent then; then close.

    Made to be spawned: `supervisor.spawn(replay, events, channel.send)`. Sends that
    the receiver delays are made as soon as it allows.
    """
    try:
        for event in events:
            if event.kind == "send":
                await ctx.clock.wait_until(event.at)
                await out.send(event.what)
    finally:
        await out.aclose()


def both_backends() -> pytest.MarkDecorator:
    """Return a mark that runs a test once with each value of the argument `backend`.

    ::

        @both_backends()
        def test_it_ticks(backend: str) -> None:
            world = run_simulated(setup, for_s=3600, backend=backend)
    """
    import pytest  # noqa: PLC0415

    return pytest.mark.parametrize("backend", BACKENDS)
