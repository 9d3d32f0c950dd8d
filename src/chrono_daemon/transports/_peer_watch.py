"""What ZeroMQ tells about the connection behind a socket: it is there, or it broke.

It decides whether there is a peer now; what follows from that is decided by the `Wire`.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final, cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

if TYPE_CHECKING:
    import asyncio

__all__ = ["PeerWatch"]

_EVENTS: Final = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
)
_numbers: Final = count()


class PeerWatch:
    """Watches one socket, from before its first connection until `close`."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket
        place = f"inproc://peer-watch-{next(_numbers)}"
        socket.monitor(place, _EVENTS)
        self._monitor = cast("zmq.asyncio.Socket", socket.context.socket(zmq.PAIR))
        # ZeroMQ's thread would wait for room, and all of its sockets with it.
        self._monitor.setsockopt(zmq.RCVHWM, 0)
        self._monitor.connect(place)
        self._plain: zmq.Socket[bytes] = zmq.Socket.shadow(self._monitor)
        self._beginning: set[int] = set()
        self._ours: set[int] = set()
        self._connected = False
        self.is_broken = False
        """Whether a connection was there and is gone."""

    def next_change(self) -> asyncio.Future[list[bytes]]:
        """Begin to wait for a change; give what comes to `note`."""
        return cast("asyncio.Future[list[bytes]]", self._monitor.recv_multipart())

    def note(self, message: list[bytes]) -> None:
        """Learn from what the monitor said.

        Anybody can connect to a port, and be sent away again. That is not the peer
        going: its connection is one of those that had begun when there was a peer.
        """
        said = parse_monitor_message(message)
        event, connection = said["event"], said["value"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            if not self._connected:
                self._ours = self._beginning
                self._connected, self.is_broken = True, False
            self._beginning = set()
        elif event == zmq.EVENT_DISCONNECTED:
            self._beginning.discard(connection)
            self._ours.discard(connection)
            if self._connected and not self._ours:
                self._connected, self.is_broken = False, True
        else:
            self._beginning.add(connection)

    def register(self, poller: zmq.Poller) -> None:
        """Let `poller` wait for a change, too."""
        poller.register(self._plain, zmq.POLLIN)

    def is_connected(self) -> bool:
        """Say whether there is a peer now."""
        # Nothing to read, or a context that was destroyed.
        with suppress(zmq.ZMQError):
            while True:
                self.note(self._plain.recv_multipart(zmq.NOBLOCK))
        return self._connected

    def close(self) -> None:
        """Stop watching."""
        # The context may have been destroyed, and its sockets with it.
        with suppress(zmq.ZMQError):
            self._socket.disable_monitor()
        self._monitor.close(0)
