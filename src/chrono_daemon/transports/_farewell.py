"""The last words of a wire: what is sent, and heard, after its end was closed.

It decides how long a closed wire stays, and for what; which words they are is decided in
`_endpoints`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zmq

from chrono_daemon.transports._wire import has_succeeded

if TYPE_CHECKING:
    from chrono_daemon.transports._wire import Wire

__all__ = ["Farewell", "close_saying"]

# For a linger without end: the loop has ended, and nothing else could end this wait.
_LAST_WORDS_S: Final = 5.0

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
        wire.socket.close()
        return
    farewell = Farewell(wire, unsent, reply, wire.linger_ms)
    task = asyncio.get_running_loop().create_task(farewell.say())
    _closing.add(task)
    task.add_done_callback(farewell.end)


class Farewell:
    """What a closed wire has yet to send and to hear, for the time of its linger."""

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
                if self._frame is not None:
                    self._sending = self._wire.start_send(self._frame)
                    await self._sending
                    self._frame = None
                while self._reply is not None:
                    self._hearing = self._wire.start_receive()
                    if await self._hearing == self._reply:
                        return

    def end(self, task: asyncio.Task[None]) -> None:
        """Close the socket; first say what the end of the event loop cut short.

        The program often ends with its loop, and then takes all with it that ZeroMQ
        has not delivered.
        """
        _closing.discard(task)
        try:
            if task.cancelled() and not self._is_to_here():
                self._take_what_was_done()
                self._say_at_once()
        finally:
            self._wire.socket.close()

    def _is_to_here(self) -> bool:
        """Say whether the peer lived in this loop: it can't answer any more, then."""
        return self._was_to_here or self._wire.has_neighbors()

    def _take_what_was_done(self) -> None:
        """Count what was sent or heard just before the task was cancelled.

        A future that is done in the last turn of the loop is done though the task that
        awaits it learns of its cancelling only: the reply would be waited for, and has
        been taken from the socket.
        """
        if has_succeeded(self._sending):
            self._frame = None
        hearing = self._hearing
        if has_succeeded(hearing) and hearing.result() == self._reply:
            self._reply = None

    def _say_at_once(self) -> None:
        plain = self._wire.plain
        if self._until is None:
            self._until = self._loop.time() + _LAST_WORDS_S
        with suppress(zmq.ZMQError):
            if self._frame is not None:
                plain.setsockopt(zmq.SNDTIMEO, self._left_ms())
                plain.send(self._frame)
            while self._reply is not None:
                plain.setsockopt(zmq.RCVTIMEO, self._left_ms())
                if plain.recv() == self._reply:
                    return

    def _left_ms(self) -> int:
        until = self._loop.time() if self._until is None else self._until
        return max(0, round(1000 * (until - self._loop.time())))
