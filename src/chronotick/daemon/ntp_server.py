"""Serve the corrected time by NTP: who is answered, and what is said of ourselves.

Decides the claims: stratum + 1, and a root distance that is never below our hard bound;
unsynchronized (leap 3, stratum 16) whenever we have no trustworthy time. A reply is
never longer than its request, and a client gets so many and no more: this server is of
no use to amplify with. What the time is, comes in as a `Reading`.
"""

from __future__ import annotations

import signal
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio

from chrono_daemon import Supervisor
from chronotick.core.errors import LocalProtocolError, RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S, PPB
from chronotick.ntp import Mode, NtpShort, NtpTimestamp, Packet, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrono_daemon import Context
    from chronotick.core.ports import MeasuredClock
    from chronotick.core.reading import Interval
    from chronotick.daemon.udp import UdpListener

__all__ = [
    "NtpServer",
    "RateLimit",
    "Reading",
    "Reply",
    "Service",
    "Upstream",
    "reply_to",
    "until_stopped",
]

_VERSIONS = (3, 4)
_UNSYNCHRONIZED_STRATUM = 16
_LARGEST_STRATUM = 15
# 2⁻²⁰ s, 1 µs: what a reading of ours takes, rounded up.
_PRECISION = -20
# Carrying a reading back to the arrival: RAW is within this of true time, whatever the
# daemon that we read from is configured to (the most that clock.max_frequency_error may
# be). It costs 1 us for each 100 us that a datagram waited: less than asking is worth.
_MAX_RATE_PPB = 10_000_000


class Upstream(NamedTuple):
    """What our own time stands on."""

    stratum: int
    """Of the best server in use."""
    reference_id: int
    """That server's address as RFC 5905 §7.3 has it."""
    delay_ns: int
    """Round trip to it."""
    leap: Leap
    last_sync_age_ns: int


class Reading(NamedTuple):
    """Our time, read between two readings of RAW."""

    interval: Interval
    upstream: Upstream
    before_raw_ns: int
    after_raw_ns: int


class Reply(NamedTuple):
    """What a client is told."""

    payload: bytes
    is_time: bool
    """False: that we have none."""


