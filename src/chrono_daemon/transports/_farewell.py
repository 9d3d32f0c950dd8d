"""The last words of a wire: what is sent, and heard, after its end was closed.

It decides how long a closed wire stays, and for what; which words they are is decided in
`_endpoints`.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import zmq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrono_daemon.transports._wire import Wire

__all__ = ["Farewell", "close_saying"]

# For a linger without end and without an event loop, if the peer can't be seen to go.
_UNWATCHED_S: Final = 5.0

_closing: Final[dict[asyncio.Task[None], Farewell]] = {}
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
        wire.is_behind = True
    except zmq.ZMQError:
        has_peer = False
    if unsent is None and not wire.may_lose():
        reply = None
    if not has_peer or (unsent is None and reply is None):
        wire.close()
        return
    farewell = Farewell(wire, unsent, reply, wire.linger_ms)
    task = asyncio.get_running_loop().create_task(farewell.say())
    _closing[task] = farewell
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
        self._is_alone = self._is_given_up = False
        self._was_to_here = wire.has_neighbors()
        self._loop = asyncio.get_running_loop()
        self._until = None if linger_ms < 0 else self._loop.time() + linger_ms / 1000

    async def say(self) -> None:
        """Send the frame and hear the reply, without keeping anybody else waiting."""
        with suppress(zmq.ZMQError, TimeoutError):
            async with asyncio.timeout_at(self._until):
                while not self._is_over():
                    await self._wire.wait(*self._operations())
                    self._take_what_was_done()

    def end(self, task: asyncio.Task[None]) -> None:
        """Close the socket; first say what the end of the event loop cut short.

        The program often ends with its loop, and then takes all with it that ZeroMQ
        has not delivered. All that it cut short is said together: a peer may read the
        one stream to its end before it goes on with the other.
        """
        _closing.pop(task, None)
        try:
            if task.cancelled():
                others = [
                    each
                    for other, each in list(_closing.items())
                    if other.cancelled() and other.get_loop() is self._loop
                ]
                with suppress(zmq.ZMQError):
                    _say_alone([self, *others])
        finally:
            self._wire.close()

    def _is_over(self) -> bool:
        if self._wire.plain.closed:
            return True
        if self._frame is None:
            return self._reply is None or self._wire.peer_lost
        return self._wire.peer_lost and self._wire.is_bound and self._until is None

    def _is_to_here(self) -> bool:
        """Say whether the peer lived in this loop: it can't answer any more, then."""
        return self._was_to_here or self._wire.has_neighbors()

    def _operations(self) -> list[asyncio.Future[Any]]:
        """Begin what is not under way: a peer that reads no more says so meanwhile."""
        if self._frame is not None and self._sending is None:
            self._sending = self._wire.start_send(self._frame)
        if self._reply is not None and self._hearing is None:
            self._hearing = self._wire.start_receive()
        return [each for each in (self._sending, self._hearing) if each is not None]

    def _take_what_was_done(self) -> None:
        """Count what was sent or heard.

        A future that is done in the last turn of the loop is done though the task that
        awaits it learns of its cancelling only: the reply would be waited for, and has
        been taken from the socket.
        """
        sending, hearing = self._sending, self._hearing
        if sending is not None and sending.done():
            self._sending = None
            if not sending.cancelled():
                sending.result()
                self._note_sent()
        if hearing is not None and hearing.done():
            self._hearing = None
            if not hearing.cancelled():
                self._note(hearing.result())

    def _note_sent(self) -> None:
        self._frame = None
        if not self._wire.may_lose():
            self._reply = None

    def _note(self, heard: bytes) -> None:
        """Whoever replies needs nothing more, not even a frame that is unsent."""
        if heard == self._reply:
            self._reply = self._frame = None

    def go_on_alone(self) -> None:
        """Do without the loop from now on, if there is anything left to do."""
        if self._is_alone or self._is_to_here():
            self._is_given_up = True
            return
        self._is_alone = self._is_given_up = True
        with suppress(zmq.ZMQError):
            self._take_what_was_done()
            self._is_given_up = False
        for each in (self._sending, self._hearing):
            if each is not None:
                each.cancel()
        if self._until is None and not self._wire.is_watched():
            self._until = self._loop.time() + _UNWATCHED_S

    def is_missing(self) -> bool:
        """Say whether something is missing, and may still come."""
        return not (self._is_given_up or self._is_over())

    def register(self, poller: zmq.Poller) -> None:
        """Let `poller` wait for what is missing."""
        self._wire.register(
            poller, to_send=self._frame is not None, to_hear=self._reply is not None
        )

    def try_again(self) -> None:
        """Say and hear what can be said and heard at once; give up when it is late."""
        self._is_given_up = self.left_ms() == 0
        self._wire.look_for_peer()
        plain = self._wire.plain
        with suppress(zmq.Again):
            if self._frame is not None and not self._is_over():
                plain.send(self._frame, zmq.NOBLOCK)
                self._note_sent()
        with suppress(zmq.Again):
            if self._reply is not None:
                self._note(plain.recv(zmq.NOBLOCK))

    def left_ms(self) -> int | None:
        """Return how long it may take yet; None where that has no end."""
        if self._until is None:
            return None
        return max(0, math.ceil(1000 * (self._until - self._loop.time())))


def _say_alone(farewells: Sequence[Farewell]) -> None:
    """Block until nothing is missing, or it is late."""
    for each in farewells:
        each.go_on_alone()
    while missing := [each for each in farewells if each.is_missing()]:
        poller = zmq.Poller()
        for each in missing:
            each.register(poller)
        left_ms = [ms for each in missing if (ms := each.left_ms()) is not None]
        poller.poll(min(left_ms, default=None))
        for each in missing:
            each.try_again()
