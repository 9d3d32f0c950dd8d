"""Who contradicted whom, and for how long that counts.

Spans grow with age, and a liar's meets everything once it is wide enough. So what was
told from sharp spans is remembered, until spans as sharp say something else. Decides
nothing about who is believed (`chronotick.daemon.agreement`). No I/O and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from chronotick.core.span import Span

__all__ = ["Contradictions"]

# Whoever was found out a day ago may have been mended since.
_LAPSE_NS = 24 * 3600 * NS_PER_S
# Of two that are asked by themselves each poll tells anew; polls are closer than that.
_APART_NS = 3600 * NS_PER_S
_AS_SHARP = 1.25


class _Contradiction(NamedTuple):
    """When a server last contradicted others, and how sharply that could be told."""

    raw_ns: int
    width_ns: int
    """Of the two spans together, at the sharpest."""

    @classmethod
    def between(
        cls, raw_ns: int, one: Span, other: Span, before: _Contradiction | None
    ) -> _Contradiction:
        width_ns = one.width_ns + other.width_ns
        return cls(raw_ns, min(width_ns, before.width_ns) if before else width_ns)

    def is_over(self, one: Span, other: Span) -> bool:
        """Say whether they agree now, where they would have contradicted then."""
        is_sharp = one.width_ns + other.width_ns <= _AS_SHARP * self.width_ns
        return is_sharp and one.intersect(other) is not None


class Contradictions:
    """What is remembered of servers that contradicted others."""

    def __init__(self) -> None:
        self._outcasts: dict[str, _Contradiction] = {}
        self._apart: dict[frozenset[str], _Contradiction] = {}

    @property
    def outcasts(self) -> AbstractSet[str]:
        """The servers that a majority found out, and that have not mended since."""
        return self._outcasts.keys()

    def are_apart(self, servers: AbstractSet[str]) -> bool:
        """Say whether `servers` are two that disagree, with nobody else to ask."""
        return frozenset(servers) in self._apart

    def is_left_of_two(self, server: AbstractSet[str]) -> bool:
        """Say whether `server`, one, was last contradicted by the only other one heard."""
        return any(server < pair for pair in self._apart)

    def find_out(self, raw_ns: int, server: str, span: Span, agreed: Span) -> None:
        """Note that `server` contradicts what a majority agrees on."""
        self._outcasts[server] = _Contradiction.between(
            raw_ns, span, agreed, self._outcasts.get(server)
        )

    def compare(self, raw_ns: int, spans: Mapping[str, Span]) -> None:
        """Note who contradicts whom at `raw_ns`, and who does no longer."""
        self._compare_two(raw_ns, spans)
        proven = [s for name, s in spans.items() if name not in self._outcasts]
        if not proven:
            # Whoever was found out does not become right by being left alone.
            return
        self._lapse(raw_ns)
        for name in spans.keys() & self._outcasts.keys():
            found = self._outcasts[name]
            if all(found.is_over(spans[name], each) for each in proven):
                del self._outcasts[name]

    def absolve(self, server: str) -> None:
        """Compare `server` with another one anew: it has started again itself."""
        self._apart = {p: at for p, at in self._apart.items() if server not in p}

    def forget_pairs(self) -> None:
        """Compare any two anew: something jumped. That mends nobody who was found out."""
        self._apart.clear()

    def doubt_majorities(self) -> None:
        """Forget who was found out: those that said so have been outvoted."""
        self._outcasts.clear()

    def _lapse(self, raw_ns: int) -> None:
        """Hear again whoever was found out long ago, where others can contradict it."""
        self._outcasts = {
            name: found
            for name, found in self._outcasts.items()
            if found.raw_ns > raw_ns - _LAPSE_NS
        }

    def _compare_two(self, raw_ns: int, spans: Mapping[str, Span]) -> None:
        """Where only two are heard and contradict each other, one of them lies."""
        self._apart = {
            pair: found
            for pair, found in self._apart.items()
            if found.raw_ns > raw_ns - _APART_NS
        }
        for pair in [pair for pair in self._apart if pair <= spans.keys()]:
            if self._apart[pair].is_over(*(spans[name] for name in pair)):
                del self._apart[pair]
        if len(spans) == 2:  # noqa: PLR2004 - of three, two are a majority
            pair, (one, other) = frozenset(spans), spans.values()
            if one.intersect(other) is None:
                self._apart[pair] = _Contradiction.between(
                    raw_ns, one, other, self._apart.get(pair)
                )
