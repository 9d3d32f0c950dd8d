"""All configured servers together: who may be heard, who is awaited, who has jumped.

Decides who takes part when it is asked what time it is. Who of them is believed is
decided in `chronotick.daemon.agreement`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.daemon.server_state import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chronotick.core.records import (
        Correction,
        Endpoint,
        Exchange,
        Sample,
        SourceReport,
    )
    from chronotick.core.span import Span
    from chronotick.fusion import RateSpan
    from chronotick.ntp import Selection

__all__ = ["Roster"]


class Roster:
    """The servers of the configuration, in its order.

    Args:
        names: What `Exchange.server` says.
        startup_grace_ns: How long after the first answer those that have not answered
            yet are waited for, unless they are known to be gone before.
    """

    def __init__(self, names: Iterable[str], *, startup_grace_ns: int) -> None:
        self._servers = {name: ServerState(name) for name in names}
        self._startup_grace_ns = startup_grace_ns
        self._first_raw_ns: int | None = None
        # Whose last poll was answered, and who has been asked in vain since.
        self._answered = set(self._servers)
        self._in_vain: set[str] = set()

    def __len__(self) -> int:
        return len(self._servers)

    def observe(self, exchange: Exchange, rate: RateSpan) -> Sample | None:
        """Take in how one poll ended; return its sample if it says something new."""
        sample = self._servers[exchange.server].observe(exchange, rate)
        if exchange.sample is None:
            self._in_vain.add(exchange.server)
        else:
            self._end_silence(exchange.server)
        if sample is not None and self._first_raw_ns is None:
            self._first_raw_ns = sample.raw_ns
        return sample

    def _end_silence(self, name: str) -> None:
        """Expect all to answer that fell silent together with `name`.

        The network is back, and who happens to be asked first must not decide for
        those that will be asked next.
        """
        if name in self._in_vain or self._first_raw_ns is None:
            for other in self._in_vain & self._answered - {name}:
                self._servers[other].expect()
        self._in_vain.clear()
        self._answered = {n for n, s in self._servers.items() if s.has_just_answered}

    def forget(self) -> None:
        """Drop all measurements: RAW lost time, so they mean nothing now."""
        for server in self._servers.values():
            server.forget()

    def remember(self, samples: Sequence[Sample], rate: RateSpan) -> None:
        """Drop all measurements but `samples`, in order: they are newer than a leap."""
        for name, server in self._servers.items():
            server.remember((s for s in samples if s.server == name), rate)

    @property
    def asked(self) -> set[str]:
        """Those that have been asked and will be again."""
        return {name for name, server in self._servers.items() if server.is_asked}

    def spans(self, raw_ns: int, rate: RateSpan) -> dict[str, Span]:
        """Return where each server that may be heard says that UTC − RAW lies.

        Once all are gone nobody votes: the last agreement ages (holdover). Asked again,
        the spans of those that were found out would grow until they agree with all.
        """
        spans = {
            name: server.bound.span_at(raw_ns, rate)
            for name, server in self._servers.items()
            if server.bound.usable and server.answers
        }
        return {name: span for name, span in spans.items() if span is not None}

    def pending(self, raw_ns: int) -> int:
        """Return how many have not answered yet and may still do so in time."""
        first_ns = raw_ns if self._first_raw_ns is None else self._first_raw_ns
        if raw_ns - first_ns >= self._startup_grace_ns:
            return 0
        return sum(server.is_pending for server in self._servers.values())

    @property
    def absent(self) -> int:
        """How many answer, but may not be heard at present."""
        return sum(server.is_absent for server in self._servers.values())

    @property
    def silent(self) -> int:
        """How many have answered once, and are neither heard nor absent."""
        return sum(server.is_silent for server in self._servers.values())

    @property
    def has_jumped(self) -> bool:
        """Whether most of those that answer have jumped: then it was us, or time."""
        heard = [
            s for s in self._servers.values() if s.newest is not None and s.answers
        ]
        jumped = [s for s in heard if s.bound.on_probation]
        return bool(jumped) and 2 * len(jumped) > len(heard)

    @property
    def was_heard(self) -> bool:
        """Whether any server has ever answered."""
        return any(server.samples for server in self._servers.values())

    def moved_from(self, exchange: Exchange) -> Endpoint | None:
        """Return the address of before where now another answers under the name."""
        server = self._servers[exchange.server]
        return server.endpoint if server.has_moved(exchange) else None

    def is_on_probation(self, name: str) -> bool:
        """Say whether `name` has just contradicted its own past."""
        return self._servers[name].bound.on_probation

    def answering(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that still answer."""
        return {name for name in names if self._servers[name].answers}

    def newest(self, names: Iterable[str]) -> list[Sample]:
        """Return the newest sample of each of `names` that has one."""
        return [s for name in names if (s := self._servers[name].newest)]

    def reports(
        self, correction: Correction, selection: Selection | None
    ) -> list[SourceReport]:
        """Return one row per server, offsets against `correction`."""
        chosen = selection.truechimers if selection else ()
        wrong = selection.falsetickers if selection else ()
        return [
            server.report(correction, selected=name in chosen, wrong=name in wrong)
            for name, server in self._servers.items()
        ]
