"""`daemon.source`: polls on the schedule clock, obeys, fails over, never gives up."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chrono_daemon import SimClock, Supervisor, open_channel
from chronotick.core.units import NS_PER_S
from chronotick.daemon.pace import SILENT
from chronotick.daemon.source import Shared, SourceSettings, poll_server
from chronotick.ntp import ExchangeLimits, PollPolicy, decode, encode
from unit.daemon.network import FakeNetwork, honest, kiss, silent, unsynchronized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrono_daemon import Channel
    from chronotick.core.records import Endpoint, Exchange

pytestmark = pytest.mark.anyio

POLICY = PollPolicy(
    burst_count=3, burst_interval_s=2.0, min_poll_s=16.0, max_poll_s=64.0
)


def counting() -> Callable[[int], bytes]:
    """Return an entropy source whose cookies differ and whose jitter is near zero."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def settings_for(host: str, *, is_public: bool = True) -> SourceSettings:
    """Return how a server is polled in all of these tests."""
    return SourceSettings(
        name=host,
        host=host,
        port=123,
        is_public=is_public,
        policy=POLICY,
        limits=ExchangeLimits(timeout_s=1.0),
    )


async def run(
    network: FakeNetwork,
    host: str,
    seconds: float,
    *,
    is_public: bool = True,
    back_s: float | None = None,
) -> list[Exchange]:
    """Poll `host` for some simulated time; return how the polls ended.

    At `back_s` another server answers that had been silent, too.
    """
    shared = Shared()
    settings = settings_for(host, is_public=is_public)
    channel: Channel[Exchange] = open_channel(1000)
    async with Supervisor(clock=network.clock) as supervisor:
        supervisor.spawn(
            poll_server,
            settings,
            network,
            counting(),
            channel.send,
            shared,
        )
        if back_s is not None:
            await network.clock.advance(back_s)
            shared.pace.answered(SILENT)
            seconds -= back_s
        await network.clock.advance(seconds)
        await supervisor.stop(grace=0)
    return [exchange async for exchange in channel.recv]


async def run_all(network: FakeNetwork, seconds: float) -> dict[str, list[Exchange]]:
    """Poll all of the network's names; return how the polls of each ended."""
    shared = Shared()
    channels: dict[str, Channel[Exchange]] = {
        name: open_channel(1000) for name in network.names
    }
    async with Supervisor(clock=network.clock) as supervisor:
        for name, channel in channels.items():
            settings = settings_for(name)
            supervisor.spawn(
                poll_server,
                settings,
                network,
                counting(),
                channel.send,
                shared,
                name=name,
            )
        await network.clock.advance(seconds)
        await supervisor.stop(grace=0)
    return {name: [e async for e in each.recv] for name, each in channels.items()}


async def test_a_burst_then_politeness() -> None:
    """Three polls two seconds apart, then sixteen seconds at least."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": honest})
    exchanges = await run(network, "192.0.2.1", 60.0)
    times = [at for at, _ in network.asked]
    gaps = [late - early for early, late in itertools.pairwise(times)]
    assert times[0] == 0.0
    assert all(2.0 <= gap < 2.3 for gap in gaps[:2])
    assert all(16.0 <= gap < 17.7 for gap in gaps[2:])
    assert {exchange.state for exchange in exchanges} == {"ok"}
    assert exchanges[2].reach == 0b111


async def test_a_sample_measures_the_truth() -> None:
    """Symmetric path: the offset is UTC − RAW to the nanosecond, the delay the trip."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": honest})
    exchanges = await run(network, "192.0.2.1", 5.0)
    sample = exchanges[-1].sample
    assert sample is not None
    assert abs(sample.delay_ns - 10_000_000) < 1_000
    true_offset_ns = (1_790_000_000 * NS_PER_S) + sample.raw_ns * 20_000 // NS_PER_S
    assert abs(sample.offset_ns - true_offset_ns) < 1_000
    assert sample.span.holds(true_offset_ns)


