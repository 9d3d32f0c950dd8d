"""UDP sockets with kernel receive stamps: the project's only door to the network.

Decides at which instant of RAW a datagram arrived and how sure that is. Knows nothing
of NTP. Works on every anyio backend: plain non-blocking sockets, awaited for
readability.

**From the kernel's stamp to RAW.** SO_TIMESTAMPNS stamps with CLOCK_REALTIME, which
others may step or slew. Both clocks are read right after the receive, and RAW at the
arrival is ``raw − (realtime − stamp)``. What the system clock did meanwhile is measured:
the pairing REALTIME − RAW is also read at the send (by a listener: about once a second
while nothing comes), and whatever it moved by since then bounds the error of the mapping.
If it moved by more than a millisecond, or the stamp's age is negative or absurd, the clock
was stepped: the stamp is discarded and the user-space read serves. That one is late, never
early, so it makes the round trip look longer and the bound stays sound.
"""

from __future__ import annotations

import errno
import math
import socket
import struct
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from chronotick.core.records import Datagram, Endpoint
from chronotick.daemon import packet_info
from chronotick.daemon.thread import in_a_thread_of_its_own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from chronotick.core.ports import MeasuredClock
    from chronotick.core.records import ClockPair

__all__ = ["UdpLink", "UdpListener", "UdpTransport", "kernel_stamps_supported"]

# Linux's value on every architecture but sparc and parisc; the socket module of
# Python 3.11 doesn't name it.
_SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
# A kernel's long, which on 32-bit machines has as many bits.
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(
    packet_info.ANCILLARY_BYTES
)
# NTP packets with extension fields stay below the smallest IPv6 MTU.
_MAX_PAYLOAD = 1280
# An event loop that is busy reads late; one that is later than this was stopped.
_MAX_STAMP_AGE_NS = 50_000_000
_MAX_PAIR_SHIFT_NS = 1_000_000
# A clock that is slewed by 15 ppm moves by 15 us meanwhile, which is what a stamp's error
# then is. One wake-up a second costs nothing.
_RENEW_S = 1.0
# A port that is ever empty has no older reference.
_OLDEST_NS = 2_000_000_000


class UdpLink:
    """One connected ephemeral port: the kernel drops what comes from elsewhere."""

    def __init__(self, sock: socket.socket, clock: MeasuredClock) -> None:
        self._socket = sock
        self._clock = clock
        self._reference = clock.pair()
        self._address = _endpoint(sock.getsockname()).address

    async def send(self, payload: bytes) -> int:
        """Send `payload`; return RAW just before it left.

        Raises:
            OSError: the kernel refused it.
        """
        self._reference = self._clock.pair()
        while True:
            raw_ns = self._clock.raw_ns()
            try:
                self._socket.send(payload)
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            else:
                return raw_ns

    async def receive(self) -> Datagram:
        """Wait for the next datagram.

        Raises:
            OSError: for instance ConnectionRefusedError, where an ICMP answer says
                that nobody listens at the port.
        """
        return await _receive(
            self._socket, self._clock, self._reference, ours=self._address
        )


class UdpTransport:
    """The host's network (`chronotick.core.ports.Transport`)."""

    def __init__(self, clock: MeasuredClock) -> None:
        self._clock = clock

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        """Return the addresses of `host`, in the resolver's order, without repeats.

        Raises:
            OSError: the name cannot be resolved.
        """
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_DGRAM)
        try:
            found = await in_a_thread_of_its_own(look_up, name="resolver")
        except UnicodeError as error:
            # The IDNA codec's way of refusing a name, such as one with an empty label.
            raise OSError(errno.EINVAL, "not a host name") from error
        endpoints = [_endpoint(info[4]) for info in found]
        return list(dict.fromkeys(endpoints))

    @asynccontextmanager
    async def open(self, endpoint: Endpoint) -> AsyncGenerator[UdpLink, None]:
        """Open a fresh ephemeral port towards `endpoint` (RFC 9109 §3).

        Raises:
            OSError: no route, no such address family, …
        """
        with _socket_for(endpoint) as sock:
            sock.connect(_address(endpoint))
            yield UdpLink(sock, self._clock)


class UdpListener:
    """A bound port that answers whoever asks; for servers and relays."""

    def __init__(self, endpoint: Endpoint, clock: MeasuredClock) -> None:
        self._socket = _socket_for(endpoint)
        try:
            self._socket.bind(_address(endpoint))
            option = packet_info.option(endpoint.address)
            if option is not None:
                # A sandbox may refuse. Then the routes decide where answers come from.
                with suppress(OSError):
                    self._socket.setsockopt(*option, 1)
        except OSError:
            self._socket.close()
            raise
        self.endpoint = _endpoint(self._socket.getsockname())
        """Where it listens, with the port that the kernel chose for port 0."""
        self._clock = clock
        self._reference = clock.pair()

    async def receive(self) -> Datagram:
        """Wait for the next datagram."""
        while True:
            try:
                return await _receive(
                    self._socket, self._clock, self._reference, renewed=self._renewed
                )
            except OSError as error:
                if error.errno != errno.ECANCELED:
                    raise
            finally:
                self._renew_old_reference()

    def _renewed(self) -> ClockPair:
        """Return a new reference; for when nothing that came before is to be read."""
        self._reference = self._clock.pair()
        return self._reference

    def _renew_old_reference(self) -> None:
        """Renew it although something may wait to be read, whose stamp that costs."""
        now, reference = self._clock.pair(), self._reference
        age_ns = now.raw_ns - reference.raw_ns
        if age_ns > _OLDEST_NS or not now.is_continuous_with(reference):
            self._reference = now

    def send(self, payload: bytes, to: Endpoint, source: str | None = None) -> bool:
        """Send `payload`; False where the kernel's buffer is full: UDP may lose it.

        Args:
            payload: What.
            to: Whither.
            source: Our address that it is to leave from, a datagram's `destination`;
                None: the only one, or whichever the routes prefer.
        """
        ancillary = () if source is None else (packet_info.source(source),)
        try:
            self._socket.sendmsg((payload,), ancillary, 0, _address(to))
        except OSError:
            # Full buffer, unreachable client: for a datagram service both are a lost
            # packet, and the client asks again.
            return False
        return True

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._socket.close()


