"""What a worker does with each datagram: pure state, no clock, no socket.

Decides which run it serves, which events count, and what is answered. Every datagram
ends in exactly one of: an event to be stamped, an answer, or a counted drop.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from chronotick.core.errors import RemoteProtocolError
from chronotick.eval.streaming.wire import (
    MAX_PAYLOAD,
    BadTag,
    Kind,
    Message,
    decode,
    encode,
)

__all__ = ["Reaction", "WorkerState"]


class Reaction(NamedTuple):
    """What to do now."""

    event: Message | None = None
    """Stamp this event."""
    answer: bytes | None = None
    """Send this back to where the datagram came from."""
    is_last: bool = False
    """The run has ended: finish what is open, and stop."""


_DROP = Reaction()


class WorkerState:
    """One worker, from its start to the end of one run.

    Args:
        key: The shared key; None: tags are not used.
        accept_early: Stamp events even before the clocks are ready.
    """

    def __init__(self, *, key: bytes | None = None, accept_early: bool = False) -> None:
        self._key = key
        self._accept_early = accept_early
        self._seen: set[tuple[int, int]] = set()
        self.run: bytes | None = None
        """The run that is served: that of the first coordinator who asked."""
        self.not_ready: str = "warming up"
        """Why events are refused; empty once they are not."""
        self.counts: Counter[str] = Counter()
        """Datagrams by what became of them."""

    def received(self, datagram: bytes) -> Reaction:
        """Take a datagram in."""
        try:
            message = decode(datagram, self._key)
        except RemoteProtocolError as error:
            return self._drop("bad_tag" if isinstance(error, BadTag) else "garbage")
        if message.kind is Kind.PING and self.run is None:
            self.run = message.run
        if message.run != self.run:
            return self._other_run(message)
        match message.kind:
            case Kind.PING:
                reaction = self._pong(message)
            case Kind.EVENT:
                reaction = self._event(message)
            case Kind.STOP:
                self.counts["stop"] += 1
                answer = self._answer(message, Kind.ACK)
                reaction = Reaction(answer=answer, is_last=True)
            case Kind.GIVEN_UP:
                reaction = self._given_up()
            case Kind.ACK | Kind.PONG:
                # A worker asks nothing, so nobody can be answering it.
                reaction = self._drop("garbage")
        return reaction

    def _drop(self, why: str) -> Reaction:
        self.counts[why] += 1
        return _DROP

    def _other_run(self, message: Message) -> Reaction:
        self.counts["other_run"] += 1
        if message.kind is not Kind.PING or self.run is None:
            return _DROP
        # Say it: the preflight of the other run must name the cause.
        why = f"it serves run {self.run.hex()}"
        return Reaction(answer=self._answer(message, Kind.PONG, why))

    def _pong(self, message: Message) -> Reaction:
        why = "" if self._accept_early else self.not_ready
        return Reaction(answer=self._answer(message, Kind.PONG, why))

    def _given_up(self) -> Reaction:
        self.counts["given_up"] += 1
        if self._seen:
            return Reaction(is_last=True)
        # Nothing was recorded yet, so the next coordinator is as welcome as this was.
        self.run = None
        return _DROP

    def _event(self, message: Message) -> Reaction:
        if self.not_ready and not self._accept_early:
            return self._drop("too_early")
        name = (message.event_id, message.sequence)
        if name in self._seen:
            # The network repeats datagrams; the event is acknowledged again, because
            # the first acknowledgement may be what was lost.
            self.counts["duplicate"] += 1
            return Reaction(answer=self._answer(message, Kind.ACK))
        self._seen.add(name)
        self.counts["event"] += 1
        return Reaction(event=message, answer=self._answer(message, Kind.ACK))

    def _answer(self, message: Message, kind: Kind, why: str = "") -> bytes:
        # As much of it as a datagram takes; a path in it may be of any octets.
        reason = why.encode(errors="replace")[:MAX_PAYLOAD]
        return encode(message.answer(kind, reason), self._key)
