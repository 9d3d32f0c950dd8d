"""What a node runs on: this machine, or an imagined one layered over its RAW.

Decides what a node's clocks read. A *virtual host* has an oscillator and a system clock
of its own (`chronotick.sim`), driven by this machine's CLOCK_MONOTONIC_RAW, which is
true time for it: so the truth of every stamp is known to the nanosecond, across all
processes that were told the same `VirtualSpec`. Packets and their kernel stamps are
real; a stamp is translated to the virtual RAW exactly.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Protocol

from chrono_daemon import SimClock
from chronotick.client.clock import Clock
from chronotick.core.records import ClockPair
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.udp import UdpListener, UdpTransport
from chronotick.sim.host import Host

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from chronotick.core.ports import Link, MeasuredClock, Transport
    from chronotick.core.records import Datagram, Endpoint
    from chronotick.sim.specs import HostSpec

__all__ = [
    "NodeHost",
    "Port",
    "RealHost",
    "TrueClock",
    "VirtualHost",
    "VirtualSpec",
]


class Port(Protocol):
    """A bound UDP port."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        ...

    async def receive(self) -> Datagram:
        """Wait for the next datagram, stamped with the host's RAW."""
        ...

    def send(self, payload: bytes, to: Endpoint) -> bool:
        """Send; False where it was lost at once."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class NodeHost(Protocol):
    """The clocks and the network of one node."""

    @property
    def measured(self) -> MeasuredClock:
        """The host's clocks."""
        ...

    @property
    def transport(self) -> Transport:
        """The network as its NTP client sees it."""
        ...

    def listen(self, endpoint: Endpoint) -> Port:
        """Bind a port."""
        ...

    def corrected(self, segment: str | None) -> Clock:
        """Return ChronoTick's clock, as a program on this host reads it."""
        ...

    def true_ns(self, raw_ns: int) -> int | None:
        """Return the Unix time at which RAW read `raw_ns`; None: nobody knows."""
        ...


class RealHost:
    """This machine. Its true time is unknown."""

    def __init__(self) -> None:
        self.measured: MeasuredClock = HostClock()
        self.transport: Transport = UdpTransport(self.measured)

    def listen(self, endpoint: Endpoint) -> Port:
        """Bind a port; see `NodeHost`."""
        return UdpListener(endpoint, self.measured)

    def corrected(self, segment: str | None) -> Clock:
        """Return the clock of the daemon at `segment`."""
        return Clock(segment)

    def true_ns(self, raw_ns: int) -> int | None:
        """Return None."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSpec:
    """All that a process must know to be (part of) a virtual host."""

    name: str
    host: HostSpec
    seed: int
    start_raw_ns: int
    """This machine's RAW at which the imagined world starts; it must be past."""
    start_utc_ns: int
    """True Unix time at that instant."""


class TrueClock:
    """True time in the imagined world: what its honest servers serve."""

    def __init__(self, start_raw_ns: int, start_utc_ns: int) -> None:
        self._machine = HostClock()
        self._ahead_ns = start_utc_ns - start_raw_ns

    def raw_ns(self) -> int:
        """Return this machine's RAW."""
        return self._machine.raw_ns()

    def pair(self) -> ClockPair:
        """Return RAW with true time as the system clock."""
        now = self._machine.pair()
        return now._replace(realtime_ns=now.raw_ns + self._ahead_ns, error_ns=0)