async def test_a_silent_server_is_asked_again_and_backed_off() -> None:
    """Each poll ends as lost, says so, and the waits grow."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": silent})
    exchanges = await run(network, "192.0.2.1", 300.0)
    assert {exchange.state for exchange in exchanges} == {"lost"}
    assert "no answer" in exchanges[0].detail
    assert exchanges[-1].reach == 0
    assert exchanges[-1].poll_s > 60.0


async def test_a_server_that_has_no_time_yet_is_asked_at_the_usual_pace() -> None:
    """It came up with us after a power cut, and needs half an hour itself."""

    def later(request: bytes, utc_ns: int) -> list[bytes]:
        is_ready = network.clock.now() >= 1800.0
        return (honest if is_ready else unsynchronized)(request, utc_ns)

    network = FakeNetwork(SimClock(), {"192.0.2.1": later})
    exchanges = await run(network, "192.0.2.1", 1800.0 + 80.0)
    waits = [exchange.poll_s for exchange in exchanges]

    assert exchanges[-1].state == "ok"
    assert {exchange.state for exchange in exchanges[:-2]} == {"rejected"}
    assert all(16.0 <= wait_s < 71.0 for wait_s in waits[POLICY.burst_count :])
    assert waits[-3] >= 64.0


async def test_once_the_network_is_back_a_server_gets_three_tries() -> None:
    """The first packet of a path that loses some is no better than the others."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": silent})
    await run(network, "192.0.2.1", 4000.0, back_s=3000.0)
    times = [at for at, _ in network.asked]
    before, after = (
        [t for t in times if (t < 3000.0) is side] for side in (True, False)
    )
    gaps = [late - early for early, late in itertools.pairwise(after)]
    assert before[-1] < 3000.0 - 16.0
    assert after[0] == 3000.0
    assert all(16.0 <= gap < 19.0 for gap in gaps[:2])
    assert all(gap > 900.0 for gap in gaps[2:])
    assert len(after) == SILENT


async def test_garbage_is_counted_and_the_real_answer_taken() -> None:
    """Whatever comes first, the reply that echoes the cookie ends the wait."""

    def noisy(request: bytes, utc_ns: int) -> list[bytes]:
        return [b"", b"\xff" * 48, bytes(200), *honest(request, utc_ns)]

    network = FakeNetwork(SimClock(), {"192.0.2.1": noisy})
    exchanges = await run(network, "192.0.2.1", 1.0)
    assert [exchange.state for exchange in exchanges] == ["ok"]
    assert sum(exchanges[0].rejected.values()) == 3


async def test_a_name_without_address_is_looked_up_again() -> None:
    """Unresolved now, served once the name exists."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": honest})
    settings = settings_for("time.example")
    channel: Channel[Exchange] = open_channel(1000)
    async with Supervisor(clock=network.clock) as supervisor:
        supervisor.spawn(
            poll_server,
            settings,
            network,
            counting(),
            channel.send,
            Shared(),
        )
        await network.clock.advance(1.0)
        network.names["time.example"] = ["192.0.2.1"]
        await network.clock.advance(60.0)
        await supervisor.stop(grace=0)
    states = [exchange.state async for exchange in channel.recv]
    assert states[0] == "unresolved"
    assert states[-1] == "ok"


async def test_a_dead_address_gives_way_to_the_next_one() -> None:
    """Three polls without an answer, and the name's second address is asked."""
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": silent, "192.0.2.2": honest},
        names={"time.example": ["192.0.2.1", "192.0.2.2"]},
    )
    exchanges = await run(network, "time.example", 120.0)
    states = [exchange.state for exchange in exchanges]
    assert states[:3] == ["lost"] * 3
    assert set(states[3:]) == {"ok"}
    assert str(exchanges[-1].endpoint) == "192.0.2.2:123"


async def test_addresses_are_kept_where_the_resolver_is_gone() -> None:
    """The network was away, and is back without its resolver: NTP needs none."""

    class WithoutResolver(FakeNetwork):
        async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
            if self.asked:
                raise OSError(-3, "Temporary failure in name resolution")
            return await super().resolve(host, port)

    def later(request: bytes, utc_ns: int) -> list[bytes]:
        return honest(request, utc_ns) if len(network.asked) > 4 else []

    network = WithoutResolver(
        SimClock(), {"192.0.2.1": later}, names={"time.example": ["192.0.2.1"]}
    )
    exchanges = await run(network, "time.example", 400.0)
    states = [exchange.state for exchange in exchanges]
    assert states[-1] == "ok"
    assert "unresolved" not in states


