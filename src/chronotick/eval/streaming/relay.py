"""An imagined path made of real packets: a UDP relay that delays, loses, repeats.

Forwards what arrives at its port to a target, and the answers back to whoever asked,
each way along its own leg of a `chronotick.sim` path. Decides nothing about contents.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chrono_daemon import Clock, Context
    from chronotick.core.ports import Link, Transport
    from chronotick.core.records import Datagram, Endpoint
    from chronotick.daemon.udp import UdpListener
    from chronotick.sim.path import Leg, Path

__all__ = ["DelayingRelay"]

_AGAIN_S = 0.001


class DelayingRelay:
    """One port that leads to one target.

    Args:
        listener: The port; closed at the end.
        transport: Opens the ports towards the target.
        target: Where it leads.
        path: What happens on the way there and back.
        start_raw_ns: RAW at the start of the imagined world, which the path counts from.
    """

    def __init__(
        self,
        listener: UdpListener,
        transport: Transport,
        target: Endpoint,
        path: Path,
        start_raw_ns: int,
    ) -> None:
        self._listener = listener
        self._transport = transport
        self._target = target
        self._path = path
        self._start_raw_ns = start_raw_ns
        self._links: dict[Endpoint, Link] = {}

    async def run(self, ctx: Context) -> None:
        """Relay until cancelled."""
        try:
            async with AsyncExitStack() as stack, anyio.create_task_group() as group:
                while True:
                    datagram = await self._listener.receive()
                    link = self._links.get(datagram.origin)
                    if link is None:
                        opened = self._transport.open(self._target)
                        link = await stack.enter_async_context(opened)
                        self._links[datagram.origin] = link
                        group.start_soon(
                            self._back, ctx.clock, link, datagram.origin, group
                        )
                    for delay_s, payload in self._carry(self._path.forward, datagram):
                        group.start_soon(self._there, ctx.clock, link, delay_s, payload)
        finally:
            self._listener.close()

    def _carry(self, leg: Leg, datagram: Datagram) -> list[tuple[float, bytes]]:
        """Return the copies that arrive, each with its delay from now."""
        departure_ns = datagram.raw_ns - self._start_raw_ns
        arrivals = leg.carry(datagram.payload, departure_ns)
        return [
            ((arrival.true_ns - departure_ns) / NS_PER_S, arrival.payload)
            for arrival in arrivals
        ]

    async def _there(
        self, clock: Clock, link: Link, delay_s: float, payload: bytes
    ) -> None:
        await clock.sleep(delay_s)
        try:
            await link.send(payload)
        except OSError:
            # Nobody listens there yet, or any more: a lost packet.
            return

    async def _back(
        self, clock: Clock, link: Link, client: Endpoint, group: anyio.abc.TaskGroup
    ) -> None:
        while True:
            try:
                datagram = await link.receive()
            except OSError:
                # The kernel tells of an earlier packet that nobody took; or the link
                # does nothing else any more, and must not keep others from the loop.
                await clock.sleep(_AGAIN_S)
                continue
            for delay_s, payload in self._carry(self._path.backward, datagram):
                group.start_soon(self._deliver, clock, client, delay_s, payload)

    async def _deliver(
        self, clock: Clock, client: Endpoint, delay_s: float, payload: bytes
    ) -> None:
        await clock.sleep(delay_s)
        self._listener.send(payload, client)
