"""One ZeroMQ PAIR socket: opening it, waiting on it, closing it, and losing the peer.

It decides nothing about frames; the endpoints in `zmq` do.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import get_ident
from typing import Any, Final, Protocol, TypeGuard, TypeVar, cast
from weakref import WeakSet

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from chrono_daemon._parking import on_trio

__all__ = ["SocketMaker", "Wire"]

_T = TypeVar("_T")
_Place = tuple[int, int, str]

# For a linger without end: the loop has ended, and nothing else could end this wait.
_LAST_WORDS_S: Final = 5.0


class SocketMaker(Protocol):
    """The part of `zmq.asyncio.Context` that is needed, fully typed."""

    def socket(self, socket_type: int, /) -> object:
        """Make a socket whose operations are asyncio's."""
        ...


class Wire:
    """A socket, the futures that an endpoint waits on, and what is known of the peer."""

    def __init__(
        self,
        address: str,
        bind: bool,
        hwm: int,
        linger_ms: int,
        context: SocketMaker | None,
        peer_timeout_ms: int | None,
    ) -> None:
        if on_trio():
            raise RuntimeError("the ZeroMQ transport needs asyncio")
        context = zmq.asyncio.Context.instance() if context is None else context
        self._place: _Place = (0, 0, "")
        self._is_inproc = address.startswith("inproc:")
        self._is_bound = bind
        self._linger_ms = linger_ms
        self.closed = False
        self.peer_closed = False
        self.peer_lost = False
        self._wake: asyncio.Future[None] | None = None
        self.socket = cast("zmq.asyncio.Socket", context.socket(zmq.PAIR))
        # The same socket without futures, for what must not wait.
        self.plain: zmq.Socket[bytes] = zmq.Socket.shadow(self.socket)
        self._watch: _PeerWatch | None = None
        self.has_sent = self.is_behind = False
        """Whether data was accepted, and whether the peer was found too slow."""
        try:
            self.socket.setsockopt(zmq.SNDHWM, hwm)
            self.socket.setsockopt(zmq.RCVHWM, hwm)
            self.socket.setsockopt(zmq.LINGER, linger_ms)
            self._set_heartbeat(peer_timeout_ms)
            if not self._is_inproc:
                self._watch = _PeerWatch(self.socket)
            if bind:
                self.socket.bind(address)
            else:
                self.socket.connect(address)
            self._place = self._find_place(context)
        except BaseException:
            self.close()
            raise

    def _set_heartbeat(self, timeout_ms: int | None) -> None:
        self._ends_with_connection = timeout_ms is not None
        if timeout_ms is None:
            return
        if timeout_ms <= 0:
            raise ValueError(f"peer_timeout_ms must be above 0, not {timeout_ms!r}")
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, max(1, timeout_ms // 3))
        self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, timeout_ms)

    def _find_place(self, context: SocketMaker) -> _Place:
        """Return what wires of one channel have in common, and register there.

        The thread is part of it: another one has an event loop of its own, and nobody
        may touch what is in there.
        """
        endpoint = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        place = (get_ident(), id(context) if self._is_inproc else 0, endpoint)
        _wires.setdefault(place, WeakSet()).add(self)
        return place

    def tell_neighbors(self) -> None:
        """Let the other end know at once that this one is closed, if it lives here.

        The frame that says so takes a detour through ZeroMQ's thread, for as long as
        that thread has to wait for the processor.
        """
        for wire in list(_wires.get(self._place, ())):
            if wire is not self:
                wire.peer_closed = True
                wire.wake()

    def is_over(self) -> bool:
        """Say whether nothing more can come of this wire."""
        return self.closed or self.peer_closed or self.peer_lost

    def start_send(self, frame: bytes) -> asyncio.Future[object]:
        """Begin to send; the future may be done already."""
        return cast("asyncio.Future[object]", self.socket.send(frame))

    def start_receive(self) -> asyncio.Future[bytes]:
        """Begin to receive; the future may be done already."""
        return cast("asyncio.Future[bytes]", self.socket.recv())

    async def wait(self, *operations: asyncio.Future[Any]) -> None:
        """Wait until one of the operations is done, the wire closed, or the peer lost.

        The operations are the caller's to look at and to cancel, also after an error.
        """
        wake = self._wake = asyncio.get_running_loop().create_future()
        watched = list(operations)
        watch = self._watch
        change: asyncio.Future[list[bytes]] | None = None
        if watch is not None and self._ends_with_connection and not self.peer_lost:
            change = watch.next_change()
            watched.append(change)

        def done(_: asyncio.Future[Any]) -> None:
            if not wake.done():
                wake.set_result(None)

        for operation in watched:
            operation.add_done_callback(done)
        try:
            await wake
        finally:
            self._wake = None
            if watch is not None and change is not None:
                if change.done() and not change.cancelled():
                    watch.note(change.result())
                    self.peer_lost = watch.is_broken
                change.cancel()

    def close(self, linger_ms: int | None = None) -> None:
        """Close the socket, and let whoever waits find out."""
        self._let_go()
        self.socket.close(linger_ms)

    def close_saying(self, frame: bytes, reply: bytes | None = None) -> None:
        """Close after sending `frame`, without making the caller wait for it.

        As a rule that is all. But a full queue must not swallow the frame, and a
        connection that ends while the peer is behind loses what it hasn't read. When
        the peer is there and behind, or late, a task of its own goes on trying, and
        waits for `reply`, for the time of the linger.
        """
        has_peer = self._has_peer()
        self._let_go()
        unsent: bytes | None = frame
        try:
            self.plain.send(frame, zmq.NOBLOCK)
            unsent = None
        except zmq.Again:
            pass
        except zmq.ZMQError:
            has_peer = False
        if self._is_inproc or not self.is_behind:
            reply = None
        if not has_peer or (unsent is None and reply is None):
            self.socket.close()
            return
        farewell = _Farewell(self, unsent, reply, self._linger_ms)
        task = asyncio.get_running_loop().create_task(farewell.say())
        _closing.add(task)
        task.add_done_callback(farewell.end)

    def has_neighbors(self) -> bool:
        """Say whether other wires of this channel live in this thread."""
        return bool(_wires.get(self._place))

    def _has_peer(self) -> bool:
        """Say whether somebody has what was sent, or is waited for with it."""
        if not self._is_bound and self.has_sent:
            return True
        if self._watch is not None:
            return self._watch.is_connected()
        # Within a process nothing is ever accepted before there is somebody for it.
        return self.has_sent

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _let_go(self) -> None:
        self.closed = True
        self.wake()
        neighbors = _wires.get(self._place)
        if neighbors is not None:
            neighbors.discard(self)
            if not neighbors:
                del _wires[self._place]
        if self._watch is not None:
            self._watch.close()
            self._watch = None


