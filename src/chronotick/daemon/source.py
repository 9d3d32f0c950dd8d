"""Ask one server, again and again, and pass on how each poll ended.

The driver of `chronotick.ntp`: it carries out the actions that the association returns,
on the schedule clock. It decides nothing about what an answer is worth; it does decide
which of a name's addresses is asked, and when the name is looked up again.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from chrono_daemon.recipes.coordination.within import within
from chronotick.core.records import Exchange
from chronotick.daemon.addresses import Addresses
from chronotick.daemon.pace import SILENT, Pace, Rest
from chronotick.ntp import (
    Association,
    Drop,
    DropReason,
    Emit,
    ExchangeLimits,
    Kiss,
    KissCode,
    Lost,
    NtpTimestamp,
    PollPolicy,
    PollSchedule,
    SampleFilter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from chrono_daemon import Clock, Context, SendStream
    from chronotick.core.ports import Link, Transport
    from chronotick.core.records import Endpoint
    from chronotick.ntp import Outcome

__all__ = ["Shared", "SourceSettings", "poll_server"]

# So many polls in a row without an answer, and the next address of the name is tried.
_LOSSES_BEFORE_NEXT_ADDRESS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One server as the configuration names it."""

    name: str
    host: str
    port: int
    is_public: bool
    """Whether the floors for other people's servers apply."""
    policy: PollPolicy
    limits: ExchangeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the sources of one daemon tell each other."""

    pace: Pace = field(default_factory=Pace)
    """What can't wait for the next poll."""
    addresses: Addresses = field(default_factory=Addresses)
    """Which servers they ask."""


async def poll_server(
    ctx: Context,
    settings: SourceSettings,
    transport: Transport,
    entropy: Callable[[int], bytes],
    out: SendStream[Exchange],
    shared: Shared,
) -> None:
    """Poll until told to stop, or until the server says never again.

    Args:
        ctx: Where to sleep (`ctx.clock`) and when to stop.
        settings: The server.
        transport: The network.
        entropy: Returns so many unpredictable bytes; every request's cookie is drawn
            from it, and the jitter of the schedule.
        out: Where each poll's end goes. Closed on the way out.
        shared: What the sources tell each other.
    """
    source = _Source(settings, transport, entropy, shared.addresses)
    diary, rest = _Diary(), Rest(shared.pace)
    try:
        while not ctx.stopping:
            lost = source.losses
            rest.polls()
            exchange, wait_s = await source.poll(
                ctx.clock, is_steady=not rest.is_urgent
            )
            if diary.is_news(exchange):
                ctx.logger.log(
                    logging.INFO if exchange.state == "ok" else logging.WARNING,
                    'event=server server=%s state=%s why="%s"',
                    settings.name,
                    exchange.state,
                    exchange.detail or "answers again",
                )
            await out.send(exchange)
            source.settle()
            if exchange.sample is not None:
                shared.pace.answered(lost)
            if wait_s is None:
                return
            await rest.take(
                ctx.clock, wait_s, losses=source.losses, least_s=source.least_s
            )
    finally:
        await out.aclose()


class _Diary:
    """Which state of a server the log was told of last."""

    def __init__(self) -> None:
        self._told = "ok", ""
        self._lost = 0

    def is_news(self, exchange: Exchange) -> bool:
        """Say whether to tell of this end of a poll.

        Single packets are lost on any path. Why an answer is refused may change, and
        the last reason stay: a server that has no time yet turns out to be ourselves.
        """
        state = exchange.state
        self._lost = self._lost + 1 if state == "lost" else 0
        reason = exchange.detail.partition(":")[0] if state == "rejected" else ""
        if (state, reason) == self._told or 0 < self._lost < SILENT:
            return False
        self._told = state, reason
        return True


