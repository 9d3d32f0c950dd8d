"""A wire's last words: what is left to say when the event loop ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from chrono_daemon.transports import _farewell
from chrono_daemon.transports._farewell import Farewell

if TYPE_CHECKING:
    from collections.abc import Callable

_END, _HEARD = b"end", b"heard"


@dataclass
class _FakeWire:
    """A wire whose socket does what the test says, when it says so."""

    is_bound: bool = True
    peer_lost: bool = False
    neighbors: bool = False
    watched: bool = True
    stays_full: int = 0
    """How often there is no room before there is."""
    leaves_at: int | None = None
    """The wait without the loop in which the peer goes, and answers no more."""
    did: list[object] = field(default_factory=list)
    waits: int = 0

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.sending: asyncio.Future[object] = loop.create_future()
        self.hearing: asyncio.Future[bytes] = loop.create_future()
        self.changed: asyncio.Future[None] = loop.create_future()
        self.plain = self

    def has_neighbors(self) -> bool:
        return self.neighbors

    def is_watched(self) -> bool:
        return self.watched

    def start_send(self, frame: bytes) -> asyncio.Future[object]:
        return self.sending

    def start_receive(self) -> asyncio.Future[bytes]:
        return self.hearing

    async def wait(self, operation: asyncio.Future[Any]) -> None:
        changes = {operation, self.changed}
        await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)

    def lose_peer(self) -> None:
        self.peer_lost = True
        self.changed.set_result(None)

    def block(self, to_send: bool, timeout_ms: int | None) -> None:
        assert timeout_ms is None or timeout_ms >= 0
        if timeout_ms is None:
            assert self.watched, "nothing would end this wait"
        self.waits += 1
        assert self.waits < 100
        if self.waits == self.leaves_at:
            self.peer_lost = True

    def send(self, frame: bytes, flags: int) -> None:
        assert flags == zmq.NOBLOCK
        if self.waits <= self.stays_full:
            raise zmq.Again
        self.did.append(frame)

    def recv(self, flags: int) -> bytes:
        assert flags == zmq.NOBLOCK
        if self.peer_lost:
            raise zmq.Again
        self.did.append("heard")
        return _HEARD

    def close(self) -> None:
        self.did.append("closed")


async def _cut_short(
    frame: bytes | None, happens: Callable[[_FakeWire], object], **wire_is: Any
) -> list[object]:
    """Return what a farewell does whose loop ends just after something `happens`."""
    wire: Any = _FakeWire(**wire_is)
    farewell = Farewell(wire, frame, _HEARD, linger_ms=-1)
    task = asyncio.create_task(farewell.say())
    task.add_done_callback(farewell.end)
    await asyncio.sleep(0)
    happens(wire)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    return list(wire.did)


@pytest.mark.parametrize(
    ("happens", "did"),
    [
        (lambda wire: None, [_END, "heard", "closed"]),
        (lambda wire: wire.sending.set_result(None), ["heard", "closed"]),
        (lambda wire: wire.sending.set_exception(zmq.ZMQError(1)), ["closed"]),
        (lambda wire: setattr(wire, "neighbors", True), ["closed"]),
    ],
    ids=["nothing", "sent", "failed", "came here"],
)
def test_what_the_loop_cut_short_is_said_at_once(
    happens: Callable[[_FakeWire], object], did: list[object]
) -> None:
    """Once; and not to somebody who came to this loop, and ends with it."""
    assert asyncio.run(_cut_short(_END, happens)) == did


@pytest.mark.parametrize(
    ("heard", "did"),
    [(_HEARD, ["closed"]), (b"something else", ["heard", "closed"])],
    ids=["the reply", "something else"],
)
def test_a_reply_of_the_last_turn_is_not_waited_for(
    heard: bytes, did: list[object]
) -> None:
    """It was taken from the socket, though the task only learns that it is cancelled."""
    assert asyncio.run(_cut_short(None, lambda w: w.hearing.set_result(heard))) == did


@pytest.mark.parametrize(
    ("wire_is", "did"),
    [
        ({"stays_full": 50}, [_END, "heard", "closed"]),
        ({"stays_full": 50, "is_bound": False}, [_END, "heard", "closed"]),
        ({"stays_full": 9, "leaves_at": 5}, ["closed"]),
        ({"stays_full": 9, "leaves_at": 5, "is_bound": False}, [_END, "closed"]),
        ({"leaves_at": 2}, [_END, "closed"]),
        ({"leaves_at": 2, "is_bound": False}, [_END, "closed"]),
    ],
)
def test_a_linger_without_end_ends_with_the_peer(
    wire_is: dict[str, Any], did: list[object]
) -> None:
    """Slow as it may be; and only what waits for its return outlives it."""
    assert asyncio.run(_cut_short(_END, lambda _: None, **wire_is)) == did


def test_a_peer_that_cannot_be_seen_to_go_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In another thread: nothing would tell that it ended."""
    monkeypatch.setattr(_farewell, "_UNWATCHED_S", 0)
    wire_is = {"stays_full": 50, "watched": False}
    assert asyncio.run(_cut_short(_END, lambda _: None, **wire_is)) == ["closed"]


def test_in_the_loop_nobody_waits_for_a_lost_peer_either() -> None:
    """The socket, and the address it is bound to, are free again."""

    async def main() -> list[object]:
        wire: Any = _FakeWire()
        farewell = Farewell(wire, None, _HEARD, linger_ms=-1)
        task = asyncio.create_task(farewell.say())
        task.add_done_callback(farewell.end)
        await asyncio.sleep(0)
        wire.lose_peer()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        return list(wire.did)

    assert asyncio.run(main()) == ["closed"]