class _Farewell:
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
        if _has_succeeded(self._sending):
            self._frame = None
        hearing = self._hearing
        if _has_succeeded(hearing) and hearing.result() == self._reply:
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


def _has_succeeded(
    future: asyncio.Future[_T] | None,
) -> TypeGuard[asyncio.Future[_T]]:
    return (
        future is not None
        and future.done()
        and not future.cancelled()
        and future.exception() is None
    )


class _PeerWatch:
    """What ZeroMQ tells about the connection behind a socket."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._plain: zmq.Socket[bytes] = zmq.Socket.shadow(self._monitor)
        self._connected = False
        self.is_broken = False
        """Whether a connection was there and is gone."""

    def next_change(self) -> asyncio.Future[list[bytes]]:
        """Begin to wait for a change; give what comes to `note`."""
        return cast("asyncio.Future[list[bytes]]", self._monitor.recv_multipart())

    def note(self, message: list[bytes]) -> None:
        """Learn from what the monitor said."""
        event = parse_monitor_message(message)["event"]
        self._connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        self.is_broken = not self._connected

    def is_connected(self) -> bool:
        """Say whether there is a peer now."""
        with suppress(zmq.Again):
            while True:
                self.note(self._plain.recv_multipart(zmq.NOBLOCK))
        return self._connected

    def close(self) -> None:
        """Stop watching."""
        self._socket.disable_monitor()
        self._monitor.close(0)


_wires: Final[dict[_Place, WeakSet[Wire]]] = {}
"""The wires of this process, by thread, context and endpoint."""

_closing: Final[set[asyncio.Task[None]]] = set()
"""Sockets that still have to say that they are closed; tasks need a reference."""
