"""Answer NTP requests on a UDP port; what is answered is the responder's business.

For embedded servers (`chronotick demo`, tests). The delay of an imagined path is slept
on the schedule clock, on either side of the server's two stamps, so that it is real to
the client and absent from what the server claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrono_daemon import Clock, Context
    from chronotick.core.ports import MeasuredClock
    from chronotick.core.records import Datagram
    from chronotick.daemon.udp import UdpListener

__all__ = ["Legs", "NtpService", "Responder"]

# A demo asks a few times a second; a flood is dropped, not queued.
_MAX_IN_FLIGHT = 64


class Legs(NamedTuple):
    """Added delay of one exchange on the way to the server and back, in seconds."""

    there_s: float
    back_s: float


class Responder(Protocol):
    """What answers; `chronotick.sim.server` has honest and other ones."""

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Return the reply to `request`, or None where there is none."""
        ...


class NtpService:
    """One port that answers; UTC is the host's CLOCK_REALTIME.

    Args:
        listener: The port; closed when the service ends.
        measured: Where the server's time comes from.
        responder: Decides the answer.
        path: Drawn once per request.
    """

    def __init__(
        self,
        listener: UdpListener,
        measured: MeasuredClock,
        responder: Responder,
        path: Callable[[], Legs],
    ) -> None:
        self._listener = listener
        self._measured = measured
        self._responder = responder
        self._path = path
        self._in_flight = 0

    async def run(self, ctx: Context) -> None:
        """Answer until cancelled, every request in a task of its own."""
        try:
            async with anyio.create_task_group() as group:
                while True:
                    datagram = await self._listener.receive()
                    if self._in_flight < _MAX_IN_FLIGHT:
                        group.start_soon(self._answer, ctx.clock, datagram)
        finally:
            self._listener.close()

    async def _answer(self, clock: Clock, datagram: Datagram) -> None:
        legs = self._path()
        self._in_flight += 1
        try:
            await clock.sleep(legs.there_s)
            reply = self._responder.reply(
                datagram.payload,
                receive_utc_ns=self._measured.pair().realtime_ns,
                transmit_utc_ns=self._measured.pair().realtime_ns,
            )
            if reply is not None:
                await clock.sleep(legs.back_s)
                self._listener.send(reply, datagram.origin, datagram.destination)
        finally:
            self._in_flight -= 1
