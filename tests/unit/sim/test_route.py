"""The imagined network between hosts: who is where, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.core.records import Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import client_request, decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.refusal import SilentServer
from chronotick.sim.route import Item, Network, Node, Route
from chronotick.sim.server import HonestServer
from chronotick.sim.specs import LegSpec, PathSpec

EPOCH_NS = 1_767_225_600 * NS_PER_S
REQUEST = encode(client_request(NtpTimestamp(7)))
HERE = Endpoint("192.0.2.1", 123)
NODE = Node(
    name="a.test",
    endpoint=HERE,
    path=PathSpec(forward=LegSpec(base_us=10.0), backward=LegSpec(base_us=20.0)),
    responder=HonestServer(),
    turnaround_us=0.0,
)


def ask(node: Node, at_ns: int = 0, seed: int = 1) -> list[Item]:
    """Return what comes back for one request."""
    return Route(node, "client", seed).exchange(REQUEST, at_ns, EPOCH_NS)


def test_an_answer_takes_both_ways() -> None:
    """Stamped on arrival at the server, it comes back after the way back."""
    (item,) = ask(NODE, NS_PER_S)
    assert item.payload is not None
    reply = decode(item.payload)

    assert reply.receive.to_unix_ns() == EPOCH_NS + NS_PER_S + 10_000
    assert item.true_ns == NS_PER_S + 30_000


def test_a_server_takes_its_time() -> None:
    """Between its two stamps lies the turnaround, and the answer comes later."""
    (item,) = ask(replace(NODE, turnaround_us=500.0))
    assert item.payload is not None
    reply = decode(item.payload)

    turnaround_ns = reply.transmit - reply.receive
    assert turnaround_ns > 0
    assert item.true_ns == pytest.approx(30_000 + turnaround_ns, abs=1)


def test_a_servers_error_is_its_constant_plus_a_wander_within_its_amplitude() -> None:
    """The stamps are off by the node's own clock error, never by more."""
    node = replace(NODE, error_us=100.0, wander_us=30.0, wander_period_s=1000.0)
    route = Route(node, "client", 1)
    errors_us = []
    for second in range(0, 1000, 10):
        (item,) = route.exchange(REQUEST, second * NS_PER_S, EPOCH_NS)
        assert item.payload is not None
        true_ns = EPOCH_NS + second * NS_PER_S + 10_000
        errors_us.append((decode(item.payload).receive.to_unix_ns() - true_ns) / 1e3)

    assert 70.0 <= min(errors_us) < 73.0
    assert 127.0 < max(errors_us) <= 130.0


def test_a_servers_error_is_the_same_for_all_its_clients() -> None:
    """It belongs to the server, not to the path."""
    node = replace(NODE, wander_us=50.0)
    payloads = [
        Route(node, host, 1).exchange(REQUEST, 0, EPOCH_NS)[0].payload
        for host in ("one", "two")
    ]

    assert payloads[0] == payloads[1]


def test_a_silent_server_sends_nothing_back() -> None:
    """Silence is the absence of items."""
    assert ask(replace(NODE, responder=SilentServer())) == []


def test_a_closed_port_answers_with_an_error() -> None:
    """An item without payload is the ICMP error, and it takes both ways too."""
    (item,) = ask(replace(NODE, responder=None))

    assert item.payload is None
    assert item.true_ns == 30_000


def test_a_name_stands_for_all_its_nodes() -> None:
    """In the order given, whatever the case of the letters."""
    other = replace(NODE, name="A.test", endpoint=Endpoint("192.0.2.2", 123))
    network = Network.of([NODE, other])

    assert network.names["a.test"] == [HERE, other.endpoint]
    assert network.nodes[HERE] is NODE


def test_two_servers_at_one_address_are_refused() -> None:
    """An address is one host's."""
    with pytest.raises(ValueError, match="same address"):
        Network.of([NODE, NODE])