async def test_an_address_without_route_gives_way_at_once() -> None:
    """An OSError (say, no IPv6 here) doesn't cost three polls."""

    def no_route(_request: bytes, _utc_ns: int) -> list[bytes]:
        raise OSError(101, "Network is unreachable")

    network = FakeNetwork(
        SimClock(),
        {"2001:db8::1": no_route, "192.0.2.2": honest},
        names={"time.example": ["2001:db8::1", "192.0.2.2"]},
    )
    exchanges = await run(network, "time.example", 3.0)
    assert [exchange.state for exchange in exchanges] == ["lost", "ok"]
    assert exchanges[-1].reach == 0b01


async def test_rate_slows_down_for_good() -> None:
    """After RATE the burst is over and no two polls are closer than twice the floor."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": kiss(b"RATE")})
    exchanges = await run(network, "192.0.2.1", 200.0)
    gaps = [late - early for (early, _), (late, _) in itertools.pairwise(network.asked)]
    assert gaps[0] >= 32.0
    assert gaps[1] >= 64.0
    assert exchanges[0].state == "rejected"
    assert "RATE" in exchanges[0].detail


@pytest.mark.parametrize("code", [b"DENY", b"RSTR"])
async def test_a_server_that_refuses_is_never_asked_again(code: bytes) -> None:
    """DENY and RSTR end it; the report says so."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": kiss(code)})
    exchanges = await run(network, "192.0.2.1", 100_000.0)
    assert [exchange.state for exchange in exchanges] == ["denied"]
    assert code.decode() in exchanges[0].detail
    assert len(network.asked) == 1


def states_logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the states that the log was told of, in order."""
    said = [record.getMessage() for record in caplog.records]
    return [each.split("state=")[1].split()[0] for each in said if "state=" in each]


async def test_a_packet_that_is_lost_now_and_then_is_not_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two of three polls for hours, and the log has not a line."""
    polls = itertools.count()

    def lossy(request: bytes, utc_ns: int) -> list[bytes]:
        return honest(request, utc_ns) if next(polls) % 3 == 0 else []

    network = FakeNetwork(SimClock(), {"192.0.2.1": lossy})
    with caplog.at_level("INFO"):
        ended = await run(network, "192.0.2.1", 20_000.0)

    assert sum(exchange.state == "lost" for exchange in ended) > 100
    assert states_logged(caplog) == []


async def test_a_server_that_is_gone_is_said_at_the_third_loss_and_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once each; one that was never there is said to be gone, too."""
    polls = itertools.count()

    def goes(request: bytes, utc_ns: int) -> list[bytes]:
        return [] if 4 <= next(polls) < 12 else honest(request, utc_ns)

    network = FakeNetwork(SimClock(), {"192.0.2.1": goes})
    with caplog.at_level("INFO"):
        await run(network, "192.0.2.1", 20_000.0)
    assert states_logged(caplog) == ["lost", "ok"]

    caplog.clear()
    for polled_s, said in ((3.5, []), (30.0, ["lost"])):
        network = FakeNetwork(SimClock(), {"192.0.2.1": silent})
        with caplog.at_level("INFO"):
            await run(network, "192.0.2.1", polled_s)
        assert states_logged(caplog) == said


async def test_what_a_server_says_is_said_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That it has no time, from its first answer to its last; no loss amid them."""
    polls = itertools.count()

    def restarts(request: bytes, utc_ns: int) -> list[bytes]:
        answers = [honest, unsynchronized, silent, unsynchronized, silent, honest]
        return answers[min(next(polls), 5)](request, utc_ns)

    network = FakeNetwork(SimClock(), {"192.0.2.1": restarts})
    with caplog.at_level("INFO"):
        await run(network, "192.0.2.1", 1000.0)

    assert states_logged(caplog) == ["rejected", "ok"]


