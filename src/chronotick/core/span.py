"""Interval arithmetic on integer nanoseconds; decides nothing about time itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Span"]


class Span(NamedTuple):
    """A closed interval ``[lo_ns, hi_ns]`` that is claimed to contain an unknown value.

    All operations keep that claim: if the inputs contain the truth, so does the
    result. A span with ``lo_ns > hi_ns`` is never built by the operations here.
    """

    lo_ns: int
    hi_ns: int

    @classmethod
    def around(cls, center_ns: int, half_width_ns: int) -> Span:
        """Return ``center ± half_width``.

        Raises:
            ValueError: `half_width_ns` is negative.
        """
        if half_width_ns < 0:
            raise ValueError(f"half width must be >= 0 ns, got {half_width_ns}")
        return cls(center_ns - half_width_ns, center_ns + half_width_ns)

    @property
    def width_ns(self) -> int:
        """Distance between the ends."""
        return self.hi_ns - self.lo_ns

    @property
    def midpoint_ns(self) -> int:
        """The middle, rounded down; a convenience, not a best estimate."""
        return (self.lo_ns + self.hi_ns) // 2

    def holds(self, value_ns: int) -> bool:
        """Say whether `value_ns` lies in the span, ends included."""
        return self.lo_ns <= value_ns <= self.hi_ns

    def reach_from(self, center_ns: int) -> int:
        """Return the smallest half width around `center_ns` that covers the span."""
        return max(self.hi_ns - center_ns, center_ns - self.lo_ns)

    def shift(self, by_ns: int) -> Span:
        """Return the span moved by `by_ns`."""
        return Span(self.lo_ns + by_ns, self.hi_ns + by_ns)

    def widen(self, by_ns: int) -> Span:
        """Return the span with both ends moved outwards by `by_ns` (>= 0).

        Raises:
            ValueError: `by_ns` is negative; a bound never narrows by ageing.
        """
        if by_ns < 0:
            raise ValueError(f"a span can only be widened, got {by_ns} ns")
        return Span(self.lo_ns - by_ns, self.hi_ns + by_ns)

    def intersect(self, other: Span) -> Span | None:
        """Return what both spans share, or None where they are disjoint."""
        lo_ns = max(self.lo_ns, other.lo_ns)
        hi_ns = min(self.hi_ns, other.hi_ns)
        return Span(lo_ns, hi_ns) if lo_ns <= hi_ns else None

    def hull(self, other: Span) -> Span:
        """Return the smallest span that covers both."""
        return Span(min(self.lo_ns, other.lo_ns), max(self.hi_ns, other.hi_ns))

    @staticmethod
    def hull_of(spans: Iterable[Span]) -> Span:
        """Return the smallest span that covers all of `spans`.

        Raises:
            ValueError: `spans` is empty.
        """
        lows, highs = zip(*spans, strict=True)
        return Span(min(lows), max(highs))
