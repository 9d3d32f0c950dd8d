"""One ZeroMQ PAIR socket: opening it, waiting on it, closing it, and losing the peer.

It decides nothing about frames: `_endpoints` does, and `_farewell` about the last ones.
"""

from __future__ import annotations

import asyncio
from threading import get_ident
from typing import Any, Final, Protocol, TypeGuard, TypeVar, cast
from weakref import WeakSet

import zmq
import zmq.asyncio

from chrono_daemon._parking import on_trio
from chrono_daemon.transports._peer_watch import PeerWatch

__all__ = ["SocketMaker", "Wire", "has_succeeded"]

_T = TypeVar("_T")
_Place = tuple[int, int, str]


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
        self.is_bound = bind
        self.linger_ms = linger_ms
        self.closed = False
        self.peer_closed = False
        self.peer_lost = False
        self._wake: asyncio.Future[None] | None = None
        self.socket = cast("zmq.asyncio.Socket", context.socket(zmq.PAIR))
        # The same socket without futures, for what must not wait.
        self.plain: zmq.Socket[bytes] = zmq.Socket.shadow(self.socket)
        self._watch: PeerWatch | None = None
        self.has_sent = self.is_behind = False
        """Whether data was accepted, and whether the peer was found too slow."""
        try:
            self._set_limits(hwm, linger_ms, peer_timeout_ms)
            if not self._is_inproc:
                self._watch = PeerWatch(self.socket)
            if bind:
                self.socket.bind(address)
            else:
                self.socket.connect(address)
            self._place = self._find_place(context)
        except BaseException:
            self.close()
            raise

    def _set_limits(self, hwm: int, linger_ms: int, timeout_ms: int | None) -> None:
        self.socket.setsockopt(zmq.SNDHWM, hwm)
        self.socket.setsockopt(zmq.RCVHWM, hwm)
        self.socket.setsockopt(zmq.LINGER, linger_ms)
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

        Once the wire is closed, a peer is lost as soon as its connection breaks. The
        operations are the caller's to look at and to cancel, also after an error.
        """
        wake = self._wake = asyncio.get_running_loop().create_future()
        watched = list(operations)
        watch = self._watch
        change: asyncio.Future[list[bytes]] | None = None
        is_watching = self._ends_with_connection or self.closed
        if watch is not None and is_watching and not self.peer_lost:
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
            if self._wake is wake:
                self._wake = None
            if watch is not None and change is not None:
                if change.done() and not change.cancelled():
                    watch.note(change.result())
                    self.peer_lost = watch.is_broken
                change.cancel()

    def register(self, poller: zmq.Poller, *, to_send: bool, to_hear: bool) -> None:
        """Let `poller` wait for room, for something to receive, or for a lost peer."""
        wanted = zmq.POLLOUT * to_send | zmq.POLLIN * to_hear
        poller.register(self.plain, wanted)
        if self._watch is not None and not self.peer_lost:
            self._watch.register(poller)

    def look_for_peer(self) -> None:
        """Find out whether the peer was lost."""
        watch = self._watch
        if watch is not None and not self.peer_lost and not watch.is_connected():
            self.peer_lost = watch.is_broken

    def close(self, linger_ms: int | None = None) -> None:
        """Close the socket, and let whoever waits find out."""
        self.let_go()
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.socket.close(linger_ms)

    def has_neighbors(self) -> bool:
        """Say whether other wires of this channel live in this thread."""
        return bool(_wires.get(self._place))

    def has_peer(self) -> bool:
        """Say whether somebody has what was sent, or is waited for with it."""
        is_connected = self._watch is not None and self._watch.is_connected()
        if self._watch is not None and (self.is_bound or not self.has_sent):
            return is_connected
        # Within a process nothing is ever accepted before there is somebody for it.
        return self.has_sent

    def is_watched(self) -> bool:
        """Say whether the loss of the peer would be noticed.

        Not of one that may live in this thread, at an address that is spelt otherwise:
        it does nothing while somebody waits for it here.
        """
        return self._watch is not None and not self._may_be_to_here()

    def _may_be_to_here(self) -> bool:
        thread, _, endpoint = self._place
        ours = _port(endpoint)
        return any(
            place[0] == thread
            and _port(place[2]) == ours
            and any(wire.is_bound != self.is_bound for wire in wires)
            for place, wires in list(_wires.items())
        )

    def may_lose(self) -> bool:
        """Say whether the peer may lose what it hasn't read when the connection ends."""
        return self.is_behind and not self._is_inproc

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def let_go(self) -> None:
        """Be closed for everybody, but keep the socket open."""
        self.closed = True
        self.wake()
        neighbors = _wires.get(self._place)
        if neighbors is not None:
            neighbors.discard(self)
            if not neighbors:
                del _wires[self._place]


def _port(endpoint: str) -> str:
    """Return what all spellings of an address have in common: the port, or file."""
    return endpoint.replace(":", "/").rpartition("/")[2]


def has_succeeded(
    future: asyncio.Future[_T] | None,
) -> TypeGuard[asyncio.Future[_T]]:
    """Say whether an operation is done, and neither failed nor cancelled."""
    return (
        future is not None
        and future.done()
        and not future.cancelled()
        and future.exception() is None
    )


_wires: Final[dict[_Place, WeakSet[Wire]]] = {}
"""The wires of this process, by thread, context and endpoint."""