class RateLimit:
    """A bucket of replies for each client: it fills slowly and holds few.

    Args:
        burst: Replies that a client may have at once.
        per_s: Replies a second after that.
        clients: Clients that are remembered; the one unseen for longest is forgotten.
    """

    def __init__(
        self, *, burst: float = 16.0, per_s: float = 1.0, clients: int = 65_536
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clients = clients
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allows(self, client: str, now_ns: int) -> bool:
        """Take one reply out of the client's bucket, if there is one in it."""
        left, then_ns = self._buckets.pop(client, (self._burst, now_ns))
        gained = max(now_ns - then_ns, 0) / NS_PER_S * self._per_s
        left = min(left + gained, self._burst)
        is_allowed = left >= 1.0
        self._buckets[client] = (left - 1.0 if is_allowed else left, now_ns)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return is_allowed


def reply_to(
    request: bytes, arrival_raw_ns: int, arrival_error_ns: int, reading: Reading | None
) -> Reply | None:
    """Return the reply; None where nobody should be answered.

    Args:
        request: The datagram as it came, any bytes.
        arrival_raw_ns: RAW when it came.
        arrival_error_ns: How far that can be off.
        reading: Our time, read since; None: we have none.
    """
    try:
        asked = decode(request)
    except RemoteProtocolError:
        return None
    # Other modes are other services, and answering them has hurt people (mode 6 and 7).
    if asked.mode is not Mode.CLIENT or asked.version not in _VERSIONS:
        return None
    if reading is None or reading.upstream.stratum >= _LARGEST_STRATUM:
        return Reply(encode(_without_time(asked)), is_time=False)
    try:
        told = _with_time(asked, arrival_raw_ns, arrival_error_ns, reading)
        return Reply(encode(told), is_time=True)
    except LocalProtocolError:
        # A bound that does not fit the format is no time.
        return Reply(encode(_without_time(asked)), is_time=False)


def _with_time(
    asked: Packet, arrival_raw_ns: int, arrival_error_ns: int, reading: Reading
) -> Packet:
    interval, upstream = reading.interval, reading.upstream
    middle_ns = interval.midpoint_ns
    # The reading belongs to the middle of its bracket, give or take half of it.
    at_raw_ns = (reading.before_raw_ns + reading.after_raw_ns) // 2
    age_ns = max(at_raw_ns - arrival_raw_ns, 0)
    extra_ns = reading.after_raw_ns - reading.before_raw_ns + arrival_error_ns
    extra_ns += -(-age_ns * _MAX_RATE_PPB // PPB) + 1
    # A client adds half the root delay and the root dispersion: the sum is our bound.
    bound_ns = interval.latest_ns - middle_ns + extra_ns
    delay_ns = min(upstream.delay_ns, 2 * bound_ns)
    return Packet(
        leap=upstream.leap,
        version=asked.version,
        mode=Mode.SERVER,
        stratum=upstream.stratum + 1,
        poll=asked.poll,
        precision=_PRECISION,
        root_delay=NtpShort.from_ns(delay_ns),
        root_dispersion=NtpShort.from_ns(bound_ns - delay_ns // 2),
        reference_id=upstream.reference_id,
        reference=NtpTimestamp.from_unix_ns(middle_ns - upstream.last_sync_age_ns),
        origin=asked.transmit,
        receive=NtpTimestamp.from_unix_ns(middle_ns - age_ns),
        transmit=NtpTimestamp.from_unix_ns(middle_ns),
    )


def _without_time(asked: Packet) -> Packet:
    """Say that we have no time, and tell none (RFC 5905 §7.3: leap 3, stratum 16)."""
    return Packet(
        leap=Leap.UNSYNCHRONIZED,
        version=asked.version,
        mode=Mode.SERVER,
        stratum=_UNSYNCHRONIZED_STRATUM,
        poll=asked.poll,
        precision=_PRECISION,
        root_delay=NtpShort(0),
        root_dispersion=NtpShort(0),
        reference_id=0,
        reference=NtpTimestamp(0),
        origin=asked.transmit,
        receive=NtpTimestamp(0),
        transmit=NtpTimestamp(0),
    )


class NtpServer:
    """One port that serves our time.

    Args:
        listener: The port; closed at the end.
        measured: The clock that readings are bracketed with.
        read: Returns our time now; None: we have none.
        limit: How much each client gets.
    """

    def __init__(
        self,
        listener: UdpListener,
        measured: MeasuredClock,
        read: Callable[[], Reading | None],
        limit: RateLimit,
    ) -> None:
        self._listener = listener
        self._measured = measured
        self._read = read
        self._limit = limit
        self.counts: Counter[str] = Counter()
        """Requests by what became of them: `served` were told a time."""

    async def run(self, _ctx: Context) -> None:
        """Answer until cancelled."""
        try:
            while True:
                datagram = await self._listener.receive()
                client = datagram.origin.address
                if not self._limit.allows(client, self._measured.raw_ns()):
                    self.counts["limited"] += 1
                    continue
                reading = self._read()
                reply = reply_to(
                    datagram.payload, datagram.raw_ns, datagram.stamp_error_ns, reading
                )
                if reply is None:
                    self.counts["refused"] += 1
                    continue
                origin, destination = datagram.origin, datagram.destination
                self._listener.send(reply.payload, origin, destination)
                self.counts["served" if reply.is_time else "unsynchronized"] += 1
        finally:
            self._listener.close()


async def until_stopped(services: Sequence[Service]) -> None:
    """Run services until SIGTERM or SIGINT."""
    async with Supervisor() as supervisor:
        for k, service in enumerate(services):
            supervisor.spawn(service.run, name=f"service {k}")
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
        await supervisor.stop(grace=0)


class Service(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self, ctx: Context, /) -> None:
        """Run."""
        ...
