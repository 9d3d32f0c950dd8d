"""Imagined NTP servers that tell a time, right or wrong: bytes and instants in, bytes out.

Decides what a server of each kind answers (those that refuse: `chronotick.sim.refusal`).
No sockets, no clocks, no dice: the simulated world and `chronotick demo`, which speaks
over real UDP, use the same servers. Instants are the *server's* correct UTC at the
arrival and at the departure, on a scale that does not leap; what it claims instead is the
server's business.

No reply is longer than its request, and nothing but a well-formed client request (mode
3, version 3 or 4) is answered: none of these servers can be used to amplify.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from chronotick.core.errors import RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S, PPB
from chronotick.ntp.packet import Mode, Packet, decode, encode
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp

__all__ = [
    "HonestServer",
    "LeapSecondAt",
    "LeapingServer",
    "LyingServer",
    "NtpResponder",
    "ServerClaims",
    "SmearingServer",
    "UnsynchronizedServer",
    "answer",
    "client_packet",
]

_VERSIONS = (3, 4)
# A server disciplines its own clock about this often (RFC 5905 figure 8: reference
# timestamp); rounding down to it keeps the field plausible and never in the future.
_REFERENCE_NS = 16 * NS_PER_S
_UNSYNCHRONIZED_STRATUM = 16


class NtpResponder(Protocol):
    """Something that answers NTP requests."""

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Return the reply to `request`, or None where there is none.

        Args:
            request: The datagram as it came, any bytes.
            receive_utc_ns: Correct Unix time at its arrival.
            transmit_utc_ns: Correct Unix time at the departure of the reply.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClaims:
    """What a server says of itself in each reply."""

    stratum: int = 1
    root_delay_ns: int = 0
    root_dispersion_ns: int = 20_000
    precision: int = -23
    """Exponent of two, s; 2⁻²³ is 119 ns."""
    reference_id: int = 0x47505300
    """``GPS`` for stratum 1, else an address (RFC 5905 figure 12)."""
    leap: Leap = Leap.NONE


_HONEST = ServerClaims()


class HonestServer:
    """Tells its time as it is, and itself as `claims` says.

    Honest as long as its error stays within the root distance that it claims: an
    imagined one can be given a clock error by whoever passes the instants.
    """

    def __init__(self, claims: ServerClaims = _HONEST) -> None:
        self.claims = claims

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Answer a client's request with the time."""
        asked = client_packet(request)
        if asked is None:
            return None
        return answer(self.claims, asked, receive_utc_ns, transmit_utc_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeapSecondAt:
    """A leap second, on a scale that does not leap."""

    utc_ns: int
    """When the day ends, Unix time that would be without it."""
    kind: Leap
    """`INSERT` or `DELETE`."""
    announced_ns: int
    """How long before its servers announce it."""

    def shift_ns(self, utc_ns: int) -> int:
        """Return by how much UTC at `utc_ns` is ahead of the scale that does not leap.

        A deleted second is the last of its day, an inserted one repeats it: UTC as Unix
        time counts it (POSIX.1-2017 §4.16).
        """
        if self.kind is Leap.DELETE:
            return NS_PER_S if utc_ns >= self.utc_ns - NS_PER_S else 0
        return -NS_PER_S if utc_ns >= self.utc_ns else 0

    def announcement(self, utc_ns: int) -> Leap:
        """Return what a server says of it at `utc_ns`."""
        is_ahead = not self.shift_ns(utc_ns)
        return self.kind if is_ahead and utc_ns >= self._from_ns else Leap.NONE

    @property
    def _from_ns(self) -> int:
        return self.utc_ns - self.announced_ns


class LeapingServer:
    """An honest server that announces a leap second and steps at it."""

    def __init__(self, leap: LeapSecondAt, claims: ServerClaims = _HONEST) -> None:
        self._leap = leap
        self._claims = claims

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Answer with UTC."""
        announced = self._leap.announcement(receive_utc_ns)
        return HonestServer(replace(self._claims, leap=announced)).reply(
            request,
            receive_utc_ns=receive_utc_ns + self._leap.shift_ns(receive_utc_ns),
            transmit_utc_ns=transmit_utc_ns + self._leap.shift_ns(transmit_utc_ns),
        )


class LyingServer:
    """An honest server whose time is off by something, undeclared.

    Args:
        offset_ns: How far its time is ahead of UTC.
        drift_ppb: How fast the lie grows once it has begun.
        from_utc_ns: When the lie begins; None: it always was one.
        until_utc_ns: When it ends; None: never.
        claims: What it says of itself.
    """

    def __init__(
        self,
        offset_ns: int,
        *,
        drift_ppb: float = 0.0,
        from_utc_ns: int | None = None,
        until_utc_ns: int | None = None,
        claims: ServerClaims = _HONEST,
    ) -> None:
        if drift_ppb and from_utc_ns is None:
            raise ValueError("a lie that grows needs the instant at which it begins")
        self._offset_ns = offset_ns
        self._drift_ppb = drift_ppb
        self._from_ns = from_utc_ns
        self._until_ns = until_utc_ns
        self._server = HonestServer(claims)

    def offset_ns(self, utc_ns: int) -> int:
        """Return how far it is ahead of UTC at `utc_ns`."""
        if self._from_ns is None:
            since_ns = 0
        elif utc_ns < self._from_ns:
            return 0
        else:
            since_ns = utc_ns - self._from_ns
        if self._until_ns is not None and utc_ns >= self._until_ns:
            return 0
        return self._offset_ns + round(since_ns * self._drift_ppb / PPB)

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Answer with the lie of the instant of arrival."""
        lie_ns = self.offset_ns(receive_utc_ns)
        return self._server.reply(
            request,
            receive_utc_ns=receive_utc_ns + lie_ns,
            transmit_utc_ns=transmit_utc_ns + lie_ns,
        )


class SmearingServer:
    """Hides a leap second by running slow or fast around it, saying nothing.

    The smear is linear, as the large providers do it. Instants are on a scale that does
    not leap, so after an inserted second (`leap_ns` −1 s) it is that much behind.

    Args:
        begins_utc_ns: When the smear begins.
        lasts_ns: How long it takes; 24 h is usual.
        leap_ns: What is to be hidden, negative for an inserted second.
        claims: What it says of itself; leap NONE, for that is the point.
    """

    def __init__(
        self,
        *,
        begins_utc_ns: int,
        lasts_ns: int = 86_400 * NS_PER_S,
        leap_ns: int = -NS_PER_S,
        claims: ServerClaims = _HONEST,
    ) -> None:
        if lasts_ns <= 0:
            raise ValueError(f"a smear takes time, got {lasts_ns} ns")
        self._begins_ns = begins_utc_ns
        self._lasts_ns = lasts_ns
        self._leap_ns = leap_ns
        self._server = HonestServer(claims)

    def offset_ns(self, utc_ns: int) -> int:
        """Return how far it is ahead of unleaped time at `utc_ns`."""
        since_ns = min(max(utc_ns - self._begins_ns, 0), self._lasts_ns)
        return self._leap_ns * since_ns // self._lasts_ns

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Answer with smeared time."""
        return self._server.reply(
            request,
            receive_utc_ns=receive_utc_ns + self.offset_ns(receive_utc_ns),
            transmit_utc_ns=transmit_utc_ns + self.offset_ns(transmit_utc_ns),
        )


class UnsynchronizedServer(HonestServer):
    """Says that it has no time: leap 3, stratum 16 (RFC 5905 §7.3)."""

    def __init__(self, claims: ServerClaims = _HONEST) -> None:
        super().__init__(
            replace(claims, leap=Leap.UNSYNCHRONIZED, stratum=_UNSYNCHRONIZED_STRATUM)
        )


def client_packet(request: bytes) -> Packet | None:
    """Return the request as a packet, None where no server should answer it."""
    try:
        asked = decode(request)
    except RemoteProtocolError:
        return None
    if asked.mode is not Mode.CLIENT or asked.version not in _VERSIONS:
        return None
    return asked


def answer(
    claims: ServerClaims, asked: Packet, receive_utc_ns: int, transmit_utc_ns: int
) -> bytes:
    """Return the reply: 48 octets, never more than the request had."""
    reference_ns = receive_utc_ns - receive_utc_ns % _REFERENCE_NS
    return encode(
        Packet(
            leap=claims.leap,
            version=asked.version,
            mode=Mode.SERVER,
            stratum=claims.stratum,
            poll=asked.poll,
            precision=claims.precision,
            root_delay=NtpShort.from_ns(claims.root_delay_ns),
            root_dispersion=NtpShort.from_ns(claims.root_dispersion_ns),
            reference_id=claims.reference_id,
            reference=NtpTimestamp.from_unix_ns(reference_ns),
            # The request's transmit timestamp comes back as it was: it is the
            # client's proof that this answers its question (RFC 5905 §8).
            origin=asked.transmit,
            receive=NtpTimestamp.from_unix_ns(receive_utc_ns),
            transmit=NtpTimestamp.from_unix_ns(transmit_utc_ns),
        )
    )
