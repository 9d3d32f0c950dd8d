"""A network for unit tests: servers as functions, delays on the schedule clock."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chrono_daemon import SimClock, open_channel
from chronotick.core.records import ClockPair, Datagram, Endpoint
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.ntp import Mode, NtpShort, NtpTimestamp, decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

UTC_AT_ZERO_NS = 1_790_000_000 * NS_PER_S


class SimMeasuredClock:
    """RAW is the schedule clock times 1 + 20 ppm; UTC is the schedule clock."""

    def __init__(self, schedule: SimClock) -> None:
        self._schedule = schedule

    def raw_ns(self) -> int:
        """Return RAW now."""
        return round(self._schedule.now() * (NS_PER_S - 20_000))

    def utc_ns(self) -> int:
        """Return the truth."""
        return UTC_AT_ZERO_NS + round(self._schedule.now() * NS_PER_S)

    def pair(self) -> ClockPair:
        """Return the clocks, REALTIME being a second wrong."""
        return ClockPair(self.raw_ns(), self.utc_ns() + NS_PER_S, 0, 0)


def honest(request: bytes, utc_ns: int) -> list[bytes]:
    """Answer as a stratum 1 server that is right."""
    asked = decode(request)
    stamp = NtpTimestamp.from_unix_ns(utc_ns)
    reply = replace(
        asked,
        mode=Mode.SERVER,
        stratum=1,
        precision=-24,
        root_dispersion=NtpShort.from_ns(1_000),
        origin=asked.transmit,
        receive=stamp,
        transmit=stamp,
    )
    return [encode(reply)]


def unsynchronized(request: bytes, utc_ns: int) -> list[bytes]:
    """Answer that there is no time here yet."""
    reply = decode(honest(request, utc_ns)[0])
    return [encode(replace(reply, leap=Leap.UNSYNCHRONIZED, stratum=16))]


def kiss(code: bytes) -> Callable[[bytes, int], list[bytes]]:
    """Return a server that answers with a kiss code."""

    def answer(request: bytes, _utc_ns: int) -> list[bytes]:
        asked = decode(request)
        reply = replace(
            asked,
            mode=Mode.SERVER,
            stratum=0,
            origin=asked.transmit,
            reference_id=int.from_bytes(code, "big"),
        )
        return [encode(reply)]

    return answer


def silent(_request: bytes, _utc_ns: int) -> list[bytes]:
    """Never answer."""
    return []


@dataclass
class FakeNetwork:
    """A `Transport`; `servers` maps an address to what answers there."""

    clock: SimClock
    servers: Mapping[str, Callable[[bytes, int], list[bytes]]]
    names: dict[str, list[str]] = field(default_factory=dict)
    one_way_s: float = 0.005
    here: str | None = None
    """Our own address."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    """Every request: when, and to which address."""

    def __post_init__(self) -> None:
        self.measured = SimMeasuredClock(self.clock)

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        """Look the name up; addresses stand for themselves."""
        if host in self.names:
            return [Endpoint(address, port) for address in self.names[host]]
        if host in self.servers:
            return [Endpoint(host, port)]
        raise OSError(-2, "Name or service not known")

    @asynccontextmanager
    async def open(self, endpoint: Endpoint) -> AsyncGenerator[FakeLink, None]:
        """Open a port."""
        yield FakeLink(self, endpoint)


class FakeLink:
    """One port; the answers are computed at the send and wait for their time."""

    def __init__(self, network: FakeNetwork, endpoint: Endpoint) -> None:
        self._network = network
        self._endpoint = endpoint
        self._answers: list[bytes] = []

    async def send(self, payload: bytes) -> int:
        """Let the server answer."""
        network = self._network
        network.asked.append((network.clock.now(), self._endpoint.address))
        arrives_ns = network.measured.utc_ns() + round(network.one_way_s * NS_PER_S)
        server = network.servers[self._endpoint.address]
        self._answers = server(payload, arrives_ns)
        return network.measured.raw_ns()

    async def receive(self) -> Datagram:
        """Hand the next answer over after the round trip, or wait for ever."""
        network = self._network
        if not self._answers:
            await open_channel(0).recv.receive()
        await network.clock.sleep(2 * network.one_way_s)
        return Datagram(
            payload=self._answers.pop(0),
            origin=self._endpoint,
            raw_ns=network.measured.raw_ns(),
            kernel_stamp=True,
            destination=network.here,
        )
