"""`daemon.udp`: kernel stamps mapped to RAW, soundly, on real loopback sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import ClockPair, Datagram, Endpoint
from chronotick.daemon import udp
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.udp import (
    UdpListener,
    UdpTransport,
    arrival,
    kernel_stamps_supported,
)
from ipv6 import needs_ipv6

LOOPBACK = [Endpoint("127.0.0.1", 0), Endpoint("::1", 0)]


def pair(raw_ns: int, realtime_ns: int, error_ns: int = 20) -> ClockPair:
    """Return clocks read together."""
    return ClockPair(raw_ns, realtime_ns, error_ns, 0)


@given(
    st.integers(0, 2**50),
    st.integers(-(2**60), 2**60),
    st.integers(0, 10**9),
    st.integers(0, 40_000_000),
    st.floats(-0.01, 0.01),
)
def test_the_true_arrival_is_within_the_stated_error(
    sent_ns: int, shift_ns: int, flight_ns: int, age_ns: int, slew: float
) -> None:
    """However fast somebody slews the system clock meanwhile (here up to 1 %)."""

    def realtime_ns(raw_ns: int) -> int:
        return raw_ns + shift_ns + round((raw_ns - sent_ns) * slew)

    arrived_ns = sent_ns + flight_ns
    read_ns = arrived_ns + age_ns
    found_ns, error_ns = arrival(
        realtime_ns(arrived_ns),
        pair(read_ns, realtime_ns(read_ns)),
        pair(sent_ns, realtime_ns(sent_ns)),
    )
    if error_ns is None:
        assert found_ns == read_ns
    else:
        assert abs(found_ns - arrived_ns) <= error_ns


@pytest.mark.parametrize("step_ns", [-(10**9), -5_000_000, 5_000_000, 10**9])
def test_a_step_of_the_system_clock_discards_the_stamp(step_ns: int) -> None:
    """Stepped between the arrival and the read: the late user-space read serves."""
    sent = pair(0, 1_000)
    read = pair(10_000_000, 10_001_000 + step_ns)
    assert arrival(9_000_000, read, sent) == (10_000_000, None)


@given(
    st.integers(1, 49_000_000), st.integers(0, 49_000_000), st.integers(-(10**8), 10**8)
)
def test_what_came_before_the_reference_is_never_too_early(
    early_ns: int, age_ns: int, step_ns: int
) -> None:
    """It lay there as the clock was stepped, unseen by both looks at the clocks."""
    reference_ns = 10**9
    arrived_ns, read_ns = reference_ns - early_ns, reference_ns + age_ns
    found_ns, error_ns = arrival(
        arrived_ns,
        pair(read_ns, read_ns + step_ns),
        pair(reference_ns, reference_ns + step_ns),
    )
    assert found_ns + (error_ns or 0) >= arrived_ns


def test_without_a_stamp_the_read_serves() -> None:
    """A kernel or sandbox that stamps nothing costs accuracy, not soundness."""
    assert arrival(None, pair(5_000, 9_000), pair(0, 4_000)) == (5_000, None)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "local",
    [LOOPBACK[0], pytest.param(LOOPBACK[1], marks=needs_ipv6)],
    ids=["ipv4", "ipv6"],
)
async def test_a_round_trip_is_stamped_by_the_kernel(local: Endpoint) -> None:
    """Both ends see the arrival between the send and the read, stamped."""
    clock = HostClock()
    assert kernel_stamps_supported()
    listener = UdpListener(local, clock)
    try:
        async with UdpTransport(clock).open(listener.endpoint) as link:
            sent_ns = await link.send(b"ping")
            ping = await listener.receive()
            assert listener.send(b"pong", ping.origin)
            pong = await link.receive()
            done_ns = clock.raw_ns()
    finally:
        listener.close()
    assert (ping.payload, pong.payload) == (b"ping", b"pong")
    assert pong.origin == listener.endpoint
    assert pong.destination == ping.origin.address
    assert pong.kernel_stamp
    assert sent_ns < pong.raw_ns + pong.stamp_error_ns
    assert pong.raw_ns - pong.stamp_error_ns < done_ns


@pytest.mark.anyio
async def test_a_flood_does_not_keep_others_from_their_turn() -> None:
    """Whoever sends faster than we read could stop the daemon that way."""
    clock = HostClock()
    listener = UdpListener(LOOPBACK[0], clock)
    flood, turns = 50, 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    try:
        async with UdpTransport(clock).open(listener.endpoint) as link:
            for _ in range(flood):
                await link.send(b"flood")
        async with anyio.create_task_group() as group:
            group.start_soon(count_turns)
            for _ in range(flood):
                await listener.receive()
            group.cancel_scope.cancel()
    finally:
        listener.close()

    assert turns > flood // 2


@pytest.mark.parametrize("scope", ["²", "٣", "no-such-link"])
def test_a_link_that_is_none_is_said_so(scope: str) -> None:
    """Digits that no interface has for an index are a name, and nobody's."""
    with pytest.raises(OSError, match="no interface"):
        UdpListener(Endpoint(f"fe80::1%{scope}", 0), HostClock())


