"""What ZeroMQ tells about the connection behind a socket: it is there, or it broke.

It decides whether there is a peer now; what follows from that is decided by the `Wire`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

if TYPE_CHECKING:
    import asyncio

__all__ = ["PeerWatch"]


class PeerWatch:
    """Watches one socket, from before its first connection until `close`."""

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

    def register(self, poller: zmq.Poller) -> None:
        """Let `poller` wait for a change, too."""
        poller.register(self._plain, zmq.POLLIN)

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
