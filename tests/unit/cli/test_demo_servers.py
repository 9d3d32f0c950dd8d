"""The demo's cast: paths as told, one liar, and real ports."""

from __future__ import annotations

import pytest

from chronotick.cli.demo_servers import CAST, LIE_NS, Stage
from chronotick.ntp import NtpTimestamp, client_request, decode, encode
from chronotick.sim.path import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("actor", CAST, ids=lambda actor: actor.name)
def test_no_path_loses_packets(actor: object) -> None:
    """A lost packet would be the demo's fault and look like the product's."""
    path = Path(actor.path, seed=1, name="test")  # type: ignore[attr-defined]

    for leg in (path.forward, path.backward):
        assert all(len(leg.carry(b"", 0)) == 1 for _ in range(200))


def test_exactly_one_lies() -> None:
    """By what the demo says it does."""
    at_ns = 1_800_000_000 * 10**9
    request = encode(client_request(NtpTimestamp(7)))
    lies = {}
    for actor in CAST:
        reply = actor.responder.reply(
            request, receive_utc_ns=at_ns, transmit_utc_ns=at_ns
        )
        assert reply is not None
        lies[actor.name] = decode(reply).transmit.to_unix_ns() - at_ns

    assert {name: round(lie, -3) for name, lie in lies.items()} == {
        "near": 0,
        "far": 0,
        "lopsided": 0,
        "liar": LIE_NS,
    }


async def test_every_server_has_a_port_of_its_own() -> None:
    """The daemon is given addresses only; they must tell the servers apart."""
    stage = Stage()

    addresses = list(stage.actors)

    assert len(set(addresses)) == len(CAST) == len(stage.services)
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    for service in stage.services:
        service._listener.close()