@pytest.mark.anyio
async def test_a_name_that_no_thread_can_look_up_is_weather(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many threads as the system allows: the next poll may find one."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="no thread"):
        await UdpTransport(HostClock()).resolve("localhost", 123)


@pytest.mark.anyio
async def test_what_waits_in_line_keeps_its_stamp() -> None:
    """The second was there before the first was read."""
    listener = UdpListener(LOOPBACK[0], HostClock())
    try:
        async with UdpTransport(HostClock()).open(listener.endpoint) as link:
            for payload in (b"first", b"second"):
                await link.send(payload)
            stamped = [(await listener.receive()).kernel_stamp for _ in range(2)]
    finally:
        listener.close()
    assert stamped == [kernel_stamps_supported()] * 2


class SlewedClock(HostClock):
    """A host whose system clock has been slewed by as much as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.slewed_ns = 0
        self.looked = anyio.Event()

    def pair(self) -> ClockPair:
        """Return the clocks, and tell that they were looked at."""
        self.looked.set()
        found = super().pair()
        return found._replace(raw_ns=found.raw_ns - self.slewed_ns)


@pytest.mark.anyio
async def test_a_stamp_is_no_worse_for_a_long_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client asks every 64 s; 15 ppm of that would be all of the root dispersion."""
    monkeypatch.setattr(udp, "_RENEW_S", 0.01)
    clock = SlewedClock()
    listener = UdpListener(LOOPBACK[0], clock)
    found: list[Datagram] = []

    async def receive() -> None:
        found.append(await listener.receive())

    try:
        async with (
            UdpTransport(HostClock()).open(listener.endpoint) as link,
            anyio.create_task_group() as group,
        ):
            group.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            clock.slewed_ns, clock.looked = 960_000, anyio.Event()
            with anyio.fail_after(5.0):
                await clock.looked.wait()
            await link.send(b"time?")
    finally:
        listener.close()

    (datagram,) = found
    assert datagram.kernel_stamp == kernel_stamps_supported()
    assert datagram.stamp_error_ns < 500_000


@pytest.mark.anyio
async def test_no_datagram_is_lost_where_a_wait_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if every wait is cut at once."""
    monkeypatch.setattr(udp, "_RENEW_S", 0.0)
    listener = UdpListener(LOOPBACK[0], HostClock())
    payloads = [str(k).encode() for k in range(100)]
    found: list[bytes] = []

    async def receive() -> None:
        for _ in payloads:
            found.append((await listener.receive()).payload)

    try:
        async with (
            UdpTransport(HostClock()).open(listener.endpoint) as link,
            anyio.create_task_group() as group,
        ):
            group.start_soon(receive)
            for payload in payloads:
                await link.send(payload)
                await anyio.lowlevel.checkpoint()
    finally:
        listener.close()

    assert found == payloads


class SleepingClock(HostClock):
    """A host that sleeps for an hour whenever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_ns = 0

    def pair(self) -> ClockPair:
        """Return the clocks with the sleep on the suspend count."""
        found = super().pair()
        return found._replace(suspend_ns=found.suspend_ns + self.slept_ns)


@pytest.mark.anyio
async def test_an_exchange_that_the_host_slept_through_is_worthless() -> None:
    """RAW stood still between the two ends: an error, not a sample; the next is fine."""
    clock = SleepingClock()
    listener = UdpListener(LOOPBACK[0], HostClock())
    try:
        async with UdpTransport(clock).open(listener.endpoint) as link:
            await link.send(b"ping")
            ping = await listener.receive()
            clock.slept_ns += 3_600_000_000_000
            listener.send(b"pong", ping.origin)
            with pytest.raises(OSError, match="slept or was moved"):
                await link.receive()
            await link.send(b"ping")
            ping = await listener.receive()
            listener.send(b"pong", ping.origin)
            assert (await link.receive()).payload == b"pong"
    finally:
        listener.close()


@pytest.mark.anyio
async def test_a_port_where_nobody_listens_says_so() -> None:
    """The kernel's ICMP answer comes out as ConnectionRefusedError, not silence."""
    clock = HostClock()
    listener = UdpListener(LOOPBACK[0], clock)
    endpoint = listener.endpoint
    listener.close()
    async with UdpTransport(clock).open(endpoint) as link:
        await link.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            await link.receive()


@pytest.mark.anyio
async def test_strangers_are_not_heard() -> None:
    """A datagram from another port never reaches the link."""
    clock = HostClock()
    listener = UdpListener(LOOPBACK[0], clock)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        async with UdpTransport(clock).open(listener.endpoint) as link:
            await link.send(b"hello")
            hello = await listener.receive()
            stranger.sendto(b"forged", hello.origin)
            listener.send(b"real", hello.origin)
            assert (await link.receive()).payload == b"real"
    finally:
        stranger.close()
        listener.close()


@pytest.mark.anyio
async def test_names_resolve_to_all_their_addresses_once() -> None:
    """Numeric addresses come back as they are; localhost has no repeats."""
    transport = UdpTransport(HostClock())
    assert await transport.resolve("192.0.2.7", 123) == [Endpoint("192.0.2.7", 123)]
    assert await transport.resolve("::1", 9) == [Endpoint("::1", 9)]
    found = await transport.resolve("localhost", 123)
    assert found
    assert len(set(found)) == len(found)


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_an_os_error() -> None:
    """RFC 6761 reserves .invalid for just this."""
    with pytest.raises(OSError):  # noqa: PT011 - the message is the resolver's
        await UdpTransport(HostClock()).resolve("no-such-host.invalid", 123)


@pytest.mark.anyio
async def test_waiting_for_a_datagram_can_be_cancelled() -> None:
    """A link that nobody answers gives way at once."""
    clock = HostClock()
    listener = UdpListener(LOOPBACK[0], clock)
    try:
        async with UdpTransport(clock).open(listener.endpoint) as link:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await link.receive()
            assert scope.cancelled_caught
    finally:
        listener.close()


def test_host_clock_pairs_belong_together() -> None:
    """RAW goes forward, the pair's error is half its bracket, sleep never shrinks."""
    clock = HostClock()
    first, second = clock.pair(), clock.pair()
    assert first.raw_ns <= second.raw_ns <= clock.raw_ns()
    assert first.error_ns >= 0
    assert second.suspend_ns >= 0


@pytest.mark.anyio
async def test_a_name_that_no_resolver_takes_is_an_os_error() -> None:
    """The IDNA codec refuses an empty label with another type of error."""
    with pytest.raises(OSError, match="not a host name"):
        await UdpTransport(HostClock()).resolve("a..b", 123)


HANGING = """
import socket, time
import anyio
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.udp import UdpTransport

socket.getaddrinfo = lambda *_, **__: time.sleep(120)

async def main():
    with anyio.move_on_after(0.1):
        await UdpTransport(HostClock()).resolve("time.example", 123)
    print("left")

anyio.run(main, backend={backend!r})
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nobody_waits_for_a_resolver_that_hangs(backend: str) -> None:
    """Not even the interpreter at its end: it would be the daemon's, after SIGTERM."""
    script = HANGING.format(backend=backend)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"left\n"
