"""Run the exchanges with one server, one at a time, as values in and actions out.

Decides which datagram answers which request, and which answers are usable (RFC 5905
§8 and §9.2). It sends nothing, waits for nothing and rolls no dice: instants, cookies
and datagrams are arguments. When to ask again is for `schedule`.

One exchange is ``begin → sent → received | timed_out | failed``; in words:

=========  =========  ===========  ===============  =======================
state      `begin`    `sent`       `received`       `timed_out`, `failed`
=========  =========  ===========  ===============  =======================
idle       prepared   bug          Drop             nothing
prepared   bug        waiting      Drop             Lost, idle
waiting    bug        bug          below            Lost, idle
=========  =========  ===========  ===============  =======================

While waiting, a datagram that does not prove to be the server's answer is dropped and
the wait goes on: anyone can send those. The first one that echoes the cookie ends it,
usable or not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from chronotick.core.errors import LocalProtocolError, RemoteProtocolError
from chronotick.core.status import Leap
from chronotick.ntp.actions import (
    ArmTimer,
    Drop,
    DropReason,
    Emit,
    Kiss,
    KissCode,
    Lost,
    Send,
)
from chronotick.ntp.address import is_loopback, reference_id
from chronotick.ntp.onwire import ExchangeLimits, measure
from chronotick.ntp.packet import Mode, client_request, decode, encode

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from chronotick.core.records import Datagram, Endpoint
    from chronotick.ntp.actions import Outcome
    from chronotick.ntp.packet import Packet
    from chronotick.ntp.timestamp import NtpTimestamp

__all__ = ["Association"]

_VERSIONS: Final = (3, 4)
_MAX_STRATUM: Final = 15  # RFC 5905 figure 11: 16 is unsynchronized, above reserved.
_REACH_BITS: Final = 0xFF
_OBEYED: Final = {code.value: code for code in KissCode}
_DEFAULT_LIMITS: Final = ExchangeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    endpoint: Endpoint
    cookie: NtpTimestamp
    sent_raw_ns: int | None = None


class Association:
    """The exchanges with one server, under one name.

    Args:
        server: name of the association, unique in the configuration; in every sample.
        limits: what an exchange may take and cost.
    """

    def __init__(self, server: str, limits: ExchangeLimits = _DEFAULT_LIMITS) -> None:
        self.server = server
        self.limits = limits
        self._request: _Request | None = None
        self._spent: NtpTimestamp | None = None
        self._reach = 0
        self._dropped: Counter[str] = Counter()

    @property
    def is_waiting(self) -> bool:
        """Say whether a request is outstanding."""
        return self._request is not None

    @property
    def reach(self) -> int:
        """The reachability register, newest poll in the lowest bit (RFC 5905 §13).

        A bit is set by a sample, not by any packet: an answer that can't be used does
        not make a server reachable. Zero means that the last eight polls gave nothing.
        """
        return self._reach

    @property
    def dropped(self) -> Mapping[str, int]:
        """A copy of the counts of packets that gave no sample, by `DropReason`."""
        return dict(self._dropped)

    def begin(self, endpoint: Endpoint, cookie: NtpTimestamp) -> Send:
        """Prepare a request to `endpoint` and count it as a poll.

        Args:
            endpoint: where to send, exactly as the transport will report the source of
                the answer.
            cookie: 64 fresh random bits, not zero. They are all the protection there
                is against forged answers off the path, so they must be unpredictable.

        Raises:
            LocalProtocolError: a request is outstanding, or the cookie is zero.
        """
        if self._request is not None:
            raise LocalProtocolError(f"a request to {self.server} is outstanding")
        if cookie.is_zero:
            raise LocalProtocolError("a cookie of zero is what forgeries carry")
        self._count_poll()
        self._request = _Request(endpoint=endpoint, cookie=cookie)
        return Send(endpoint=endpoint, payload=encode(client_request(cookie)))

    def sent(self, raw_ns: int) -> ArmTimer:
        """Note that the request left, `raw_ns` being read just before (T1).

        Raises:
            LocalProtocolError: nothing was prepared, or it was sent before.
        """
        request = self._request
        if request is None or request.sent_raw_ns is not None:
            raise LocalProtocolError(f"no request to {self.server} was to be sent")
        self._request = replace(request, sent_raw_ns=raw_ns)
        return ArmTimer(after_s=self.limits.timeout_s)

    def received(self, datagram: Datagram, *, followed: Container[int] = ()) -> Outcome:
        """Judge one datagram. Never raises, whatever it holds.

        Args:
            datagram: What came.
            followed: The references (`chronotick.ntp.reference_id`) of the servers that
                are asked besides this one.
        """
        outcome = self._judge(datagram, followed)
        match outcome:
            case Drop(reason=reason):
                self._dropped[reason] += 1
            case Kiss():
                self._dropped[DropReason.KISS] += 1
            case Emit():
                self._reach |= 1
        return outcome

    def timed_out(self) -> Lost | None:
        """Give the request up; None if it was answered just before."""
        if self._request is None:
            return None
        return self.failed(f"no answer within {self.limits.timeout_s:g} s")

    def failed(self, detail: str) -> Lost:
        """Give the request up because the network refused it, for the reason given."""
        self._request = None
        return Lost(detail=detail)

    def missed(self, detail: str) -> Lost:
        """Count a poll that could not even begin, such as a name without address.

        Raises:
            LocalProtocolError: a request is outstanding.
        """
        if self._request is not None:
            raise LocalProtocolError(f"a request to {self.server} is outstanding")
        self._count_poll()
        return Lost(detail=detail)

    def _count_poll(self) -> None:
        self._reach = self._reach << 1 & _REACH_BITS

    def _judge(self, datagram: Datagram, followed: Container[int]) -> Outcome:
        try:
            reply = decode(datagram.payload)
        except RemoteProtocolError as error:
            return Drop(reason=DropReason.MALFORMED, detail=str(error))
        request = self._request
        if request is None or request.sent_raw_ns is None:
            return self._stray(reply)
        doubt = self._doubt(request, reply, datagram.origin)
        if doubt is not None:
            return doubt
        # The cookie is proof and is spent on the first packet that shows it, so a copy
        # can't be taken twice (RFC 5905 §8: org is cleared on receipt).
        self._request, self._spent = None, request.cookie
        refusal = _refusal(reply) or _loop(reply, datagram, followed)
        if refusal is not None:
            return refusal
        result = measure(
            self.server,
            reply,
            sent_raw_ns=request.sent_raw_ns,
            arrival=datagram,
            limits=self.limits,
        )
        return result if isinstance(result, Drop) else Emit(sample=result)

    def _stray(self, reply: Packet) -> Drop:
        if reply.origin == self._spent:
            return Drop(reason=DropReason.DUPLICATE)
        return Drop(reason=DropReason.UNEXPECTED)

    def _doubt(self, request: _Request, reply: Packet, origin: Endpoint) -> Drop | None:
        """Return why `reply` does not prove to answer `request`; None if it does."""
        if origin != request.endpoint:
            return Drop(reason=DropReason.SOURCE, detail=str(origin))
        if reply.mode != Mode.SERVER:
            return Drop(reason=DropReason.MODE, detail=f"mode {reply.mode:d}")
        if reply.version not in _VERSIONS:
            return Drop(reason=DropReason.VERSION, detail=f"version {reply.version}")
        if reply.origin == self._spent:
            return Drop(reason=DropReason.DUPLICATE)
        # Never equal to zero: `begin` refuses such a cookie.
        if reply.origin != request.cookie:
            return Drop(reason=DropReason.ORIGIN)
        return None


def _refusal(reply: Packet) -> Drop | Kiss | None:
    """Return what the server says instead of the time; None if it gives the time.

    Only for replies that echo the cookie: a kiss of death from anyone else would let a
    stranger silence our servers (RFC 5905 §7.4, RFC 8633 §5.4).
    """
    # First of all: a kiss carries no time, so its other fields mean nothing.
    code = reply.kiss_code
    if code is not None:
        if code in _OBEYED:
            return Kiss(code=_OBEYED[code])
        return Drop(reason=DropReason.KISS, detail=f"code {code}")
    if reply.leap is Leap.UNSYNCHRONIZED:
        return Drop(reason=DropReason.UNSYNCHRONIZED, detail="leap 3")
    if not 1 <= reply.stratum <= _MAX_STRATUM:
        return Drop(reason=DropReason.UNSYNCHRONIZED, detail=f"stratum {reply.stratum}")
    if reply.transmit.is_zero or reply.receive.is_zero:
        return Drop(reason=DropReason.TIMESTAMPS, detail="zero")
    return None


def _loop(reply: Packet, datagram: Datagram, followed: Container[int]) -> Drop | None:
    """Refuse a server that has its time from us (RFC 5905 A.5.5.3).

    Each answer would confirm what we believe, however wrong, and ever more surely. Our
    own service, or whatever else serves on this host, names whom we ask as well. A
    loopback address is everybody's and names nobody.
    """
    ours = datagram.destination
    if ours is None or reply.stratum == 1:
        return None
    if not is_loopback(ours) and reply.reference_id == reference_id(ours):
        return Drop(
            reason=DropReason.LOOP, detail=f"its reference is {ours}, this host"
        )
    theirs = datagram.origin.address
    # We ask 127.0.1.1, which Debian calls a host by, from 127.0.0.1.
    is_here = ours == theirs or is_loopback(theirs)
    if is_here and reply.reference_id in followed:
        return Drop(
            reason=DropReason.LOOP,
            detail="it is this host, and follows a server that is asked here, too",
        )
    return None
