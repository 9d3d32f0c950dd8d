"""An imagined host's network: names, sockets, and the stamps that a kernel gives.

Decides when a packet is handed to the daemon and with which stamps. What becomes of it
between the hosts is `chronotick.sim.route`'s business.
"""

from __future__ import annotations

import errno
import ipaddress
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Self

import anyio

from chronotick.core.records import Datagram, Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.sim.dice import Dice
from chronotick.sim.host import true_now_ns
from chronotick.sim.route import Item, Route

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from chrono_daemon import SimClock
    from chronotick.sim.host import Host
    from chronotick.sim.route import Network

__all__ = ["SimLink", "SimTransport"]

_NS_PER_US = 1_000.0
# As in the daemon's socket module: beyond this the system clock was stepped, and a
# stamp on it means nothing.
_MAX_PAIR_SHIFT_NS = 1_000_000
_EAI_NONAME = -2


class SimTransport:
    """The network as one host sees it (`chronotick.core.ports.Transport`)."""

    def __init__(
        self,
        network: Network,
        host: Host,
        *,
        seed: int,
        clock: SimClock,
        epoch_utc_ns: int,
    ) -> None:
        self.network = network
        self.host = host
        self.clock = clock
        self.epoch_utc_ns = epoch_utc_ns
        self.dice = Dice(seed, f"{host.name}/stamps")
        self._seed = seed
        self._routes: dict[Endpoint, Route] = {}
        self._lookups: dict[str, Dice] = {}

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        """Return the addresses of `host`: a numeric one is its own.

        Raises:
            OSError: nobody has that name.
        """
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return [Endpoint(host, port)]
        key = host.lower()
        dice = self._lookups.get(key)
        if dice is None:
            dice = self._lookups[key] = Dice(self._seed, f"{self.host.name}/dns/{key}")
        # A time of its own for each name, also so that no two look-ups end at once:
        # the order of what happens is then the same on every event loop.
        await self.host.timers.sleep(dice.exponential(self.network.dns_ms) / 1e3)
        found = [e for e in self.network.names.get(key, ()) if e.port == port]
        if not found:
            raise OSError(_EAI_NONAME, "Name or service not known")
        return found

    def open(self, endpoint: Endpoint) -> SimLink:
        """Return a fresh port towards `endpoint`, to be entered."""
        return SimLink(self, endpoint)

    def route(self, endpoint: Endpoint) -> Route | None:
        """Return the way to `endpoint`, None where nobody is."""
        route = self._routes.get(endpoint)
        if route is None:
            node = self.network.nodes.get(endpoint)
            if node is None:
                return None
            route = self._routes[endpoint] = Route(node, self.host.name, self._seed)
        return route


class SimLink:
    """One ephemeral port (`chronotick.core.ports.Link`) and its context manager."""

    def __init__(self, transport: SimTransport, endpoint: Endpoint) -> None:
        self._transport = transport
        self._host = transport.host
        self._endpoint = endpoint
        self._inbox: list[Item] = []
        self._count = 0
        self._is_open = False
        self._waiting: anyio.CancelScope | None = None
        self._shift_ns = 0

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False

    async def send(self, payload: bytes) -> int:
        """Send `payload`; return RAW just before it left.

        Raises:
            OSError: the link is not open.
        """
        self._check_open()
        transport, host = self._transport, self._host
        now_ns = true_now_ns(transport.clock)
        self._shift_ns = self._pairing_ns(now_ns)
        latency_us = transport.dice.exponential(host.spec.send_latency_us)
        route = transport.route(self._endpoint)
        if route is not None:
            left_ns = now_ns + round(latency_us * _NS_PER_US)
            for item in route.exchange(payload, left_ns, transport.epoch_utc_ns):
                self._expect(item)
        return host.raw_at(now_ns)

    async def receive(self) -> Datagram:
        """Wait for the next datagram.

        Raises:
            OSError: the link is not open, or the port is closed at the other end.
        """
        self._check_open()
        clock = self._transport.clock
        # Taken when a packet is first in line, so that waiting for it twice, because
        # another one overtook it, costs it no second latency.
        while True:
            item = self._inbox[0] if self._inbox else None
            with anyio.CancelScope() as self._waiting:
                if item is None:
                    await anyio.sleep_forever()
                else:
                    await clock.wait_until(item.true_ns / NS_PER_S)
            self._waiting = None
            if self._inbox and self._inbox[0].true_ns <= true_now_ns(clock):
                return await self._read(heappop(self._inbox))

    def _expect(self, item: Item) -> None:
        """Note what will arrive, and wake whoever waits for something later."""
        heard_ns = self._host.hears_at(item.true_ns)
        if heard_ns is None:
            return
        self._count += 1
        heappush(self._inbox, Item(heard_ns, self._count, item.payload))
        if self._waiting is not None and self._inbox[0].order == self._count:
            self._waiting.cancel()

    async def _read(self, item: Item) -> Datagram:
        """Let the application wake up, then stamp the arrival as a kernel would."""
        transport, spec = self._transport, self._host.spec
        wake_us = transport.dice.exponential(spec.wake_latency_us)
        read_ns = item.true_ns + round(wake_us * _NS_PER_US)
        await transport.clock.wait_until(read_ns / NS_PER_S)
        if item.payload is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        # A stamp is on REALTIME and is mapped through a pairing of both clocks: what
        # the system clock did since the send goes into the error.
        shift_ns = abs(self._pairing_ns(read_ns) - self._shift_ns)
        read_raw_ns = self._host.raw_at(read_ns)
        if not spec.kernel_stamps or shift_ns > _MAX_PAIR_SHIFT_NS:
            return Datagram(
                payload=item.payload,
                origin=self._endpoint,
                raw_ns=read_raw_ns,
                kernel_stamp=False,
            )
        limit_ns = spec.stamp_error_ns
        off_ns = round((2.0 * transport.dice.uniform() - 1.0) * limit_ns)
        age_ns = self._host.realtime_at(read_ns) - self._host.realtime_at(item.true_ns)
        return Datagram(
            payload=item.payload,
            origin=self._endpoint,
            raw_ns=min(read_raw_ns - age_ns + off_ns, read_raw_ns),
            kernel_stamp=True,
            stamp_error_ns=limit_ns + shift_ns,
        )

    def _pairing_ns(self, true_ns: int) -> int:
        return self._host.realtime_at(true_ns) - self._host.raw_at(true_ns)

    def _check_open(self) -> None:
        if not self._is_open:
            raise OSError(errno.EBADF, "the link is not open")
