"""What delays say of their floor: the least that a path takes when nothing queues."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["floor_doubt_ns"]

# Steps of √k by which the lowest of many delays exceeds such a floor, on average.
_LOWEST_STEPS = sqrt(pi) / 2.0


def floor_doubt_ns(lowest_ns: Sequence[int], count: int, share: float = 1.0) -> float:
    """Return how far below the lowest delay the floor may lie, ns.

    The lowest of n delays still exceeds the floor. How much is told by the spacing of
    the lowest few (Robson & Whitlock, Biometrika 51 (1964) 33: estimation of a
    truncation point): where queues on both legs are memoryless, delays above the floor
    fill up with the square of the distance, so the k-th lowest lies at √k. That is near
    the floor: with the lowest eight of 64 the result is a quarter too large.

    Args:
        lowest_ns: The lowest few delays, in order; at least one.
        count: Of how many these are the lowest.
        share: How much of the expected distance counts, for those who smear what they
            measure anyway. One delay may be all queue, whatever the share.
    """
    kept = len(lowest_ns)
    if kept == 1:
        return float(lowest_ns[0])
    spread_ns = lowest_ns[-1] - lowest_ns[0]
    steps = sqrt(kept) - 1.0
    # With a handful of delays the spacing itself is a matter of luck.
    return share * _LOWEST_STEPS * spread_ns / steps * (1.0 + 4.0 / count)
