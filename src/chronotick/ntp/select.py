"""Find the time that a majority of servers agree on, and name those that lie.

Decides by intersecting intervals, RFC 5905 §11.2.1 (Marzullo's algorithm). It asks
neither how good a server is nor how the answer will be used, and an offset's size means
nothing to it.

Departures from the RFC:

* Midpoints do not vote. The RFC wants the survivors' midpoints inside the intersection
  as well, which guards against wide intervals that agree with anything; but the claim
  that is made here is "the interval contains the truth", and for that a wide honest
  server is a good one.
* The RFC returns the smallest interval with the right count at each end. Here every
  point that enough servers cover belongs to the answer, gaps included (hull), because
  the truth may lie at any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chronotick.core.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NoAgreement", "Selection", "select"]

# At equal instants a span that begins is counted before one that ends: spans are
# closed, and two that touch in one point do agree on it.
_BEGINS: Final = 0
_ENDS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a majority agrees on."""

    span: Span
    """Hull of all points that enough candidates cover, see `select`."""
    agreeing: int
    """The largest number of candidates that share one point."""
    truechimers: tuple[str, ...]
    """Candidates whose span meets `span`, sorted by name."""
    falsetickers: tuple[str, ...]
    """Candidates whose span lies wholly outside `span`, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAgreement:
    """No point is shared by enough candidates; nobody can say who is right."""

    candidates: int
    agreeing: int
    """The largest number of candidates that share one point."""
    needed: int

    def __str__(self) -> str:
        return (
            f"{self.agreeing} of {self.candidates} servers agree, "
            f"{self.needed} are needed"
        )


def select(
    candidates: Mapping[str, Span], *, required: int = 1, tolerate: int | None = None
) -> Selection | NoAgreement:
    """Return the interval that the majority of `candidates` supports.

    Let n be the number of candidates, m the largest number of them that share a point,
    and t the number of liars to survive. There is agreement if m is more than n / 2, at
    least `required`, and more than t. The answer then is the hull of all points that
    at least min(m, n − t) candidates cover.

    **What is promised.** If no more than max(t, n − m) candidates lie (their span
    misses the truth), found out or not, the others number at least min(m, n − t), all
    cover the truth, and so the answer does. By default t is any minority, the most that
    intervals alone can survive. With ``tolerate=0`` the answer is narrower, and needs
    every server of the largest group to be honest.

    O(n log n); the order and the names of the candidates don't matter.

    Args:
        candidates: by server, where each says that UTC − RAW lies at one and the same
            RAW instant.
        required: fewest servers that must agree, 1 or more.
        tolerate: number of liars that the answer must survive, 0 or more; None for any
            minority, (n − 1) // 2.

    Raises:
        ValueError: `required` or `tolerate` is out of range, or a span is inverted.
    """
    total = len(candidates)
    liars = max(total - 1, 0) // 2 if tolerate is None else tolerate
    if required < 1 or liars < 0:
        raise ValueError(
            f"required must be >= 1 and tolerate >= 0, got {required} and {tolerate}"
        )
    edges = _edges(candidates.values())
    agreeing = _deepest(edges)
    needed = max(total // 2 + 1, required, liars + 1)
    if agreeing < needed:
        return NoAgreement(candidates=total, agreeing=agreeing, needed=needed)
    span = _hull(edges, min(agreeing, total - liars))
    meeting = {
        name for name, claim in candidates.items() if claim.intersect(span) is not None
    }
    return Selection(
        span=span,
        agreeing=agreeing,
        truechimers=tuple(sorted(meeting)),
        falsetickers=tuple(sorted(candidates.keys() - meeting)),
    )


def _edges(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """Return all ends in the order in which a sweep from the left meets them."""
    edges: list[tuple[int, int]] = []
    for span in spans:
        if span.lo_ns > span.hi_ns:
            raise ValueError(f"a span must not end before it begins: {span}")
        edges.append((span.lo_ns, _BEGINS))
        edges.append((span.hi_ns, _ENDS))
    edges.sort()
    return edges


def _deepest(edges: list[tuple[int, int]]) -> int:
    """Return the largest number of spans that share a point."""
    depth = deepest = 0
    for _, kind in edges:
        depth += 1 if kind == _BEGINS else -1
        deepest = max(deepest, depth)
    return deepest


def _hull(edges: list[tuple[int, int]], level: int) -> Span:
    """Return the hull of the points that at least `level` (1 or more) spans cover."""
    return Span(
        _first_at(edges, level, _BEGINS),
        # Seen from the right, spans begin where they end.
        _first_at(reversed(edges), level, _ENDS),
    )


def _first_at(edges: Iterable[tuple[int, int]], level: int, opening: int) -> int:
    """Return the first instant at which `level` spans are open."""
    depth = 0
    for instant_ns, kind in edges:
        depth += 1 if kind == opening else -1
        if depth == level:
            return instant_ns
    raise AssertionError("the sweep that found the depth found no such point")
