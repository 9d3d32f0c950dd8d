"""The imagined sockets: what a daemon is handed, when, and with which stamps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from chronotick.core.errors import ChronotickError
from chronotick.core.records import Datagram, Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.ntp.packet import client_request, decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.network import SimTransport
from chronotick.sim.scenario import Scenario
from chronotick.sim.server_specs import Closed, ServerSpec, Silent
from chronotick.sim.specs import (
    ClockStep,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    PathSpec,
    RealtimeSpec,
    Stop,
)
from chronotick.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

REQUEST = encode(client_request(NtpTimestamp(7)))
PATH = PathSpec(forward=LegSpec(base_us=1000.0))
QUIET = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=0.0)
FIRST = Endpoint("192.0.2.1", 123)


def world(*servers: ServerSpec, **host: Any) -> World:
    """Return a world of these servers, one honest one by default."""
    spec = HostSpec(**({"oscillator": QUIET} | host))
    listed = servers or (ServerSpec(name="a.test", path=PATH),)
    return World(Scenario(name="test", host=spec, servers=listed), seed=1)


async def run(world: World, job: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Run `job` while `seconds` of virtual time pass, then end it."""

    async def call() -> None:
        await job()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await world.clock.advance(seconds)
        group.cancel_scope.cancel()


async def exchange(world: World, got: list[Any], at: Endpoint = FIRST) -> None:
    """Send one request to `at` and note what comes back."""
    async with world.transport().open(at) as link:
        got.append(await link.send(REQUEST))
        try:
            got.append(await link.receive())
        except OSError as error:
            got.append(error)


async def test_an_exchange_measures_the_offset() -> None:
    """The stamps are those of RFC 5905 §8 and give UTC − RAW within delay/2."""
    here, got = world(), list[Any]()
    await run(here, partial(exchange, here, got), 1.0)
    sent_raw_ns, datagram = got
    reply = decode(datagram.payload)

    assert isinstance(datagram, Datagram)
    assert datagram.origin == FIRST
    assert datagram.kernel_stamp
    delay_ns = datagram.raw_ns - sent_raw_ns
    assert 2_000_000 <= delay_ns < 3_000_000
    middle_raw_ns = (datagram.raw_ns + sent_raw_ns) // 2
    middle_utc_ns = (reply.receive.to_unix_ns() + reply.transmit.to_unix_ns()) // 2
    truth_ns = here.true_utc_ns(middle_raw_ns)
    assert abs(middle_utc_ns - truth_ns) < delay_ns // 2 - 900_000


async def test_a_kernel_stamp_is_within_its_stated_error_of_the_arrival() -> None:
    """However late the application wakes."""
    here = world(wake_latency_us=20_000.0, stamp_error_ns=500, send_latency_us=0.0)
    got: list[Any] = []
    node = here.network.nodes[FIRST]
    assert node.responder is not None
    await run(here, partial(exchange, here, got), 1.0)
    sent_raw_ns, datagram = got
    reply = decode(datagram.payload)
    turnaround_ns = reply.transmit - reply.receive

    flight_ns = datagram.raw_ns - sent_raw_ns - turnaround_ns
    assert abs(flight_ns - 2_000_000) <= datagram.stamp_error_ns + 2


async def test_without_kernel_stamps_arrivals_look_late_never_early() -> None:
    """The user-space read serves, and says so."""
    here, got = world(wake_latency_us=5_000.0, kernel_stamps=False), list[Any]()
    await run(here, partial(exchange, here, got), 1.0)
    sent_raw_ns, datagram = got

    assert not datagram.kernel_stamp
    assert datagram.raw_ns - sent_raw_ns > 2_000_000


async def test_a_step_of_the_system_clock_spoils_the_kernel_stamp() -> None:
    """It happened between send and read: the mapping would be wrong by the step."""
    step = RealtimeSpec(steps=(ClockStep(at_s=0.001, by_s=5.0),))
    here, got = world(realtime=step), list[Any]()
    await run(here, partial(exchange, here, got), 1.0)

    assert not got[1].kernel_stamp


async def test_a_closed_port_is_an_oserror() -> None:
    """ECONNREFUSED comes out of `receive`, as from a connected UDP socket."""
    here = world(ServerSpec(name="a.test", path=PATH, serves=Closed()))
    got: list[Any] = []
    await run(here, partial(exchange, here, got), 1.0)

    assert isinstance(got[1], ConnectionRefusedError)


@pytest.mark.parametrize("at", [FIRST, Endpoint("203.0.113.9", 123)])
async def test_nobody_answers_for_ever(at: Endpoint) -> None:
    """A silent server and an address without one look the same."""
    here = world(ServerSpec(name="a.test", path=PATH, serves=Silent()))
    got: list[Any] = []
    await run(here, partial(exchange, here, got, at), 100.0)

    assert len(got) == 1


