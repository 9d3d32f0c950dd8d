"""Imagined NTP servers that refuse: kisses of death, rate limits, silence.

Decides when a request is refused and with which code (RFC 5905 §7.4). As in
`chronotick.sim.server`: bytes and instants in, bytes out, and no reply is longer than
its request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chronotick.core.status import Leap
from chronotick.ntp.packet import decode, encode
from chronotick.ntp.timestamp import NtpTimestamp
from chronotick.sim.server import HonestServer, ServerClaims, answer, client_packet

if TYPE_CHECKING:
    from chronotick.ntp.packet import Packet
    from chronotick.sim.server import NtpResponder

__all__ = ["DenyingServer", "RateLimitingServer", "SilentServer"]


class RateLimitingServer:
    """Answers RATE when asked more often than it likes (RFC 5905 §7.4).

    One bucket for all clients: it is for worlds where one client asks.

    Args:
        min_interval_ns: Time in which one more request is granted.
        burst: Requests that it puts up with in a row.
        server: Who answers the others.
    """

    def __init__(
        self,
        min_interval_ns: int,
        *,
        burst: int = 8,
        server: NtpResponder | None = None,
    ) -> None:
        if min_interval_ns <= 0 or burst < 1:
            raise ValueError("a rate limit needs an interval and a burst of at least 1")
        self._min_interval_ns = min_interval_ns
        self._allowance_ns = min_interval_ns * (burst - 1)
        self._server = server or HonestServer()
        # Generic cell rate algorithm: when the bucket would be full again.
        self._due_ns: int | None = None

    def reply(
        self, request: bytes, *, receive_utc_ns: int, transmit_utc_ns: int
    ) -> bytes | None:
        """Answer, with the time or with the kiss."""
        asked = client_packet(request)
        if asked is None:
            return None
        due_ns = receive_utc_ns if self._due_ns is None else self._due_ns
        if due_ns - receive_utc_ns > self._allowance_ns:
            return _kiss(b"RATE", asked)
        self._due_ns = max(due_ns, receive_utc_ns) + self._min_interval_ns
        return self._server.reply(
            request, receive_utc_ns=receive_utc_ns, transmit_utc_ns=transmit_utc_ns
        )


class DenyingServer:
    """Answers every request with a kiss of death.

    Args:
        code: Four letters; ``DENY``, ``RSTR`` or any other (RFC 5905 figure 13).
    """

    def __init__(self, code: str = "DENY") -> None:
        self._code = code.encode("ascii")
        if not 1 <= len(self._code) <= 4:  # noqa: PLR2004 - the field's octets
            raise ValueError(f"a kiss code has 1 to 4 letters, got {code!r}")

    def reply(
        self,
        request: bytes,
        *,
        receive_utc_ns: int,
        transmit_utc_ns: int,
    ) -> bytes | None:
        """Answer with the kiss."""
        asked = client_packet(request)
        return None if asked is None else _kiss(self._code, asked)


class SilentServer:
    """Takes every request and answers none."""

    def reply(
        self,
        request: bytes,
        *,
        receive_utc_ns: int,
        transmit_utc_ns: int,
    ) -> bytes | None:
        """Return None."""
        return None


def _kiss(code: bytes, asked: Packet) -> bytes:
    """Return a kiss-o'-death: stratum 0, the code as reference id (RFC 5905 §7.4)."""
    claims = ServerClaims(
        stratum=0,
        leap=Leap.UNSYNCHRONIZED,
        reference_id=int.from_bytes(code.ljust(4, b"\0"), "big"),
    )
    # chronyd echoes the origin and gives no time in a kiss; nor is any needed.
    kiss = decode(answer(claims, asked, 0, 0))
    unknown = NtpTimestamp(0)
    return encode(
        replace(kiss, reference=unknown, receive=unknown, transmit=asked.transmit)
    )
