"""`daemon.ntp_relay`: what is returned reaches its owner, from a server that may move."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chrono_daemon import SimClock, Supervisor, open_channel
from chronotick.core.records import Datagram, Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.daemon.ntp_relay import NtpRelay, Pending
from chronotick.daemon.ntp_server import RateLimit
from chronotick.ntp import NtpTimestamp, client_request, encode
from unit.daemon.network import SimMeasuredClock, honest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from chrono_daemon import Channel
    from chronotick.daemon.udp import UdpListener

CLIENT = Endpoint("192.0.2.100", 4000)
OURS = "192.0.2.50"


class Port:
    """Where clients ask; keeps what they are told."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = SimMeasuredClock(clock)
        self.asked: Channel[Datagram] = open_channel(100)
        self.told: list[tuple[Endpoint, str | None]] = []

    async def ask(self, cookie: int) -> None:
        """Let the client send a request."""
        await self.asked.send.send(
            Datagram(
                payload=encode(client_request(NtpTimestamp(cookie))),
                origin=CLIENT,
                raw_ns=self.clock.raw_ns(),
                kernel_stamp=True,
                destination=OURS,
            )
        )

    async def receive(self) -> Datagram:
        """Return what a client sent."""
        return await self.asked.recv.receive()

    def send(self, _payload: bytes, to: Endpoint, source: str | None = None) -> bool:
        """Keep whom it went to, and from where."""
        self.told.append((to, source))
        return True

    def close(self) -> None:
        """Do nothing."""


class Link:
    """A port towards a server that answers at once, or never."""

    def __init__(self, network: Moving, clock: SimMeasuredClock, address: str) -> None:
        self._network = network
        self._clock = clock
        self._address = address
        self._replies: Channel[bytes] = open_channel(100)

    async def send(self, payload: bytes) -> int:
        """Let the server answer."""
        if self._address == self._network.address:
            (reply,) = honest(payload, self._clock.utc_ns())
            await self._replies.send.send(reply)
        return self._clock.raw_ns()

    async def receive(self) -> Datagram:
        """Return the next answer."""
        payload = await self._replies.recv.receive()
        return Datagram(
            payload=payload,
            origin=CLIENT,
            raw_ns=self._clock.raw_ns(),
            kernel_stamp=True,
        )


class Moving:
    """A network that comes up late, and a name that moves to another address."""

    def __init__(self, clock: SimMeasuredClock, *, unreachable: int) -> None:
        self._clock = clock
        self._unreachable = unreachable
        self.opened: list[str] = []
        self.address = "192.0.2.1"

    async def resolve(self, _host: str, port: int) -> Sequence[Endpoint]:
        """Return the address of the moment."""
        return [Endpoint(self.address, port)]

    @asynccontextmanager
    async def open(self, endpoint: Endpoint) -> AsyncGenerator[Link, None]:
        """Open a port, once there is a route."""
        self.opened.append(endpoint.address)
        if len(self.opened) <= self._unreachable:
            raise OSError(101, "Network is unreachable")
        yield Link(self, self._clock, endpoint.address)


async def relay(
    unreachable: int, *, moves_at: int | None = None, requests: int = 40
) -> tuple[Port, Moving]:
    """Relay a request every four seconds; at `moves_at` (which one) the server moves."""
    clock = SimClock()
    port = Port(clock)
    network = Moving(port.clock, unreachable=unreachable)
    service = NtpRelay(
        cast("UdpListener", port), network, port.clock, "time.test", 123,
        RateLimit(burst=1000.0),
    )  # fmt: skip
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(service.run)
        for k in range(requests):
            if k == moves_at:
                network.address = "192.0.2.2"
            await clock.advance(4.0)
            await port.ask(k + 1)
        await clock.advance(1.0)
        await supervisor.stop(grace=0)
    return port, network


@pytest.mark.anyio
async def test_a_network_that_comes_up_late_is_weather() -> None:
    """Without a route there is no port to open; a few seconds later there is."""
    port, network = await relay(unreachable=3)

    assert network.opened == ["192.0.2.1"] * 4
    assert len(port.told) == 40
    assert set(port.told) == {(CLIENT, OURS)}


@pytest.mark.anyio
async def test_a_server_that_answers_no_more_is_looked_up_again() -> None:
    """Its name leads elsewhere after a minute of requests in vain, not before."""
    port, network = await relay(unreachable=0, moves_at=10)

    assert network.opened == ["192.0.2.1", "192.0.2.2"]
    assert len(port.told) == pytest.approx(40 - 64 / 4, abs=2)