async def test_a_packet_that_overtakes_is_received_first() -> None:
    """A wait for a later packet ends when an earlier one is on its way."""
    slow = LegSpec(base_us=500_000.0, reordering=0.0)
    late = ServerSpec(name="a.test", path=PathSpec(forward=slow))
    here, got = world(late), list[Datagram]()
    other = encode(client_request(NtpTimestamp(8)))

    async def receive_two(link: Any) -> None:
        got.append(await link.receive())
        got.append(await link.receive())

    transport = here.transport()
    assert isinstance(transport, SimTransport)

    async def job() -> None:
        async with (
            transport.open(FIRST) as link,
            anyio.create_task_group() as group,
        ):
            # One packet in flight; another, sent later, that is faster.
            await link.send(REQUEST)
            group.start_soon(receive_two, link)
            await here.clock.sleep(0.1)
            route = transport.route(FIRST)
            assert route is not None
            (item,) = route.exchange(other, 100_000_000, here.epoch_utc_ns)
            link._expect(item._replace(true_ns=200_000_000))

    await run(here, job, 5.0)

    assert [decode(d.payload).origin.bits for d in got] == [8, 7]


async def test_a_suspended_host_misses_its_answers() -> None:
    """What arrives while the network card is off is lost."""
    asleep = OscillatorSpec(suspends=(Stop(at_s=0.001, for_s=10.0),))
    here, got = world(oscillator=asleep), list[Any]()
    await run(here, partial(exchange, here, got), 100.0)

    assert len(got) == 1


async def test_names_resolve_after_a_while_and_numbers_stand_for_themselves() -> None:
    """A name gives all its addresses at that port, in order; nobody is an error."""
    pool = [ServerSpec(name="pool.test", path=PATH) for _ in range(2)]
    here, got = world(*pool), list[Any]()
    transport = here.transport()

    async def job() -> None:
        got.append(await transport.resolve("Pool.Test", 123))
        got.append(await transport.resolve("2001:db8::1", 1123))
        for host, port in (("pool.test", 124), ("nobody.test", 123)):
            try:
                await transport.resolve(host, port)
            except OSError as error:
                got.append(error.strerror)

    await run(here, job, 10.0)

    assert got == [
        [FIRST, Endpoint("192.0.2.2", 123)],
        [Endpoint("2001:db8::1", 1123)],
        "Name or service not known",
        "Name or service not known",
    ]


async def test_a_link_is_used_while_it_is_open() -> None:
    """Before and after, it is an error as for a closed socket."""
    transport = world().transport()
    assert isinstance(transport, SimTransport)
    link = transport.open(FIRST)

    with pytest.raises(OSError, match="not open"):
        await link.send(REQUEST)


async def test_exchanges_replay() -> None:
    """One seed gives the same stamps twice; another seed gives others."""

    async def stamps(seed: int) -> list[Any]:
        scenario = world().scenario
        here, got = World(scenario, seed=seed), list[Any]()
        await run(here, partial(exchange, here, got), 1.0)
        return got

    assert await stamps(1) == await stamps(1)
    assert await stamps(1) != await stamps(2)


def test_two_servers_at_one_address_are_a_configuration_error() -> None:
    """It is found when the world is built."""
    twice = [ServerSpec(name="a.test", address="192.0.2.9", path=PATH)] * 2

    with pytest.raises(ChronotickError, match="same address"):
        world(*twice)


def test_a_numeric_name_is_an_address_that_nobody_else_is_given() -> None:
    """Each server is found where the daemon asks for it, and tells its own time."""
    here = world(
        ServerSpec(name="a.test", path=PATH),
        ServerSpec(name="192.0.2.1", path=PATH),
        ServerSpec(name="b.test", path=PATH),
        ServerSpec(name="2001:db8::1", path=PATH),
    )
    nodes = here.network.nodes
    assert [node.name for node in nodes.values()] == [
        "a.test", "192.0.2.1", "b.test", "2001:db8::1",
    ]  # fmt: skip
    assert len({endpoint.address for endpoint in nodes}) == 4
    assert nodes[Endpoint("192.0.2.1", 123)].name == "192.0.2.1"
    assert nodes[Endpoint("2001:db8::1", 123)].name == "2001:db8::1"


def test_beyond_254_servers_need_addresses_of_their_own() -> None:
    """As many as there are, then; without, one line says so."""
    own = [
        ServerSpec(name=f"s{i}.test", address=f"10.0.{i // 200}.{i % 200}", path=PATH)
        for i in range(300)
    ]
    assert len(world(*own).network.nodes) == 300
    with pytest.raises(ChronotickError, match="give each an address"):
        world(*[ServerSpec(name=f"s{i}.test", path=PATH) for i in range(300)])


def test_the_truth_reaches_beyond_now() -> None:
    """Where RAW will be is known, so corrections can be judged ahead of time."""
    here = world()
    raw_ns = here.measured_clock().raw_ns() + 3600 * NS_PER_S

    assert here.true_utc_ns(raw_ns) == here.epoch_utc_ns + 3600 * NS_PER_S