class _Source:
    """The state that outlives a poll."""

    def __init__(
        self,
        settings: SourceSettings,
        transport: Transport,
        entropy: Callable[[int], bytes],
        addresses: Addresses,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._transport = transport
        self._entropy = entropy
        self._association = Association(settings.name, settings.limits)
        self._schedule = PollSchedule.start(
            settings.policy, is_public=settings.is_public
        )
        self._filter = SampleFilter()
        self._endpoints: Sequence[Endpoint] = ()
        self._at = 0
        self._endpoint: Endpoint | None = None
        self._answered: Endpoint | None = None
        self._taken_by = ""
        self._refused = False

    @property
    def losses(self) -> int:
        """How many polls in a row have gone unanswered."""
        return self._schedule.losses

    @property
    def least_s(self) -> float:
        """How long after a poll the next one may come, whatever happens."""
        return max(self._schedule.policy.min_poll_s, self._schedule.floor_s)

    async def poll(
        self, clock: Clock, *, is_steady: bool
    ) -> tuple[Exchange, float | None]:
        """Ask once; return how it ended and the seconds to wait, None for ever.

        Args:
            clock: Whose seconds.
            is_steady: Whether an answer is one of many, and not sorely wanted.
        """
        endpoint: Endpoint | None = None
        outcome: Outcome | Lost
        try:
            endpoint = await self._address()
        except OSError as error:
            outcome = self._association.missed(
                f"cannot resolve {self._settings.host}: {error.strerror or error}"
            )
        else:
            outcome = await self._ask(clock, endpoint)
        useful = self._note(outcome, is_steady)
        jitter = int.from_bytes(self._entropy(4), "big") / 2**32
        wait_s = self._schedule.next_poll_s(jitter)
        return self._exchange(endpoint, outcome, useful, wait_s), wait_s

    def settle(self) -> None:
        """Leave to others what is not asked, once its last answer has no vote."""
        kept: set[Endpoint] = set()
        if not self._taken_by:
            if self._endpoint is None:
                return
            kept.add(self._endpoint)
            may_vote = self.losses < SILENT and self._schedule.demobilized is None
            if self._answered is not None and may_vote:
                kept.add(self._answered)
        self._addresses.settle(kept, self._settings.name)

    async def _address(self) -> Endpoint:
        """Return the address to ask, looking the name up again when all have failed.

        They may have been right all the time: they are asked again where the resolver
        does not answer. One that is asked under another name is passed over; the last
        of them is returned where there is no other.
        """
        if self._skip_taken():
            return self._endpoints[self._at]
        try:
            self._endpoints = await self._look_up()
        except OSError:
            if not self._endpoints:
                raise
        self._at = 0
        self._skip_taken()
        return self._endpoints[min(self._at, len(self._endpoints) - 1)]

    def _skip_taken(self) -> bool:
        """Go on to the next address that nobody else asks, if there is one left."""
        name = self._settings.name
        while self._at < len(self._endpoints):
            holder = self._addresses.claim(self._endpoints[self._at], name)
            self._taken_by = "" if holder == name else holder
            if not self._taken_by:
                return True
            self._at += 1
        return False

    async def _look_up(self) -> Sequence[Endpoint]:
        found = await self._transport.resolve(self._settings.host, self._settings.port)
        if not found:
            raise OSError("no address")
        return found

    async def _ask(self, clock: Clock, endpoint: Endpoint) -> Outcome | Lost:
        association = self._association
        if self._taken_by:
            return association.missed(
                f"the same server as {self._taken_by}, at {endpoint}: it has one vote; "
                "name another server"
            )
        if endpoint != self._endpoint:
            # Another server's delays, which say nothing of this one's.
            self._filter.reset()
            self._endpoint = endpoint
        try:
            async with self._transport.open(endpoint) as link:
                send = association.begin(endpoint, self._cookie())
                timer = association.sent(await link.send(send.payload))
                followed = self._addresses.references(besides=self._settings.name)
                answer = partial(_answer, association, link, followed)
                return await within(clock, timer.after_s, answer)
        except TimeoutError:
            # Before OSError, of which it is one: silence is no refusal.
            return association.timed_out() or Lost(detail="no answer")
        except OSError as error:
            why = error.strerror or str(error)
            # Not even begun where the port could not be opened: no route, no such
            # address family. Another address may do better at once; not so where the
            # host slept meanwhile.
            self._refused = error.errno != errno.ECANCELED
            waiting = association.is_waiting
            return association.failed(why) if waiting else association.missed(why)

    def _cookie(self) -> NtpTimestamp:
        bits = int.from_bytes(self._entropy(8), "big")
        # Zero is what a reply to nobody carries, and refused; 2⁻⁶⁴ of the time.
        return NtpTimestamp(bits or 1)

    def _note(self, outcome: Outcome | Lost, is_steady: bool) -> bool:
        """Learn from how a poll ended; return whether its sample is worth using."""
        match outcome:
            case Emit(sample=sample):
                self._answered = self._endpoint
                self._schedule = self._schedule.answered(is_steady=is_steady)
                return self._filter.add(sample).is_worth_using
            case Kiss(code=code):
                self._schedule = self._schedule.kissed(code)
            case Drop(reason=reason) if reason is not DropReason.KISS:
                self._schedule = self._schedule.useless()
                self._try_next_address()
            case _:
                self._schedule = self._schedule.lost()
                self._try_next_address()
        return False

    def _try_next_address(self) -> None:
        losses = self._schedule.losses
        patient = losses % _LOSSES_BEFORE_NEXT_ADDRESS != 0 and not self._refused
        self._refused = False
        if self._endpoints and not patient:
            self._at += 1

    def _exchange(
        self,
        endpoint: Endpoint | None,
        outcome: Outcome | Lost,
        useful: bool,
        wait_s: float | None,
    ) -> Exchange:
        sample = outcome.sample if isinstance(outcome, Emit) else None
        return Exchange(
            server=self._settings.name,
            endpoint=endpoint,
            state="duplicate" if self._taken_by else _state(endpoint, outcome),
            sample=sample,
            useful=useful,
            detail=_detail(outcome),
            reach=self._association.reach,
            poll_s=wait_s or 0.0,
            rejected=self._association.dropped,
        )


async def _answer(
    association: Association, link: Link, followed: Container[int]
) -> Outcome:
    """Return the outcome of the first datagram that ends the request."""
    while True:
        outcome = association.received(await link.receive(), followed=followed)
        if not association.is_waiting:
            return outcome


def _state(endpoint: Endpoint | None, outcome: Outcome | Lost) -> str:
    match outcome:
        case Emit():
            return "ok"
        case Kiss(code=KissCode.DENY | KissCode.RSTR):
            return "denied"
        case Kiss() | Drop():
            return "rejected"
        case Lost():
            return "unresolved" if endpoint is None else "lost"


def _detail(outcome: Outcome | Lost) -> str:
    match outcome:
        case Emit():
            return ""
        case Kiss(code=KissCode.RATE):
            return "asks for fewer queries (kiss code RATE); polling slower for good"
        case Kiss(code=code):
            return f"refuses to serve us (kiss code {code}); not asked again"
        case Drop(reason=reason, detail=detail):
            return f"{reason}: {detail}" if detail else str(reason)
        case Lost(detail=detail):
            return detail