ONE, OTHER = Endpoint("192.0.2.1", 1000), Endpoint("192.0.2.2", 2000)


def request(cookie: int) -> bytes:
    """Return a client's request."""
    return encode(client_request(NtpTimestamp(cookie)))


def reply(cookie: int) -> bytes:
    """Return the server's reply to it."""
    (answer,) = honest(request(cookie), 0)
    return answer


def test_a_reply_goes_to_whose_cookie_it_returns() -> None:
    """Whatever the order in which replies come."""
    pending: Pending[Endpoint] = Pending()
    assert pending.request(request(1), ONE, 0)
    assert pending.request(request(2), OTHER, 0)

    assert pending.reply(reply(2), 1) == OTHER
    assert pending.reply(reply(1), 1) == ONE


def test_a_late_or_repeated_reply_reaches_nobody() -> None:
    """Once, and only for five seconds."""
    pending: Pending[Endpoint] = Pending()
    pending.request(request(1), ONE, 0)
    pending.request(request(2), ONE, 0)

    assert pending.reply(reply(1), 5 * NS_PER_S) == ONE
    assert pending.reply(reply(1), 5 * NS_PER_S) is None
    assert pending.reply(reply(2), 5 * NS_PER_S + 1) is None
    assert pending.reply(reply(3), 1) is None
    assert pending.counts["late_or_unasked"] == 3


def test_a_cookie_in_use_by_another_client_is_not_forwarded() -> None:
    """Nobody could tell whose the reply is; a client's own repetition is fine."""
    pending: Pending[Endpoint] = Pending()

    assert pending.request(request(1), ONE, 0)
    assert not pending.request(request(1), OTHER, 0)
    assert pending.request(request(1), ONE, 0)
    assert pending.reply(reply(1), 1) == ONE
    assert pending.request(request(1), OTHER, 2)


@pytest.mark.parametrize(
    "datagram",
    [b"", b"x" * 47, reply(1), request(0)],
    ids=["empty", "short", "reply", "0"],
)
def test_only_requests_with_a_cookie_are_forwarded(datagram: bytes) -> None:
    """The rest never reaches the server."""
    assert not Pending[Endpoint]().request(datagram, ONE, 0)


def test_the_table_is_bounded_and_empties_itself() -> None:
    """A flood cannot fill the memory; old requests make room."""
    pending: Pending[Endpoint] = Pending()
    for cookie in range(1, 4097):
        assert pending.request(request(cookie), ONE, 0)
    assert not pending.request(request(9999), ONE, 5 * NS_PER_S)
    assert pending.request(request(9999), ONE, 5 * NS_PER_S + 1)
    assert pending.counts["expired"] == 4096


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_from_the_server_reach_nobody(datagram: bytes) -> None:
    """Unless they return a cookie, which chance does not find."""
    pending: Pending[Endpoint] = Pending()
    pending.request(request(2**63 + 1), ONE, 0)

    assert pending.reply(datagram, 1) is None


_LIFETIME_NS = 5 * NS_PER_S


class Asking(RuleBasedStateMachine):
    """Two clients ask, repeat themselves and get answers, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: Pending[str] = Pending()
        self.now_ns = 0

    @rule(cookie=st.integers(1, 4), client=st.sampled_from("ab"))
    def ask(self, cookie: int, client: str) -> None:
        """Ask once more; nothing that is too old is in the way afterwards."""
        self.pending.request(request(cookie), client, self.now_ns)

        latest_ns = self.now_ns + _LIFETIME_NS
        untils_ns = [until_ns for _, until_ns, _ in self.pending._asked.values()]
        assert all(self.now_ns <= until_ns <= latest_ns for until_ns in untils_ns)

    @rule(cookie=st.integers(1, 4))
    def answer(self, cookie: int) -> None:
        """Let the server answer, whether it was asked or not."""
        self.pending.reply(reply(cookie), self.now_ns)

    @rule(passed_s=st.integers(1, 6))
    def wait(self, passed_s: int) -> None:
        """Let time pass."""
        self.now_ns += passed_s * NS_PER_S


def test_a_request_that_is_too_old_leaves_the_table() -> None:
    """Whatever is asked, in whatever order."""
    run_state_machine_as_test(Asking, settings=settings(deadline=None))


def test_one_who_repeats_himself_keeps_no_room_from_others() -> None:
    """A request that is sent again is young again: those behind it still expire."""
    pending: Pending[str] = Pending()
    for cookie in range(2, 10_000):
        now_ns = cookie * NS_PER_S
        assert pending.request(request(1), "a", now_ns)
        assert pending.request(request(cookie), "b", now_ns)
