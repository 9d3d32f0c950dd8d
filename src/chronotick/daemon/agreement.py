"""What a majority of the servers agrees on, and what becomes of it as they change.

Decides who is heard: today's majority, as long as it does not contradict a better
attended one of before, which ages soundly. Where today there is none, those that are
faithful to the last agreement speak, and the others are found out by it. No I/O and no
clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chronotick.ntp import NoAgreement, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronotick.core.span import Span
    from chronotick.fusion import RateSpan
    from chronotick.ntp import Selection

__all__ = ["Agreement"]


class _Agreed(NamedTuple):
    """What a majority last agreed on."""

    raw_ns: int
    span: Span
    supporters: int


class _Quorum(NamedTuple):
    """What it takes to decide while some may not be heard."""

    required: int
    absent: int
    tolerate: int | None

    def ask(self, spans: Mapping[str, Span]) -> Selection | NoAgreement:
        """Return what a majority of those heard and absent agrees on."""
        total = len(spans) + self.absent
        liars = max(total - 1, 0) // 2 if self.tolerate is None else self.tolerate
        return select(
            spans, required=max(self.required, total // 2 + 1), tolerate=liars
        )


class Agreement:
    """The servers' parliament.

    Args:
        tolerate: Liars to survive, found out or not; None: any minority.
    """

    def __init__(self, *, tolerate: int | None = None) -> None:
        self._tolerate = tolerate
        self._agreed: _Agreed | None = None
        # Servers found out by a majority, until one of a majority again.
        self._outcasts: set[str] = set()
        self.selection: Selection | None = None
        """Who is believed at present; None without a majority."""

    @property
    def is_known(self) -> bool:
        """Whether there has been an agreement that still counts."""
        return self._agreed is not None

    def span_at(self, raw_ns: int, rate: RateSpan) -> Span | None:
        """Return the last agreed interval, carried to `raw_ns`."""
        if self._agreed is None:
            return None
        return rate.carry(self._agreed.span, raw_ns - self._agreed.raw_ns)

    def forget(self) -> None:
        """Start again: something jumped."""
        self._agreed = None
        self._outcasts.clear()
        self.selection = None

    def ask(
        self,
        raw_ns: int,
        spans: Mapping[str, Span],
        *,
        required: int,
        rate: RateSpan,
        absent: int = 0,
    ) -> bool:
        """Ask who is right at `raw_ns`; the answer is in `selection`.

        Args:
            raw_ns: The instant.
            spans: Where each server that may be heard says that UTC − RAW lies then.
            required: Fewest that must agree.
            rate: What the oscillator's rate can be.
            absent: Servers that answer, too, but may not be heard at present. The
                minority that lies is a minority of all of them.

        Returns:
            False if the last agreement has been outvoted: as many as ever supported it
            now agree with each other on something else. All of the past is in doubt.
        """
        past = self.span_at(raw_ns, rate)
        quorum = _Quorum(required, absent, self._tolerate)
        found = self._majority(spans, quorum, past)
        if found is None and past is not None:
            found = self._faithful(spans, quorum, past)
        self.selection = found
        if found is None:
            return past is None or not self._is_outvoted(spans, past)
        self._agreed = _Agreed(raw_ns, found.span, len(found.truechimers))
        self._outcasts |= set(found.falsetickers)
        self._outcasts -= set(found.truechimers)
        return True

    def _majority(
        self, spans: Mapping[str, Span], quorum: _Quorum, past: Span | None
    ) -> Selection | None:
        found = quorum.ask(spans)
        if isinstance(found, NoAgreement) or self._contradicts(found, past):
            return None
        return found

    def _contradicts(self, found: Selection, past: Span | None) -> bool:
        """Say whether fewer servers than agreed before now say something else.

        Those that went silent cannot be outvoted by the ones that they found out; not
        even once the last agreement has grown so old that the two touch.
        """
        if past is None or self._agreed is None:
            return False
        fewer = len(found.truechimers) < self._agreed.supporters
        only_outcasts = self._outcasts.issuperset(found.truechimers)
        return fewer and (only_outcasts or found.span.intersect(past) is None)

    def _faithful(
        self, spans: Mapping[str, Span], quorum: _Quorum, past: Span
    ) -> Selection | None:
        """Ask only those that the last agreement does not find out.

        It was a majority's and has aged soundly, so a span outside of it is a lie, or
        RAW has jumped. That would show as a majority of its own, among the others.
        """
        faithful = {n: s for n, s in spans.items() if s.intersect(past) is not None}
        others = {n: s for n, s in spans.items() if n not in faithful}
        if not faithful or _largest_group(others) >= len(faithful):
            return None
        found = self._majority(faithful, quorum, past)
        if found is None:
            return None
        wrong = tuple(sorted(spans.keys() - set(found.truechimers)))
        return replace(found, falsetickers=wrong)

    def _is_outvoted(self, spans: Mapping[str, Span], past: Span) -> bool:
        """Say whether the past's supporters are outnumbered by a group that agrees.

        Until then it goes on as holdover.
        """
        if self._agreed is None:
            return False
        against = {n: s for n, s in spans.items() if s.intersect(past) is None}
        group = _largest_group(against)
        faithful = len(spans) - len(against)
        return group >= max(self._agreed.supporters, faithful)


def _largest_group(spans: Mapping[str, Span]) -> int:
    """Return how many of `spans` share a point at most."""
    return select(spans).agreeing if spans else 0
