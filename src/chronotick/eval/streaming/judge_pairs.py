"""Count pairs without visiting them: overlaps, and orders that contradict the truth.

Decides nothing about clocks. n events make n²/2 pairs; everything here is sorting and
prefix sums over columns, O(n log n), with no Python loop over events or pairs. Exact:
tests compare each with the definition, pair by pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from chronotick.eval.streaming.tables import Ints, Masks

__all__ = ["contradictions", "misorders", "overlaps", "pairs"]

# So many comparisons of the whole column with itself cost what the general way does.
_MAX_LAGS = 512

_Scalar = TypeVar("_Scalar", bound=np.generic)


def pairs(n: int) -> int:
    """Return how many pairs `n` things make."""
    return n * (n - 1) // 2


def overlaps(earliest: Ints, latest: Ints) -> Ints:
    """Return, for each interval, how many of the others share an instant with it.

    Two closed intervals are disjoint if ``latest < earliest`` one way or the other: so
    the number that overlap is the number that begin by this one's end, less those that
    end before it begins, less itself.
    """
    begun = np.searchsorted(np.sort(earliest, kind="stable"), latest, side="right")
    begun -= np.searchsorted(np.sort(latest, kind="stable"), earliest, side="left")
    begun -= 1
    return begun


def contradictions(
    leave: Ints, enter: Ints, leaver: Ints, enterer: Ints | None = None
) -> int:
    """Count the pairs (a, b) with ``leave[a] < enter[b]`` but ``leaver[a] > enterer[b]``.

    With the ends of intervals and the true times: how many provable orders are wrong.

    Args:
        leave: Where each a ends.
        enter: Where each b begins.
        leaver: What should rise with the order, for a.
        enterer: The same for b; None: `leaver`.
    """
    enterer = leaver if enterer is None else enterer
    # Where leaver <= leave and enter <= enterer throughout, no pair can be one: so an
    # honest bound costs two comparisons.
    if (leaver <= leave).all() and (enter <= enterer).all():
        return 0
    by_leave = np.argsort(leave, kind="stable")
    ends, highs = leave[by_leave], leaver[by_leave]
    by_enter = np.argsort(enter, kind="stable")
    begins, lows = enter[by_enter], enterer[by_enter]
    # Most elements take part in no such pair at all: those go first. An a does if the
    # smallest value among the b that it precedes is below its own; and b likewise.
    first = np.searchsorted(begins, ends, side="right")
    least = np.minimum.accumulate(lows[::-1])[::-1]
    in_play = first < len(begins)
    in_play[in_play] = least[first[in_play]] < highs[in_play]
    if not in_play.any():
        return 0
    ends, highs = ends[in_play], highs[in_play]
    before = np.searchsorted(ends, begins, side="left")
    most = np.maximum.accumulate(highs)
    in_play = before > 0
    in_play[in_play] = most[before[in_play] - 1] > lows[in_play]
    return _crossings(ends, highs, begins[in_play], lows[in_play])


def _crossings(ends: Ints, highs: Ints, begins: Ints, lows: Ints) -> int:
    """Count what `contradictions` does, among sorted elements that take part in any."""
    # One sequence by place; at equal places what begins comes first, because "before"
    # is strict. At equal values the ranks follow the places, so equal is no crossing.
    places = np.concatenate((begins, ends))
    sequence = np.argsort(places, kind="stable")
    values = np.concatenate((lows, highs))[sequence]
    is_end = sequence >= len(begins)
    del places, sequence
    rank = np.empty(len(values), dtype=np.int32)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values), dtype=np.int32)
    del values
    return _inversions(rank, is_end)


def misorders(stamp: Ints, truth: Ints) -> int:
    """Count the pairs with ``stamp[a] < stamp[b]`` but ``truth[a] > truth[b]``.

    The same as `contradictions` for intervals of no width, in a third of the time.
    """
    by_stamp = np.lexsort((truth, stamp))
    rank = np.empty(len(stamp), dtype=np.int32)
    by_truth = np.argsort(truth[by_stamp], kind="stable")
    rank[by_truth] = np.arange(len(stamp), dtype=np.int32)
    return _inversions(rank, None)


def _inversions(rank: npt.NDArray[np.int32], is_end: Masks | None) -> int:
    """Count i < j with ``rank[i] > rank[j]``, i an end and j a beginning.

    With `is_end` None, everything is both.
    """
    place = np.arange(len(rank), dtype=np.int32)
    # Nobody is further than this from its place, so no inversion spans twice that.
    furthest = int(np.abs(rank - place).max(initial=0))
    if furthest <= _MAX_LAGS // 2:
        return _inversions_nearby(rank, is_end, 2 * furthest)
    return _inversions_anywhere(rank, is_end, place)


def _inversions_nearby(
    rank: npt.NDArray[np.int32], is_end: Masks | None, lags: int
) -> int:
    """Compare each with those up to `lags` places on: quick where clocks are close."""
    total = 0
    for lag in range(1, min(lags, len(rank) - 1) + 1):
        is_crossed = rank[:-lag] > rank[lag:]
        if is_end is not None:
            is_crossed &= is_end[:-lag]
            is_crossed &= ~is_end[lag:]
        total += int(np.count_nonzero(is_crossed))
    return total


def _inversions_anywhere(
    rank: npt.NDArray[np.int32],
    is_end: Masks | None,
    place: npt.NDArray[np.int32],
) -> int:
    """Split ranks by their highest bit, then each half by the next, keeping the order.

    A wavelet tree: every inversion is seen once, where its two ranks part, as a 1
    before a 0. It begins inside the blocks of the permutation that nothing crosses.
    """
    closes = np.maximum.accumulate(rank) == place
    start = np.zeros(len(rank), dtype=np.int32)
    start[1:] = np.where(closes[:-1], place[1:], 0)
    start = np.maximum.accumulate(start)
    longest = int(np.diff(np.flatnonzero(closes), prepend=-1).max(initial=1))
    total = 0
    running = np.zeros(len(rank) + 1, dtype=np.int32)
    for bit in reversed(range((longest - 1).bit_length())):
        half = np.int32(1 << bit)
        local = rank - start
        is_high = (local & half) != 0
        # Ranks are dense, so a group of equal higher bits lies where its lowest rank is.
        group = start + (local & ~np.int32(2 * half - 1))
        np.cumsum(is_high, out=running[1:])
        highs_before = running[:-1] - running[group]
        target = np.where(is_high, group + half + highs_before, place - highs_before)
        is_counted = ~is_high
        if is_end is not None:
            is_counted &= ~is_end
            np.cumsum(is_high & is_end, out=running[1:])
            highs_before = running[:-1] - running[group]
        total += int(highs_before[is_counted].sum(dtype=np.int64))
        rank = _moved(rank, target)
        is_end = None if is_end is None else _moved(is_end, target)
    return total


def _moved(
    values: npt.NDArray[_Scalar], target: npt.NDArray[np.int32]
) -> npt.NDArray[_Scalar]:
    moved = np.empty_like(values)
    moved[target] = values
    return moved
