"""One ZeroMQ PAIR socket: opening it, waiting on it, closing it, and losing the peer.

It decides nothing about frames; the endpoints in `zmq` do.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, Protocol, cast
from weakref import WeakSet

import zmq
import zmq.asyncio

__all__ = ["SocketMaker", "Wire"]


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
        context = zmq.asyncio.Context.instance() if context is None else context
        self._place: tuple[int, str] = (0, "")
        self._is_inproc = address.startswith("inproc:")
        self._bound = bind
        self._linger_ms = linger_ms
        self.closed = False
        self.peer_closed = False
        self.peer_lost = False
        self._wake: asyncio.Future[None] | None = None
        self.socket = cast("zmq.asyncio.Socket", context.socket(zmq.PAIR))
        # The same socket without futures, for what must not wait.
        self.plain: zmq.Socket[bytes] = zmq.Socket.shadow(self.socket)
        self._monitor: zmq.asyncio.Socket | None = None
        try:
            self.socket.setsockopt(zmq.SNDHWM, hwm)
            self.socket.setsockopt(zmq.RCVHWM, hwm)
            self.socket.setsockopt(zmq.LINGER, linger_ms)
            if peer_timeout_ms is not None:
                self._watch_peer(peer_timeout_ms)
            if bind:
                self.socket.bind(address)
            else:
                self.socket.connect(address)
            self._place = self._find_place(context)
        except BaseException:
            self.close()
            raise

    def _watch_peer(self, timeout_ms: int) -> None:
        if timeout_ms <= 0:
            raise ValueError(f"peer_timeout_ms must be above 0, not {timeout_ms!r}")
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, max(1, timeout_ms // 3))
        self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, timeout_ms)
        self._monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def _find_place(self, context: SocketMaker) -> tuple[int, str]:
        """Return what wires of one channel have in common, and register there."""
        endpoint = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        place = (id(context) if self._is_inproc else 0, endpoint)
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
        monitor = self._monitor
        lost: asyncio.Future[Any] | None = None
        if monitor is not None and not self.peer_lost:
            lost = asyncio.ensure_future(monitor.recv_multipart())
            watched.append(lost)

        def done(_: asyncio.Future[Any]) -> None:
            if not wake.done():
                wake.set_result(None)

        for operation in watched:
            operation.add_done_callback(done)
        try:
            await wake
        finally:
            self._wake = None
            if lost is not None:
                self.peer_lost = lost.done() and not lost.cancelled()
                lost.cancel()

    def close(self) -> None:
        """Close the socket, and let whoever waits find out."""
        self._let_go()
        self.socket.close()

    def close_saying(self, frame: bytes, reply: bytes | None = None) -> bool:
        """Close after sending `frame`, without making the caller wait for it.

        Where there is no room, no peer yet, or a reply to be had, a task of its own
        goes on for the time of the linger. A full queue must not swallow the frame,
        and a connection that ends while the peer is behind loses what it hasn't read.

        Returns:
            True if the frame was sent.
        """
        self._let_go()
        sent = False
        try:
            self.plain.send(frame, zmq.NOBLOCK)
            sent = True
        except zmq.Again:
            pass
        except zmq.ZMQError:
            self.socket.close()
            return False
        if self._is_inproc:
            reply = None
        if sent and reply is None:
            self.socket.close()
            return True
        self._stop_listening()
        task = asyncio.get_running_loop().create_task(
            self._finish(None if sent else frame, reply)
        )
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        return sent

    async def _finish(self, frame: bytes | None, reply: bytes | None) -> None:
        timeout_s = None if self._linger_ms < 0 else self._linger_ms / 1000
        try:
            with suppress(zmq.ZMQError, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    if frame is not None:
                        await self.start_send(frame)
                    while reply is not None and await self.start_receive() != reply:
                        pass
        finally:
            self.socket.close()

    def _stop_listening(self) -> None:
        """Free the address at once; a connection that was made stays."""
        if self._bound:
            with suppress(zmq.ZMQError):
                self.socket.unbind(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))

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
        if self._monitor is not None:
            self.socket.disable_monitor()
            self._monitor.close(0)
            self._monitor = None


_wires: Final[dict[tuple[int, str], WeakSet[Wire]]] = {}
"""The wires of this process, by context and endpoint."""

_closing: Final[set[asyncio.Task[None]]] = set()
"""Sockets that still have to say that they are closed; tasks need a reference."""
