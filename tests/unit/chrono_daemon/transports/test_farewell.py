"""A wire's last words: what is left to say when the event loop ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chrono_daemon.transports._farewell import Farewell

if TYPE_CHECKING:
    from collections.abc import Callable

_END, _HEARD = b"end", b"heard"


class _FakeWire:
    """A wire whose socket does what the test says, when it says so."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.sending: asyncio.Future[object] = loop.create_future()
        self.hearing: asyncio.Future[bytes] = loop.create_future()
        self.neighbors = False
        self.did: list[object] = []
        self.plain = self.socket = self

    def has_neighbors(self) -> bool:
        return self.neighbors

    def start_send(self, frame: bytes) -> asyncio.Future[object]:
        return self.sending

    def start_receive(self) -> asyncio.Future[bytes]:
        return self.hearing

    def setsockopt(self, option: int, value: int) -> None:
        assert value >= 0

    def send(self, frame: bytes) -> None:
        self.did.append(frame)

    def recv(self) -> bytes:
        self.did.append("waited")
        return _HEARD

    def close(self) -> None:
        self.did.append("closed")


async def _cut_short(
    frame: bytes | None, happens: Callable[[_FakeWire], object]
) -> list[object]:
    """Return what a farewell does whose loop ends just after something `happens`."""
    wire: Any = _FakeWire()
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
        (lambda wire: None, [_END, "waited", "closed"]),
        (lambda wire: wire.sending.set_result(None), ["waited", "closed"]),
        (
            lambda wire: wire.sending.set_exception(OSError("no")),
            [_END, "waited", "closed"],
        ),
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
    [(_HEARD, ["closed"]), (b"something else", ["waited", "closed"])],
    ids=["the reply", "something else"],
)
def test_a_reply_of_the_last_turn_is_not_waited_for(
    heard: bytes, did: list[object]
) -> None:
    """It was taken from the socket, though the task only learns that it is cancelled."""
    assert asyncio.run(_cut_short(None, lambda w: w.hearing.set_result(heard))) == did
