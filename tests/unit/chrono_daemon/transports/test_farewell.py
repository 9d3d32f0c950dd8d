"""A wire's last words: what is left to say when the event loop ends."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from chrono_daemon.transports import _farewell
from chrono_daemon.transports._farewell import Farewell
from chrono_daemon.transports._wire import has_succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

_END, _HEARD = b"end", b"heard"


@dataclass
class _FakeWire:
    """A wire whose socket does what the test says, when it says so."""

    unsent: bytes | None = _END
    is_bound: bool = True
    peer_lost: bool = False
    neighbors: bool = False
    watched: bool = True
    loses: bool = True
    stays_full: int = 0
    """How often there is no room before there is."""
    leaves_at: int | None = None
    """The wait without the loop in which the peer goes, and answers no more."""
    replies_early: bool = False
    """Whether the peer reads no more, and has said so."""
    did: list[object] = field(default_factory=list)
    waits: int = 0

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.sending: asyncio.Future[object] = loop.create_future()
        self.hearing: asyncio.Future[bytes] = loop.create_future()
        self.changed: asyncio.Future[None] = loop.create_future()
        self.plain = self
        # Ready at any time, so that no wait takes long.
        self.ready, self._other = socket.socketpair()

    @property
    def closed(self) -> bool:
        return self.did[-1:] == ["closed"]

    def may_lose(self) -> bool:
        return self.loses

    def has_neighbors(self) -> bool:
        return self.neighbors

    def is_watched(self) -> bool:
        return self.watched

    def start_send(self, frame: bytes) -> asyncio.Future[object]:
        return self.sending

    def start_receive(self) -> asyncio.Future[bytes]:
        return self.hearing

    async def wait(self, *operations: asyncio.Future[Any]) -> None:
        changes = {*operations, self.changed}
        await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)

    def lose_peer(self) -> None:
        self.peer_lost = True
        self.changed.set_result(None)

    def register(self, poller: zmq.Poller, *, to_send: bool, to_hear: bool) -> None:
        assert to_send or to_hear
        poller.register(self.ready, zmq.POLLOUT)
        self.waits += 1
        assert self.waits < 100
        self.peer_lost = self.waits == self.leaves_at or self.peer_lost

    def look_for_peer(self) -> None:
        pass

    def send(self, frame: bytes, flags: int) -> None:
        assert flags == zmq.NOBLOCK
        if self.waits <= self.stays_full:
            raise zmq.Again
        self.did.append(frame)

    def recv(self, flags: int) -> bytes:
        assert flags == zmq.NOBLOCK
        replies = self.replies_early or self.has_sent()
        if self.leaves_at is not None or not replies:
            raise zmq.Again
        self.did.append("heard")
        return _HEARD

    def has_sent(self) -> bool:
        return self.unsent is None or _END in self.did or has_succeeded(self.sending)

    def close(self) -> None:
        self.ready.close()
        self._other.close()
        self.did.append("closed")


async def _cut_short(
    frame: bytes | None, happens: Callable[[_FakeWire], object], **wire_is: Any
) -> list[object]:
    """Return what a farewell does whose loop ends just after something `happens`."""
    wire: Any = _FakeWire(frame, **wire_is)
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
        ({"stays_full": 99, "replies_early": True}, ["heard", "closed"]),
        (
            {"stays_full": 99, "replies_early": True, "is_bound": False},
            ["heard", "closed"],
        ),
        # Within a process nothing that was accepted is lost.
        ({"loses": False}, [_END, "closed"]),
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
        wire: Any = _FakeWire(None)
        farewell = Farewell(wire, None, _HEARD, linger_ms=-1)
        task = asyncio.create_task(farewell.say())
        task.add_done_callback(farewell.end)
        await asyncio.sleep(0)
        wire.lose_peer()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        return list(wire.did)

    assert asyncio.run(main()) == ["closed"]