async def test_a_network_that_refuses_is_weather() -> None:
    """An OSError of the kernel is a lost poll with its text, not a crash."""

    def refuse(_request: bytes, _utc_ns: int) -> list[bytes]:
        raise ConnectionRefusedError(111, "Connection refused")

    network = FakeNetwork(SimClock(), {"192.0.2.1": refuse})
    exchanges = await run(network, "192.0.2.1", 30.0)
    assert {exchange.state for exchange in exchanges} == {"lost"}
    assert exchanges[0].detail == "Connection refused"


async def test_no_cookie_is_used_twice_and_no_local_time_is_sent() -> None:
    """Every request carries fresh random bits where clients used to tell their time."""
    seen: list[bytes] = []

    def watching(request: bytes, utc_ns: int) -> list[bytes]:
        seen.append(request)
        return honest(request, utc_ns)

    network = FakeNetwork(SimClock(), {"192.0.2.1": watching})
    await run(network, "192.0.2.1", 100.0)
    cookies = {request[40:48] for request in seen}
    assert len(cookies) == len(seen) > 5
    assert all(request[4:40] == bytes(36) for request in seen)


async def test_a_server_under_two_names_is_asked_under_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It keeps the pace of one, and the other name says why it is of no use, once."""
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": honest},
        names={"a.test": ["192.0.2.1"], "b.test": ["192.0.2.1"]},
    )
    with caplog.at_level("WARNING"):
        ended = await run_all(network, 300.0)
    told = [r.getMessage() for r in caplog.records if "duplicate" in r.getMessage()]
    times = [at for at, _ in network.asked][POLICY.burst_count :]

    assert {exchange.state for exchange in ended["a.test"]} == {"ok"}
    assert {exchange.state for exchange in ended["b.test"]} == {"duplicate"}
    assert {exchange.reach for exchange in ended["b.test"]} == {0}
    assert all(late - early >= 16.0 for early, late in itertools.pairwise(times))
    why = "the same server as a.test, at 192.0.2.1:123: it has one vote; name another"
    assert told == [f'event=server server=b.test state=duplicate why="{why} server"']


async def test_our_own_service_has_no_vote(caplog: pytest.LogCaptureFixture) -> None:
    """All nodes have one configuration, and this one is in it: it follows us.

    The log says so, once, though it had no time to begin with.
    """
    asked: list[bytes] = []

    def ours(request: bytes, utc_ns: int) -> list[bytes]:
        asked.append(request)
        if len(asked) < 3:
            return unsynchronized(request, utc_ns)
        reply = decode(honest(request, utc_ns)[0])
        return [encode(replace(reply, stratum=2, reference_id=0xC000_0201))]

    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": honest, "192.0.2.9": ours},
        names={"up.test": ["192.0.2.1"], "node.test": ["192.0.2.9"]},
        here="192.0.2.9",
    )
    with caplog.at_level("WARNING"):
        ended = await run_all(network, 300.0)
    told = [r.getMessage() for r in caplog.records if "node.test" in r.getMessage()]

    assert {exchange.state for exchange in ended["up.test"]} == {"ok"}
    last = ended["node.test"][-1]
    assert (last.state, last.reach) == ("rejected", 0)
    assert last.detail.startswith("loop: it is this host, and follows a server")
    assert last.rejected == {"unsynchronized": 2, "loop": len(ended["node.test"]) - 2}
    assert len(told) == 2
    assert "loop: it is this host" in told[1]


async def test_two_names_of_a_pool_share_its_addresses() -> None:
    """Where both have the same ones, each asks another."""
    pool = ["192.0.2.1", "192.0.2.2"]
    network = FakeNetwork(
        SimClock(),
        dict.fromkeys(pool, honest),
        names={"0.pool.test": pool, "1.pool.test": pool},
    )
    ended = await run_all(network, 100.0)
    asked = {name: {str(e.endpoint) for e in each} for name, each in ended.items()}

    assert asked == {
        "0.pool.test": {"192.0.2.1:123"},
        "1.pool.test": {"192.0.2.2:123"},
    }
    assert {e.state for each in ended.values() for e in each} == {"ok"}


async def test_an_address_that_was_left_is_free_for_another_name() -> None:
    """The first name's server died and came back, when it had long gone elsewhere."""

    def dies(request: bytes, utc_ns: int) -> list[bytes]:
        is_dead = 20.0 < network.clock.now() < 200.0
        return [] if is_dead else honest(request, utc_ns)

    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": dies, "192.0.2.2": honest},
        names={"a.test": ["192.0.2.1", "192.0.2.2"], "b.test": ["192.0.2.1"]},
    )
    ended = await run_all(network, 4000.0)
    last = {name: each[-1] for name, each in ended.items()}

    assert ended["b.test"][0].state == "duplicate"
    assert {e.state for e in last.values()} == {"ok"}
    assert str(last["a.test"].endpoint) == "192.0.2.2:123"
    assert str(last["b.test"].endpoint) == "192.0.2.1:123"


