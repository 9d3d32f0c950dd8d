"""A virtual host's clocks are functions of true time, and its packets are real."""

from __future__ import annotations

import anyio
import pytest

from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.eval.streaming.hosts import (
    RealHost,
    TrueClock,
    VirtualHost,
    VirtualSpec,
)
from chronotick.sim.specs import HostSpec, OscillatorSpec, RealtimeSpec

pytestmark = pytest.mark.anyio
START_UTC_NS = 1_767_225_600_000_000_000


def virtual(name: str = "h", error_s: float = 0.5) -> VirtualHost:
    """Return a host with a slow oscillator and a wrong system clock."""
    return VirtualHost(
        VirtualSpec(
            name=name,
            host=HostSpec(
                oscillator=OscillatorSpec(rate_ppb=40_000.0),
                realtime=RealtimeSpec(error_s=error_s),
            ),
            seed=1,
            start_raw_ns=HostClock().raw_ns() - 2_000_000_000,
            start_utc_ns=START_UTC_NS,
        )
    )


async def test_truth_is_known_of_every_stamp() -> None:
    """Any RAW of the host maps back to the true time that gave it."""
    host = virtual()
    pair = host.pair()
    true_ns = host.true_ns(pair.raw_ns)

    assert true_ns is not None
    assert abs(pair.realtime_ns - 500_000_000 - true_ns) <= 1


async def test_processes_of_one_host_agree() -> None:
    """Two objects of the same spec are the same clock."""
    spec_raw_ns = HostClock().raw_ns() - 2_000_000_000
    spec = VirtualSpec(
        name="h", host=HostSpec(), seed=3, start_raw_ns=spec_raw_ns,
        start_utc_ns=START_UTC_NS,
    )  # fmt: skip
    now = HostClock().raw_ns()

    assert VirtualHost(spec).raw_at(now) == VirtualHost(spec).raw_at(now)


async def test_a_packet_arrives_on_the_hosts_own_clock() -> None:
    """After it was sent, before it was read, by the clock of the receiving host."""
    one, other = virtual("one"), virtual("other", error_s=-0.1)
    port = other.listen(Endpoint("127.0.0.1", 0))
    before_ns = other.raw_ns()
    async with one.transport.open(port.endpoint) as link:
        sent_ns = await link.send(b"hello")
        with anyio.fail_after(10):
            datagram = await port.receive()
        port.send(b"and back", datagram.origin)
        with anyio.fail_after(10):
            answer = await link.receive()
    port.close()

    assert datagram.payload == b"hello"
    assert before_ns <= datagram.raw_ns + datagram.stamp_error_ns
    assert datagram.raw_ns <= other.raw_ns()
    assert sent_ns <= answer.raw_ns + answer.stamp_error_ns


async def test_servers_of_the_world_tell_its_true_time() -> None:
    """A server's clock and a host's truth are one."""
    start_raw_ns = HostClock().raw_ns() - 2_000_000_000
    truth = TrueClock(start_raw_ns, START_UTC_NS).pair()

    assert truth.realtime_ns - START_UTC_NS == truth.raw_ns - start_raw_ns


async def test_nobody_knows_the_truth_on_a_real_host() -> None:
    """Unknown is None."""
    assert RealHost().true_ns(5) is None
