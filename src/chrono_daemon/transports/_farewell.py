"""The last words of a wire: what is sent, and heard, after its end was closed.

It decides how long a closed wire stays, and for what; which words they are is decided in
`_endpoints`.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zmq

from chrono_daemon.transports._wire import has_succeeded

if TYPE_CHECKING:
    from chrono_daemon.transports._wire import Wire

__all__ = ["Farewell", "close_saying"]

# For a linger without end and without an event loop, if the peer can't be seen to go.
_UNWATCHED_S: Final = 5.0

_closing: Final[set[asyncio.Task[None]]] = set()
"""Those that are said now; tasks need a reference."""


def close_saying(wire: Wire, frame: bytes, reply: bytes | None = None) -> None:
    """Close `wire` after sending `frame`, without making the caller wait for it.

    As a rule that is all. But a full queue must not swallow the frame, and a connection
    that ends while the peer is behind loses what it hasn't read. When the peer is there
    and behind, or late, a task of its own goes on trying, and waits for `reply`, for
    the time of the linger.
    """
    has_peer = wire.has_peer()
    wire.let_go()
    unsent: bytes | None = frame
    try:
        wire.plain.send(frame, zmq.NOBLOCK)
        unsent = None
    except zmq.Again:
        pass
    except zmq.ZMQError:
        has_peer = False
    if not wire.may_lose():
        reply = None
    if not has_peer or (unsent is None and reply is None):
        wire.close()
        return
    farewell = Farewell(wire, unsent, reply, wire.linger_ms)
    task = asyncio.get_running_loop().create_task(farewell.say())
    _closing.add(task)
    task.add_done_callback(farewell.end)


class Farewell:
    """What a closed wire has yet to send and to hear, for the time of its linger.

    Or until the peer is lost. What is unsent outlives it, for a peer that comes back;
    not for ever where the wire is bound: there ZeroMQ forgets its part, too.
    """

    def __init__(
        self, wire: Wire, frame: bytes | None, reply: bytes | None, linger_ms: int
    ) -> None:
        self._wire = wire
        self._frame = frame
        self._reply = reply
        self._sending: asyncio.Future[object] | None = None
        self._hearing: asyncio.Future[bytes] | None = None
        self._was_to_here = wire.has_neighbors()
        self._loop = asyncio.get_running_loop()
        self._until = None if linger_ms < 0 else self._loop.time() + linger_ms / 1000

    async def say(self) -> None:
        """Send the frame and hear the reply, without keeping anybody else waiting."""
        with suppress(zmq.ZMQError, TimeoutError):
            async with asyncio.timeout_at(self._until):
                while not self._is_over():
                    if self._frame is not None:
                        self._sending = self._wire.start_send(self._frame)
                        await self._wire.wait(self._sending)
                    else:
                        self._hearing = self._wire.start_receive()
                        await self._wire.wait(self._hearing)
                    self._take_what_was_done()

    def end(self, task: asyncio.Task[None]) -> None:
        """Close the socket; first say what the end of the event loop cut short.

        The program often ends with its loop, and then takes all with it that ZeroMQ
        has not delivered.
        """
        _closing.discard(task)
        try:
            if task.cancelled() and not self._is_to_here():
                with suppress(zmq.ZMQError):
                    self._say_at_once()
        finally:
            self._wire.close()

    def _is_over(self) -> bool:
        if self._frame is None:
            return self._reply is None or self._wire.peer_lost
        return self._wire.peer_lost and self._wire.is_bound and self._until is None

    def _is_to_here(self) -> bool:
        """Say whether the peer lived in this loop: it can't answer any more, then."""
        return self._was_to_here or self._wire.has_neighbors()

    def _take_what_was_done(self) -> None:
        """Count what was sent or heard, and withdraw what wasn't.

        A future that is done in the last turn of the loop is done though the task that
        awaits it learns of its cancelling only: the reply would be waited for, and has
        been taken from the socket.
        """
        sending, self._sending = self._sending, None
        if has_succeeded(sending):
            self._frame = None
        elif sending is not None and not sending.cancel():
            sending.result()
        hearing, self._hearing = self._hearing, None
        if has_succeeded(hearing):
            self._note(hearing.result())
        elif hearing is not None and not hearing.cancel():
            hearing.result()

    def _note(self, heard: bytes) -> None:
        if heard == self._reply:
            self._reply = None

    def _say_at_once(self) -> None:
        self._take_what_was_done()
        wire = self._wire
        if self._until is None and not wire.is_watched():
            self._until = self._loop.time() + _UNWATCHED_S
        while not self._is_over():
            left_ms = self._left_ms()
            wire.block(to_send=self._frame is not None, timeout_ms=left_ms)
            try:
                if self._frame is not None:
                    wire.plain.send(self._frame, zmq.NOBLOCK)
                    self._frame = None
                else:
                    self._note(wire.plain.recv(zmq.NOBLOCK))
            except zmq.Again:
                if left_ms == 0:
                    return

    def _left_ms(self) -> int | None:
        if self._until is None:
            return None
        return max(0, math.ceil(1000 * (self._until - self._loop.time())))