async def test_a_host_that_slept_asks_the_same_address_again() -> None:
    """An exchange that RAW did not run through says nothing against the server."""
    slept: list[float] = []

    def sleeps(request: bytes, utc_ns: int) -> list[bytes]:
        if not slept:
            slept.append(network.clock.now())
            raise OSError(errno.ECANCELED, "the host slept or was moved meanwhile")
        return honest(request, utc_ns)

    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": sleeps, "192.0.2.2": honest},
        names={"time.example": ["192.0.2.1", "192.0.2.2"]},
    )
    exchanges = await run(network, "time.example", 10.0)

    assert [exchange.state for exchange in exchanges[:2]] == ["lost", "ok"]
    assert {str(exchange.endpoint) for exchange in exchanges} == {"192.0.2.1:123"}


async def test_a_name_holds_no_address_that_it_does_not_ask() -> None:
    """Its resolver sends it where another name asks: it leaves its old one to others."""
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": honest, "192.0.2.2": honest},
        names={"a.test": ["192.0.2.2"], "b.test": ["192.0.2.1"], "c.test": []},
    )

    def moves(request: bytes, utc_ns: int) -> list[bytes]:
        if network.clock.now() < 60.0:
            return honest(request, utc_ns)
        network.names |= {"b.test": ["192.0.2.2"], "c.test": ["192.0.2.1"]}
        is_back = network.clock.now() > 400.0
        return honest(request, utc_ns) if is_back else []

    network.servers = {"192.0.2.1": moves, "192.0.2.2": honest}
    ended = await run_all(network, 8000.0)
    last = {name: each[-1].state for name, each in ended.items()}

    assert last == {"a.test": "ok", "b.test": "duplicate", "c.test": "ok"}


async def test_a_name_that_is_refused_service_holds_only_who_refused() -> None:
    """Never asked again, it would keep another name from a server that is well."""

    def wakes(request: bytes, utc_ns: int) -> list[bytes]:
        return honest(request, utc_ns) if network.clock.now() > 200.0 else []

    def refuses(request: bytes, utc_ns: int) -> list[bytes]:
        network.names["c.test"] = ["192.0.2.2"]
        return kiss(b"DENY")(request, utc_ns)

    pool = ["192.0.2.1", "192.0.2.2"]
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": wakes, "192.0.2.2": refuses},
        names={"a.test": pool, "b.test": pool[:1], "c.test": []},
    )
    ended = await run_all(network, 8000.0)
    last = {name: each[-1].state for name, each in ended.items()}

    assert last == {"a.test": "denied", "b.test": "ok", "c.test": "duplicate"}


async def test_a_name_that_only_fails_leaves_what_it_has_given_up() -> None:
    """Of many addresses, none of which answers it, it holds the one that it asks."""
    pool = [f"192.0.2.{k}" for k in range(1, 9)]

    def wakes(request: bytes, utc_ns: int) -> list[bytes]:
        return honest(request, utc_ns) if network.clock.now() > 200.0 else []

    network = FakeNetwork(
        SimClock(),
        {**dict.fromkeys(pool, silent), "192.0.2.1": wakes},
        names={"a.test": pool, "b.test": pool[:1]},
    )
    ended = await run_all(network, 3600.0)

    assert ended["b.test"][0].state == "duplicate"
    assert ended["b.test"][-1].state == "ok"
    assert {e.state for e in ended["a.test"]} == {"lost"}
