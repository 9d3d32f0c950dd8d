"""A path's delay floor, and how far above it an exchange was.

The error of an exchange is bounded by half of its delay in excess of the floor: queues
only ever add. Decides what the floor is and how uncertain; not what a measurement is
worth (`chronotick.models.likelihood`).
"""

from __future__ import annotations

from math import pi, sqrt

from chronotick.core.delays import floor_doubt_ns
from chronotick.core.units import NS_PER_S

__all__ = ["DelayFloor"]

# Slow polls need days to meet a quiet moment; a route that is gone for good is told by
# `chronotick.models.route` long before the window forgets it.
_WINDOW_NS = 72 * 3600 * NS_PER_S
_BUCKET_NS = 3 * 3600 * NS_PER_S
_KEPT = 8
# Two thirds of what the lowest delay is expected to exceed the floor by predict best:
# the rest is within the filters' smear.
_SHARE = 1.2 / sqrt(pi)


class DelayFloor:
    """The lowest delays of the last days, and what they say of the true floor."""

    def __init__(self) -> None:
        self._buckets: list[tuple[int, list[int]]] = []
        self._lowest: list[int] = []
        self._count = 0

    @property
    def lowest_ns(self) -> int:
        """The lowest delay in the window; 0 before the first."""
        return self._lowest[0] if self._lowest else 0

    def excess_ns(self, raw_ns: int, delay_ns: int) -> float:
        """Take in one delay; return how far above the true floor it may be, ns.

        Never below 0. The doubt about the floor itself is included, so the result is
        an upper limit in the statistical sense: right after the start it is about the
        whole delay.
        """
        delay_ns = max(delay_ns, 0)
        self._count += 1
        self._remember(raw_ns // _BUCKET_NS, delay_ns)
        return max(delay_ns - self._lowest[0], 0) + floor_doubt_ns(
            self._lowest, self._count, _SHARE
        )

    def _remember(self, bucket: int, delay_ns: int) -> None:
        if not self._buckets or bucket > self._buckets[-1][0]:
            oldest = bucket - _WINDOW_NS // _BUCKET_NS
            self._buckets = [kept for kept in self._buckets if kept[0] > oldest]
            self._buckets.append((bucket, []))
            pooled = sorted(delay for kept in self._buckets for delay in kept[1])
            self._lowest = pooled[:_KEPT]
        _insert(self._buckets[-1][1], delay_ns)
        _insert(self._lowest, delay_ns)


def _insert(lowest: list[int], delay_ns: int) -> None:
    if len(lowest) < _KEPT or delay_ns < lowest[-1]:
        lowest.append(delay_ns)
        lowest.sort()
        del lowest[_KEPT:]
