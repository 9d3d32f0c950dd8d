"""The relay carries real packets along an imagined path."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import anyio
import pytest

from chrono_daemon import Supervisor
from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.ntp_relay import NtpRelay
from chronotick.daemon.ntp_server import RateLimit
from chronotick.daemon.udp import UdpListener, UdpTransport
from chronotick.eval.streaming.relay import DelayingRelay
from chronotick.sim.path import Path
from chronotick.sim.specs import LegSpec, PathSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from chronotick.core.records import Datagram

pytestmark = pytest.mark.anyio


class Broken:
    """A network whose links only fail, and at once; not for ever, to end a bad test."""

    failures = 0

    @asynccontextmanager
    async def open(self, endpoint: Endpoint) -> AsyncIterator[Self]:
        """Open what is no good."""
        yield self

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        """Know every name."""
        return [Endpoint("127.0.0.1", port)]

    async def send(self, payload: bytes) -> int:
        """Fail."""
        raise OSError(errno.EBADF, "no socket")

    async def receive(self) -> Datagram:
        """Fail."""
        self.failures += 1
        assert self.failures < 10_000
        raise OSError(errno.EBADF, "no socket")


@pytest.mark.parametrize("kind", ["delaying", "ntp"])
async def test_a_broken_link_does_not_hold_the_loop_up(kind: str) -> None:
    """Others go on meanwhile, and the relay can be stopped."""
    clock, network = HostClock(), Broken()
    door = UdpListener(Endpoint("127.0.0.1", 0), clock)
    way: DelayingRelay | NtpRelay
    if kind == "ntp":
        way = NtpRelay(door, network, clock, "server", 123, RateLimit())
    else:
        path = Path(PathSpec(forward=LegSpec(base_us=1.0)), seed=1, name="p")
        way = DelayingRelay(door, network, Endpoint("127.0.0.1", 1), path, 0)
    async with Supervisor(on_error="shutdown") as supervisor:
        supervisor.spawn(way.run, name="relay")
        async with UdpTransport(clock).open(door.endpoint) as link:
            await link.send(b"there")
            while network.failures < 3:
                await supervisor.clock.sleep(0.001)
        await supervisor.stop(grace=0)
    assert network.failures < 10_000


@asynccontextmanager
async def relay(spec: PathSpec) -> AsyncIterator[tuple[Endpoint, UdpListener]]:
    """Run a relay; yield its port, and the target that it leads to."""
    clock = HostClock()
    target = UdpListener(Endpoint("127.0.0.1", 0), clock)
    door = UdpListener(Endpoint("127.0.0.1", 0), clock)
    way = DelayingRelay(
        door,
        UdpTransport(clock),
        target.endpoint,
        Path(spec, seed=1, name="p"),
        clock.raw_ns(),
    )
    async with Supervisor() as supervisor:
        supervisor.spawn(way.run, name="relay")
        with anyio.fail_after(20):
            yield door.endpoint, target
        await supervisor.stop(grace=0)
    target.close()


async def test_packets_go_there_and_back_with_their_delays() -> None:
    """Each direction takes at least what its leg says."""
    spec = PathSpec(forward=LegSpec(base_us=2000.0), backward=LegSpec(base_us=5000.0))
    transport = UdpTransport(HostClock())
    async with relay(spec) as (door, target), transport.open(door) as link:
        sent_ns = await link.send(b"there")
        arrived = await target.receive()
        replied_ns = HostClock().raw_ns()
        target.send(b"back", arrived.origin)
        answer = await link.receive()

    assert (arrived.payload, answer.payload) == (b"there", b"back")
    assert arrived.raw_ns + arrived.stamp_error_ns - sent_ns >= 2_000_000
    assert answer.raw_ns + answer.stamp_error_ns - replied_ns >= 5_000_000


async def test_a_lost_packet_does_not_arrive() -> None:
    """What a leg loses is gone; the other leg is another matter."""
    spec = PathSpec(forward=LegSpec(base_us=0.0, loss=1.0))
    transport = UdpTransport(HostClock())
    async with relay(spec) as (door, target), transport.open(door) as link:
        await link.send(b"there")
        # A packet that goes around the path is there; the lost one never overtook it.
        async with transport.open(target.endpoint) as direct:
            await direct.send(b"direct")
            assert (await target.receive()).payload == b"direct"


async def test_answers_go_to_who_asked() -> None:
    """Two clients of one relay don't get each other's answers."""
    spec = PathSpec(forward=LegSpec(base_us=100.0))
    transport = UdpTransport(HostClock())
    async with (
        relay(spec) as (door, target),
        transport.open(door) as one,
        transport.open(door) as other,
    ):
        for link, name in ((one, b"one"), (other, b"other")):
            await link.send(name)
            asked = await target.receive()
            target.send(b"to " + asked.payload, asked.origin)
        answers = [(await link.receive()).payload for link in (one, other)]

    assert answers == [b"to one", b"to other"]
