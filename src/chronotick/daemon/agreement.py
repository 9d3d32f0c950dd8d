"""What a majority of the servers agrees on, and what becomes of it as they change.

Decides who is heard: today's majority, as long as it does not contradict a better
attended one of before, which ages soundly, and doesn't need the word of those that were
found out. Where today there is none, those that are faithful to the last agreement
speak, and the others are found out by it. No I/O and no clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S
from chronotick.daemon.contradictions import Contradictions
from chronotick.ntp import NoAgreement, select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from chronotick.core.span import Span
    from chronotick.fusion import RateSpan
    from chronotick.ntp import Selection

__all__ = ["Agreement"]

_LAPSE_NS = 24 * 3600 * NS_PER_S


class _Agreed(NamedTuple):
    """What a majority last agreed on."""

    raw_ns: int
    span: Span
    supporters: int


class _Quorum(NamedTuple):
    """What it takes to decide while some may not be heard."""

    required: int
    absent: int
    silent: int
    tolerate: int | None

    def ask(self, spans: Mapping[str, Span]) -> Selection | NoAgreement:
        """Return what a majority of those heard and absent agrees on."""
        total = len(spans) + self.absent
        liars = max(total - 1, 0) // 2 if self.tolerate is None else self.tolerate
        return select(spans, required=self.needed(spans), tolerate=liars)

    def needed(self, spans: Mapping[str, Span]) -> int:
        """Return how many are a majority of those heard and absent."""
        return max(self.required, (len(spans) + self.absent) // 2 + 1)


class Agreement:
    """The servers' parliament.

    Args:
        tolerate: Liars to survive, found out or not; None: any minority.
    """

    def __init__(self, *, tolerate: int | None = None) -> None:
        self._tolerate = tolerate
        self._agreed: _Agreed | None = None
        # That of most servers. Those that fall silent later don't take it back.
        self._best: _Agreed | None = None
        self._contradictions = Contradictions()
        self.selection: Selection | None = None
        """Who is believed at present; None without a majority."""

    @property
    def is_known(self) -> bool:
        """Whether there has been an agreement that still counts."""
        return self._agreed is not None

    def span_at(self, raw_ns: int, rate: RateSpan) -> Span | None:
        """Return the last agreed interval, carried to `raw_ns`."""
        return _carried(self._agreed, raw_ns, rate)

    def forget(self) -> None:
        """Start again: something jumped. Who was found out has not been mended by that."""
        self._agreed = self._best = None
        self._contradictions.forget_pairs()
        self.selection = None

    def absolve(self, server: str) -> None:
        """Compare `server` with another one anew: it has started again itself."""
        self._contradictions.absolve(server)

    def unblemished(self, servers: AbstractSet[str]) -> AbstractSet[str]:
        """Return those of `servers` that no majority has found out."""
        return servers - self._contradictions.outcasts

    def ask(
        self,
        raw_ns: int,
        spans: Mapping[str, Span],
        *,
        required: int,
        rate: RateSpan,
        absent: int = 0,
        silent: int = 0,
    ) -> bool:
        """Ask who is right at `raw_ns`; the answer is in `selection`.

        Args:
            raw_ns: The instant.
            spans: Where each server that may be heard says that UTC − RAW lies then.
            required: Fewest that must agree.
            rate: What the oscillator's rate can be.
            absent: Servers that answer, too, but may not be heard at present. The
                minority that lies is a minority of all of them.
            silent: Servers that have answered before and may again. Those that answer
                at present may be a minority of all, and most of them lie.

        Returns:
            False if the last agreement has been outvoted: as many as ever supported it
            now agree with each other on something else. All of the past is in doubt.
        """
        past = self.span_at(raw_ns, rate)
        best = _carried(self._lapse(raw_ns), raw_ns, rate)
        quorum = _Quorum(required, absent, silent, self._tolerate)
        self._contradictions.compare(raw_ns, spans)
        found = None
        # One of two that disagree does not become right by the other's silence.
        if not (silent and self._contradictions.is_left_of_two(spans.keys())):
            found = self._majority(spans, quorum, best)
        if found is None and past is not None:
            found = self._faithful(spans, quorum, past, best)
        self.selection = found
        if found is None:
            if past is None or not self._is_outvoted(spans, past):
                return True
            self._contradictions.doubt_majorities()
            return False
        self._agreed = _Agreed(raw_ns, found.span, len(found.truechimers))
        if self._best is None or self._agreed.supporters >= self._best.supporters:
            self._best = self._agreed
        for name in found.falsetickers:
            self._contradictions.find_out(raw_ns, name, spans[name], found.span)
        return True

    def _lapse(self, raw_ns: int) -> _Agreed | None:
        """Return the best attended agreement that the oscillator's limits carry to now.

        They hold against a day's mean (`RateSpan`). Where one of many is gone for good no
        agreement is attended as well again, and those left would contradict that of
        weeks ago one day.
        """
        if self._best is not None and raw_ns - self._best.raw_ns > _LAPSE_NS:
            self._best = self._agreed
        return self._best

    def _majority(
        self, spans: Mapping[str, Span], quorum: _Quorum, best: Span | None
    ) -> Selection | None:
        found = quorum.ask(spans)
        if isinstance(found, NoAgreement) or self._contradicts(found, best):
            return None
        if self._contradictions.are_apart(spans.keys()):
            return None
        proven = len(set(found.truechimers) - self._contradictions.outcasts)
        if not proven or (quorum.silent and proven < quorum.needed(spans)):
            # Some that are silent, or gone for good, found out some of these. Grown old
            # enough a liar's span and an honest one touch, and a liar alone agrees with
            # itself.
            return None
        return found

    def _contradicts(self, found: Selection, best: Span | None) -> bool:
        """Say whether fewer servers than agreed before now say something else.

        Those that went silent cannot be outvoted by the ones that they found out; not
        even once the last agreement has grown so old that the two touch.
        """
        if best is None or self._best is None:
            return False
        fewer = len(found.truechimers) < self._best.supporters
        only_outcasts = self._contradictions.outcasts >= set(found.truechimers)
        return fewer and (only_outcasts or found.span.intersect(best) is None)

    def _faithful(
        self,
        spans: Mapping[str, Span],
        quorum: _Quorum,
        past: Span,
        best: Span | None,
    ) -> Selection | None:
        """Ask only those that the last agreement does not find out.

        It was a majority's and has aged soundly, so a span outside of it is a lie, or
        RAW has jumped. That would show as a majority of its own, among the others.
        """
        faithful = {n: s for n, s in spans.items() if s.intersect(past) is not None}
        others = {n: s for n, s in spans.items() if n not in faithful}
        if not faithful or _largest_group(others) >= len(faithful):
            return None
        found = self._majority(faithful, quorum, best)
        if found is None:
            return None
        wrong = tuple(sorted(spans.keys() - set(found.truechimers)))
        return replace(found, falsetickers=wrong)

    def _is_outvoted(self, spans: Mapping[str, Span], past: Span) -> bool:
        """Say whether the past's supporters are outnumbered by a group that agrees.

        Until then it goes on as holdover.
        """
        if self._best is None:
            return False
        against = {n: s for n, s in spans.items() if s.intersect(past) is None}
        faithful = len(spans) - len(against)
        group = _largest_group(
            {n: s for n, s in against.items() if n not in self._contradictions.outcasts}
        )
        return group >= max(self._best.supporters, faithful)


def _carried(agreed: _Agreed | None, raw_ns: int, rate: RateSpan) -> Span | None:
    return None if agreed is None else rate.carry(agreed.span, raw_ns - agreed.raw_ns)


def _largest_group(spans: Mapping[str, Span]) -> int:
    """Return how many of `spans` share a point at most."""
    return select(spans).agreeing if spans else 0
