"""A world: its parts come from the scenario and its history from the seed."""

from __future__ import annotations

import pytest

from chronotick.core.errors import ConfigError
from chronotick.core.records import Endpoint
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import Packet, client_request, decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.scenario import Scenario, load_scenario, scenario_names
from chronotick.sim.server_specs import (
    Claims,
    Closed,
    Denying,
    Honest,
    Kind,
    Lying,
    RateLimiting,
    ServerSpec,
    Silent,
    Smearing,
    Unsynchronized,
    WrongLeap,
)
from chronotick.sim.specs import HostSpec, LegSpec, OscillatorSpec, PathSpec
from chronotick.sim.world import EPOCH_UTC_NS, World

pytestmark = pytest.mark.anyio

PATH = PathSpec(forward=LegSpec(base_us=100.0))
REQUEST = encode(client_request(NtpTimestamp(7)))


def server(kind: Kind, **more: object) -> ServerSpec:
    """Return one server that `kind` describes."""
    return ServerSpec(name="a.test", path=PATH, serves=kind, **more)  # type: ignore[arg-type]


def answers(kind: Kind, at_s: float, count: int = 1) -> list[Packet | None]:
    """Return what that server answers at `at_s`, `count` times in a row."""
    world = World(Scenario(name="x", servers=(server(kind),)), seed=1)
    responder = world.network.nodes[Endpoint("192.0.2.1", 123)].responder
    assert responder is not None
    utc_ns = EPOCH_UTC_NS + round(at_s * NS_PER_S)
    replies = [
        responder.reply(REQUEST, receive_utc_ns=utc_ns, transmit_utc_ns=utc_ns)
        for _ in range(count)
    ]
    return [None if reply is None else decode(reply) for reply in replies]


def lead_s(kind: Kind, at_s: float) -> float:
    """Return how far ahead of UTC that server is at `at_s`."""
    (reply,) = answers(kind, at_s)
    assert reply is not None
    return (reply.receive.to_unix_ns() - EPOCH_UTC_NS) / NS_PER_S - at_s


def test_each_kind_of_server_does_what_its_name_says() -> None:
    """From the words of a scenario to the bytes on the wire."""
    (honest,) = answers(Honest(), 5.0)
    (leaping,) = answers(WrongLeap(), 5.0)
    (lost,) = answers(Unsynchronized(), 5.0)
    (denying,) = answers(Denying(code="RSTR"), 5.0)
    limited = answers(RateLimiting(min_interval_s=8.0, burst=2), 5.0, count=3)

    assert honest is not None
    assert (honest.leap, honest.stratum) == (Leap.NONE, 1)
    assert leaping is not None
    assert leaping.leap is Leap.INSERT
    assert lost is not None
    assert lost.leap is Leap.UNSYNCHRONIZED
    assert denying is not None
    assert denying.kiss_code == "RSTR"
    assert [r.kiss_code if r else "" for r in limited] == [None, None, "RATE"]
    assert answers(Silent(), 5.0) == [None]


def test_lies_are_told_from_and_until_their_instants() -> None:
    """The scenario's seconds count from the world's start."""
    lie = Lying(offset_s=2.0, from_s=10.0, until_s=20.0)
    smear = Smearing(from_s=10.0, for_s=100.0, leap_s=-1.0)

    assert [lead_s(lie, s) for s in (9.0, 10.0, 20.0)] == [0.0, 2.0, 0.0]
    assert lead_s(Lying(drift_ppb=1e6, from_s=10.0), 20.0) == pytest.approx(0.01)
    assert lead_s(smear, 60.0) == pytest.approx(-0.5)


def test_a_closed_port_has_no_server() -> None:
    """Nothing answers there."""
    world = World(Scenario(name="x", servers=(server(Closed()),)), seed=1)

    assert world.network.nodes[Endpoint("192.0.2.1", 123)].responder is None


def test_an_honest_server_is_within_its_claims() -> None:
    """A scenario that contradicts itself is refused."""
    with pytest.raises(ConfigError, match="is off by up to 60"):
        Scenario(
            name="x",
            servers=(
                server(
                    Honest(),
                    error_us=60.0,
                    claims=Claims(root_delay_us=18.0, root_dispersion_us=50.0),
                ),
            ),
        )


async def test_hosts_of_one_world_have_clocks_of_their_own() -> None:
    """They share true time and servers, not oscillators."""
    spec = HostSpec(oscillator=OscillatorSpec(random_walk_ppb=5.0))
    world = World(load_scenario("lan"), seed=1, hosts={"a": spec, "b": spec})
    await world.clock.advance(100.0)

    readings = [world.measured_clock(name).raw_ns() for name in ("a", "b")]
    assert readings[0] != readings[1]
    for name, raw_ns in zip(("a", "b"), readings, strict=True):
        assert world.true_utc_ns(raw_ns, name) == pytest.approx(world.utc_ns, abs=1)
    with pytest.raises(KeyError):
        world.host("c")


def test_entropy_is_seeded() -> None:
    """The same bytes for a seed, others for another, no end of them."""
    scenario = load_scenario("lan")
    draws = [World(scenario, seed=seed).entropy()(8) for seed in (1, 1, 2)]

    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize("name", scenario_names())
def test_every_packaged_scenario_makes_a_world(name: str) -> None:
    """Addresses are free, servers can be built, clocks run."""
    world = World(load_scenario(name), seed=1)

    assert len(world.network.nodes) == len(world.scenario.servers)
    assert world.measured_clock().pair().raw_ns >= 0