class VirtualHost:
    """An imagined host in real time; also its `MeasuredClock`."""

    def __init__(self, spec: VirtualSpec) -> None:
        self._machine = HostClock()
        self._start_raw_ns = spec.start_raw_ns
        # Only its functions of true time are used; nobody moves its virtual clock.
        self._host = Host(
            spec.name,
            spec.host,
            seed=spec.seed,
            clock=SimClock(),
            epoch_utc_ns=spec.start_utc_ns,
        )
        self.measured: MeasuredClock = self
        self.transport: Transport = _VirtualTransport(self, self._machine)

    def raw_ns(self) -> int:
        """Return the host's own RAW now."""
        return self.raw_at(self._machine.raw_ns())

    def pair(self) -> ClockPair:
        """Return the host's own clocks, read together."""
        now = self._machine.pair()
        true_ns = now.raw_ns - self._start_raw_ns
        return ClockPair(
            raw_ns=self._host.raw_at(true_ns),
            realtime_ns=self._host.realtime_at(true_ns),
            # The two are functions of one reading: there is no time between them.
            error_ns=1,
            suspend_ns=now.suspend_ns,
        )

    def raw_at(self, machine_raw_ns: int) -> int:
        """Return the host's RAW when this machine's read `machine_raw_ns`."""
        return self._host.raw_at(machine_raw_ns - self._start_raw_ns)

    def localized(self, datagram: Datagram) -> Datagram:
        """Return `datagram` with its arrival on the host's own RAW."""
        # The error bound is a duration: a few hundred ns, the same on both but for ppm.
        error_ns = datagram.stamp_error_ns + 1
        raw_ns = self.raw_at(datagram.raw_ns)
        return replace(datagram, raw_ns=raw_ns, stamp_error_ns=error_ns)

    def listen(self, endpoint: Endpoint) -> Port:
        """Bind a port; see `NodeHost`."""
        return _VirtualPort(self, UdpListener(endpoint, self._machine))

    def corrected(self, segment: str | None) -> Clock:
        """Return the clock of the host's own daemon."""
        return Clock(segment, clocks=_VirtualClocks(self, self._machine))

    def true_ns(self, raw_ns: int) -> int | None:
        """Return the Unix time at which the host's RAW read `raw_ns`."""
        return self._host.true_utc_ns(raw_ns)


class _VirtualClocks:
    """`chronotick.client.clock.HostClocks` of a virtual host."""

    # Linux's numbers (uapi/linux/time.h), as the client asks by them.
    _REALTIME = 0
    _RAW = 4

    def __init__(self, host: VirtualHost, machine: HostClock) -> None:
        self._host = host
        self._machine = machine

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Return the host's RAW or system time; else what differs by suspend alone."""
        if clk_id == self._RAW:
            return self._host.raw_ns()
        if clk_id == self._REALTIME:
            return self.time_ns()
        return self._machine.raw_ns()

    def time_ns(self) -> int:
        """Return the host's system time."""
        return self._host.pair().realtime_ns

    def sleep(self, seconds: float, /) -> None:
        """Suspend the thread."""
        Event().wait(seconds)


class _VirtualPort:
    """A real port whose arrivals are on the virtual RAW."""

    def __init__(self, host: VirtualHost, port: UdpListener) -> None:
        self._host = host
        self._port = port

    @property
    def endpoint(self) -> Endpoint:
        return self._port.endpoint

    async def receive(self) -> Datagram:
        return self._host.localized(await self._port.receive())

    def send(self, payload: bytes, to: Endpoint) -> bool:
        return self._port.send(payload, to)

    def close(self) -> None:
        self._port.close()


class _VirtualTransport:
    """The real network, with both stamps on the virtual RAW."""

    def __init__(self, host: VirtualHost, machine: HostClock) -> None:
        self._host = host
        self._real = UdpTransport(machine)

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        return await self._real.resolve(host, port)

    @asynccontextmanager
    async def open(self, endpoint: Endpoint) -> AsyncGenerator[Link, None]:
        async with self._real.open(endpoint) as link:
            yield _VirtualLink(self._host, link)


class _VirtualLink:
    def __init__(self, host: VirtualHost, link: Link) -> None:
        self._host = host
        self._link = link

    async def send(self, payload: bytes) -> int:
        return self._host.raw_at(await self._link.send(payload))

    async def receive(self) -> Datagram:
        return self._host.localized(await self._link.receive())