def kernel_stamps_supported() -> bool:
    """Say whether this kernel accepts SO_TIMESTAMPNS on a UDP socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return _ask_for_stamps(sock)


def _socket_for(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    _ask_for_stamps(sock)
    return sock


def _ask_for_stamps(sock: socket.socket) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        # Sandboxes such as gVisor may refuse. Every datagram then says that its stamp
        # is a user-space one, and `doctor` reports it.
        return False
    return True


def _address(endpoint: Endpoint) -> tuple[str, int] | tuple[str, int, int, int]:
    host, _, scope = endpoint.address.partition("%")
    if not scope:
        return endpoint
    # str.isdigit alone takes other scripts' digits and superscripts.
    is_index = scope.isascii() and scope.isdigit()
    try:
        index = int(scope) if is_index else socket.if_nametoindex(scope)
    except OSError:
        raise OSError(errno.ENODEV, f"no interface {scope!r}") from None
    return (host, endpoint.port, 0, index)


def _endpoint(address: tuple[object, ...]) -> Endpoint:
    host, port = str(address[0]), address[1]
    assert isinstance(port, int)  # noqa: S101 - the kernel's own address tuple
    scope = address[3] if len(address) > 3 else 0  # noqa: PLR2004 - AF_INET6's length
    if isinstance(scope, int) and scope and "%" not in host:
        host = f"{host}%{scope}"
    return Endpoint(host, port)


async def _receive(
    sock: socket.socket,
    clock: MeasuredClock,
    reference: ClockPair,
    *,
    ours: str | None = None,
    renewed: Callable[[], ClockPair] | None = None,
) -> Datagram:
    """Return the next datagram.

    Args:
        sock: Where it comes.
        clock: Says when.
        reference: The clocks at an instant before the arrival.
        ours: Our address, where the socket has one only.
        renewed: Returns a younger reference; asked while there is nothing to read.
    """
    patience_s = math.inf if renewed is None else _RENEW_S
    has_waited = False
    while True:
        try:
            payload, ancillary, _, address = sock.recvmsg(
                _MAX_PAYLOAD, _ANCILLARY_BYTES
            )
        except BlockingIOError:
            if renewed is not None:
                reference = renewed()
            # Only the wait is cut short, never a receive: no datagram is lost by it.
            with anyio.move_on_after(patience_s):
                await anyio.wait_readable(sock)
            has_waited = True
            continue
        now = clock.pair()
        if not has_waited:
            # Anyone can send faster than we read. Others are to have their turns all the
            # same: the exchange its time-out, the daemon its end.
            await anyio.lowlevel.checkpoint()
        if not now.is_continuous_with(reference):
            # RAW stood still or jumped between the two ends of the exchange: whatever
            # it measured is worthless.
            raise OSError(errno.ECANCELED, "the host slept or was moved meanwhile")
        raw_ns, error_ns = arrival(_stamp_ns(ancillary), now, reference)
        return Datagram(
            payload=payload,
            origin=_endpoint(address),
            raw_ns=raw_ns,
            kernel_stamp=error_ns is not None,
            stamp_error_ns=error_ns or 0,
            destination=ours or packet_info.destination(ancillary),
        )


def _stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None


def arrival(
    stamp_ns: int | None, now: ClockPair, reference: ClockPair
) -> tuple[int, int | None]:
    """Map a kernel stamp on REALTIME to RAW.

    Args:
        stamp_ns: The kernel's CLOCK_REALTIME stamp, None where there is none.
        now: The clocks right after the receive.
        reference: The clocks at an instant before the arrival.

    Returns:
        RAW at the arrival and the largest error of the mapping; the error is None
        where the stamp was not usable and the user-space read serves.
    """
    if stamp_ns is None:
        return now.raw_ns, None
    age_ns = now.realtime_ns - stamp_ns
    shift_ns = abs(
        (now.realtime_ns - now.raw_ns) - (reference.realtime_ns - reference.raw_ns)
    )
    error_ns = shift_ns + now.error_ns + reference.error_ns
    late_ns = max(age_ns, 0)
    if age_ns < -error_ns or late_ns > _MAX_STAMP_AGE_NS:
        return now.raw_ns, None
    if shift_ns > _MAX_PAIR_SHIFT_NS:
        return now.raw_ns, None
    raw_ns = now.raw_ns - late_ns
    if raw_ns + error_ns < reference.raw_ns:
        # It waited to be read since before the reference, which can't tell whether the
        # clock was stepped in between: forwards, the arrival would look too early.
        return now.raw_ns, None
    return raw_ns, error_ns
