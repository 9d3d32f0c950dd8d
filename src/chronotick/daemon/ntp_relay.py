"""Forward NTP between clients and one server, for nodes that cannot reach it.

Decides which client a reply belongs to: the one whose request carried the transmit
timestamp that the reply returns as its origin (RFC 5905 §8), once, and only for a
while. So a late or repeated reply never reaches another client. Contents are not
changed: the relay only adds delay, which every client measures and bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio

from chronotick.core.errors import RemoteProtocolError
from chronotick.core.units import NS_PER_S
from chronotick.ntp import Mode, decode

if TYPE_CHECKING:
    from chrono_daemon import Clock, Context
    from chronotick.core.ports import Link, MeasuredClock, Transport
    from chronotick.core.records import Endpoint
    from chronotick.daemon.ntp_server import RateLimit
    from chronotick.daemon.udp import UdpListener

__all__ = ["NtpRelay", "Pending"]

# No client waits longer for a reply, and a table of cookies must not grow for ever.
_EXPIRES_NS = 5 * NS_PER_S
_MAX_PENDING = 4096
_TRY_AGAIN_S, _RECEIVE_AGAIN_S = 5.0, 0.001
# So many requests in a row without a reply, for so long: a name may lead elsewhere now,
# and a port stays at the address that the host had when it was opened.
_MANY = 8
_LOOK_AGAIN_NS = 64 * NS_PER_S

_Client = TypeVar("_Client", bound=Hashable)


class _Caller(NamedTuple):
    """Who asked, and at which of our addresses."""

    client: Endpoint
    asked: str | None


class Pending(Generic[_Client]):
    """Requests on their way, by cookie; pure state.

    A client is whatever tells those who ask from each other.
    """

    def __init__(self) -> None:
        self._asked: dict[int, tuple[_Client, int, int]] = {}
        self.counts: Counter[str] = Counter()
        """Datagrams by what became of them."""

    def request(self, datagram: bytes, client: _Client, now_ns: int) -> bool:
        """Say whether to forward a client's datagram; remember whose it is."""
        try:
            packet = decode(datagram)
        except RemoteProtocolError:
            return self._drop("garbage")
        if packet.mode is not Mode.CLIENT:
            return self._drop("not_a_request")
        self._expire(now_ns)
        cookie = packet.transmit.bits
        if cookie == 0 or len(self._asked) >= _MAX_PENDING:
            return self._drop("no_room" if cookie else "no_cookie")
        if self._asked.get(cookie, (client, 0, 0))[0] != client:
            # Two clients with one cookie: nobody could tell whose the reply is.
            return self._drop("same_cookie")
        # A key that is there keeps its place, and would be the oldest with the latest end.
        self._asked.pop(cookie, None)
        self._asked[cookie] = (client, now_ns + _EXPIRES_NS, len(datagram))
        self.counts["forwarded"] += 1
        return True

    def reply(self, datagram: bytes, now_ns: int) -> _Client | None:
        """Return the client that a server's datagram belongs to; None: to nobody."""
        try:
            packet = decode(datagram)
        except RemoteProtocolError:
            self._drop("garbage")
            return None
        if packet.mode is not Mode.SERVER:
            self._drop("not_a_reply")
            return None
        client, until_ns, length = self._asked.pop(packet.origin.bits, (None, 0, 0))
        if client is None or now_ns > until_ns:
            self._drop("late_or_unasked")
            return None
        if len(datagram) > length:
            # Never more to a client than came from it: its address may be forged.
            self._drop("longer_than_request")
            return None
        self.counts["returned"] += 1
        return client

    def _expire(self, now_ns: int) -> None:
        # In order of arrival, so the oldest come first.
        while self._asked:
            cookie, (_, until_ns, _) = next(iter(self._asked.items()))
            if now_ns <= until_ns:
                return
            del self._asked[cookie]
            self.counts["expired"] += 1

    def _drop(self, why: str) -> bool:
        self.counts[why] += 1
        return False


class NtpRelay:
    """One port that leads to one server.

    Args:
        listener: The port; closed at the end.
        transport: The network towards the server.
        measured: For expiry.
        host: The server, by name or address.
        port: Its port.
        limit: How much each client may ask.
    """

    def __init__(
        self,
        listener: UdpListener,
        transport: Transport,
        measured: MeasuredClock,
        host: str,
        port: int,
        limit: RateLimit,
    ) -> None:
        self._listener = listener
        self._transport = transport
        self._measured = measured
        self._server = (host, port)
        self._limit = limit
        self.pending: Pending[_Caller] = Pending()
        self._unanswered = 0
        self._heard_raw_ns = 0

    async def run(self, ctx: Context) -> None:
        """Relay until cancelled; a server that is out of reach is looked up again."""
        try:
            while True:
                try:
                    endpoint = (await self._transport.resolve(*self._server))[0]
                    async with self._transport.open(endpoint) as link:
                        await self._relay(ctx.clock, link)
                except OSError as error:
                    why = error.strerror or error
                    ctx.logger.warning(
                        'event=unreachable server=%s:%d why="%s"', *self._server, why
                    )
                    await ctx.clock.sleep(_TRY_AGAIN_S)
        finally:
            self._listener.close()

    async def _relay(self, clock: Clock, link: Link) -> None:
        self._unanswered, self._heard_raw_ns = 0, self._measured.raw_ns()
        async with anyio.create_task_group() as group:
            group.start_soon(self._return, clock, link)
            await self._forward(link)
            group.cancel_scope.cancel()

    async def _forward(self, link: Link) -> None:
        """Forward until so much was in vain that the server may have moved, or we."""
        while not self._is_in_vain():
            datagram = await self._listener.receive()
            now_ns = self._measured.raw_ns()
            caller = _Caller(datagram.origin, datagram.destination)
            if not self._limit.allows(caller.client.address, now_ns):
                self.pending.counts["limited"] += 1
                continue
            if self.pending.request(datagram.payload, caller, now_ns):
                self._unanswered += 1
                try:
                    await link.send(datagram.payload)
                except OSError:
                    self.pending.counts["unreachable"] += 1

    def _is_in_vain(self) -> bool:
        silent_ns = self._measured.raw_ns() - self._heard_raw_ns
        return self._unanswered >= _MANY and silent_ns >= _LOOK_AGAIN_NS

    async def _return(self, clock: Clock, link: Link) -> None:
        while True:
            try:
                datagram = await link.receive()
            except OSError:
                # An ICMP answer to an earlier packet: the server is not there now. Or
                # the link only fails any more, and must not keep others from the loop.
                self.pending.counts["unreachable"] += 1
                await clock.sleep(_RECEIVE_AGAIN_S)
                continue
            caller = self.pending.reply(datagram.payload, self._measured.raw_ns())
            if caller is not None:
                self._unanswered, self._heard_raw_ns = 0, datagram.raw_ns
                self._listener.send(datagram.payload, *caller)
