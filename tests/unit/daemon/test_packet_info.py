"""`daemon.packet_info`: a client is answered from the address that it asked."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest

from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.packet_info import destination, option, source
from chronotick.daemon.udp import UdpListener, UdpTransport
from ipv6 import needs_ipv6

ANY_V4 = "0.0.0.0"  # noqa: S104 - what is tested


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "2001:db8::1", "fe80::1%2", "::ffff:192.0.2.1"]
)
def test_an_answer_leaves_from_where_the_question_came(address: str) -> None:
    """What the kernel says of one is what it is told for the other."""
    found = destination([source(address)])

    assert found is not None
    assert source(found) == source(address)


def test_only_a_port_on_all_addresses_needs_to_be_told() -> None:
    """The others have one, and stamps of the kernel are no addresses."""
    assert option("192.0.2.1") is None
    assert option("::1") is None
    assert option(ANY_V4) == (socket.IPPROTO_IP, 8)
    assert option("::") == (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)
    assert destination([(socket.SOL_SOCKET, 35, bytes(16))]) is None


def test_nothing_leaves_from_a_group() -> None:
    """All nodes of a link hear ff02::1, and each has an address of its own."""
    group = ipaddress.IPv6Address("ff02::1").packed + struct.pack("@i", 2)

    assert destination([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, group)]) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        (ANY_V4, "127.0.0.2"),
        ("::", "::ffff:127.0.0.2"),
        pytest.param("::", "::1", marks=needs_ipv6),
    ],
)
async def test_any_address_of_a_host_with_several_answers_itself(
    listen: str, asked: str
) -> None:
    """The client's port is connected: it hears nothing from anywhere else."""
    clock = HostClock()
    listener = UdpListener(Endpoint(listen, 0), clock)
    try:
        there = Endpoint(asked, listener.endpoint.port)
        async with UdpTransport(clock).open(there) as link:
            await link.send(b"ping")
            ping = await listener.receive()
            assert listener.send(b"pong", ping.origin, ping.destination)
            pong = await link.receive()
    finally:
        listener.close()

    assert pong.payload == b"pong"
    assert pong.origin == there
    assert pong.kernel_stamp
