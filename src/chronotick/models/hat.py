"""Which of two servers strays: RAW is the third clock that tells.

Two servers that disagree don't show which of them is wrong. RAW is no judge of what time
it is, but of who moves: of three clocks, the one that moves against both of the others
is the one that moves (the three-cornered hat: Gray & Allan, Proc. 28th Frequency Control
Symposium (1974) 243). A motion of RAW itself shows in both servers alike, and is nobody's.

Only slow motion counts, which lasts from one measurement to the next: a filter takes it
for the clock's. What is off at random is noise, and the filters learn that themselves.
"""

from __future__ import annotations

from collections import deque
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["CorneredHat"]

# One measurement a minute is kept, the one with the least delay, for up to three hours:
# ten swings of a quarter of an hour. Slow polls get as many as it takes to judge.
_SLOT_NS = 60 * NS_PER_S
_WINDOW_NS = 3 * 3600 * NS_PER_S
_ENOUGH = 12
_KEPT = 180
# Judged again whenever this share of what is kept is new: judging costs as much as
# taking in a measurement does.
_NEW_SHARE = 1 / 8
# A server that was silent for longer shows no motion meanwhile.
_WIDEST = 2.0
# Chance accuses the nearest server, which is followed, as easily as any other. So it
# takes this many standard errors, and only what is beyond them is held against it.
_ERRORS = 3.0


class _Kept(NamedTuple):
    raw_ns: int
    offset_ns: int
    delay_ns: int


class _Course(NamedTuple):
    """What a server said over some time, relative to its first word."""

    at_s: Vector
    ns: Vector


class _Track:
    """What one server said of late on the way that it is heard on now."""

    def __init__(self) -> None:
        self.kept: deque[_Kept] = deque(maxlen=_KEPT)
        self.unjudged = 0

    @property
    def is_due(self) -> bool:
        """Whether there is enough, and enough of it new, to judge."""
        count = len(self.kept)
        return count >= _ENOUGH and self.unjudged >= _NEW_SHARE * count

    def add(self, new: _Kept) -> None:
        """Take in a measurement."""
        kept = self.kept
        if kept and kept[-1].raw_ns // _SLOT_NS == new.raw_ns // _SLOT_NS:
            if new.delay_ns < kept[-1].delay_ns:
                kept[-1] = new
            return
        kept.append(new)
        while len(kept) > _ENOUGH and new.raw_ns - kept[0].raw_ns > _WINDOW_NS:
            kept.popleft()
        self.unjudged += 1

    def between(self, first_ns: int, last_ns: int) -> _Course | None:
        """Return what it said then; None if that is too little."""
        kept = [k for k in self.kept if first_ns <= k.raw_ns <= last_ns]
        if len(kept) < _ENOUGH:
            return None
        epoch_ns = kept[0].offset_ns
        at_s = np.array([(k.raw_ns - first_ns) / NS_PER_S for k in kept])
        return _Course(at_s, np.array([float(k.offset_ns - epoch_ns) for k in kept]))


class _Motion(NamedTuple):
    """What one witness has seen of a server's own motion: a mean square, ns²."""

    mean: float
    error: float


class CorneredHat:
    """How far each server moves by itself, by all that the others and RAW show."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        # By server, and by the witness.
        self._seen: dict[str, dict[str, _Motion]] = {}

    def add(self, server: str, raw_ns: int, offset_ns: int, delay_ns: int) -> None:
        """Take in one measurement, and judge anew if there is enough that is new."""
        track = self._tracks.get(server)
        if track is None:
            track = self._tracks[server] = _Track()
            self._seen[server] = {}
        track.add(_Kept(raw_ns, offset_ns, delay_ns))
        if not track.is_due:
            return
        track.unjudged = 0
        for other, company in self._tracks.items():
            if other != server:
                self._compare(server, track, other, company)

    def forget(self, server: str) -> None:
        """Start anew with a server that is heard on another way."""
        self._tracks.pop(server, None)
        self._seen.pop(server, None)
        for seen in self._seen.values():
            seen.pop(server, None)

    def variance(self, server: str) -> float:
        """Return the mean square of what `server` strays by itself, ns².

        By the witness that sees best, and no more than it is sure of; 0 without one.
        """
        seen = self._seen.get(server)
        if not seen:
            return 0.0
        mean, error = min(seen.values(), key=_error)
        return max(mean - _ERRORS * error, 0.0)

    def _compare(self, one: str, track: _Track, other: str, company: _Track) -> None:
        self._seen[one].pop(other, None)
        self._seen[other].pop(one, None)
        first_ns = max(track.kept[0].raw_ns, company.kept[0].raw_ns)
        last_ns = min(track.kept[-1].raw_ns, company.kept[-1].raw_ns)
        ours, theirs = (each.between(first_ns, last_ns) for each in (track, company))
        if ours is None or theirs is None:
            return
        moves, moves_too = _own_motion(ours, theirs), _own_motion(theirs, ours)
        if moves is None or moves_too is None:
            return
        # Who moves more is no witness against the other: what the two happen to have in
        # common would be held against the better one.
        if moves.mean > moves_too.mean:
            self._seen[one][other] = moves
        else:
            self._seen[other][one] = moves_too


def _error(seen: _Motion) -> float:
    return seen.error


def _own_motion(server: _Course, witness: _Course) -> _Motion | None:
    """Return the mean square of slow motion that the witness doesn't show.

    Neighbors' noise is independent, so the product of each with the two beside it is of
    the motion alone, RAW's included; the product with the witness is of RAW's. Both are
    interpolated, at the same instants, and lose the same line there: RAW bends, and what
    one of them missed of it, in a gap, would be held against the other. None where
    there are too few such instants.
    """
    at_s, ns = server
    span_s = at_s[2:] - at_s[:-2]
    after = np.searchsorted(witness.at_s, at_s[1:-1]).clip(1, witness.at_s.size - 1)
    gap_s = witness.at_s[after] - witness.at_s[after - 1]
    is_seen = (gap_s <= span_s) & (span_s <= _WIDEST * np.median(span_s))
    if is_seen.sum() < _ENOUGH - 2:
        return None
    instants_s = at_s[1:-1][is_seen]
    share = ((at_s[1:-1] - at_s[:-2]) / span_s)[is_seen]
    beside = (1.0 - share) * ns[:-2][is_seen] + share * ns[2:][is_seen]
    shared = np.interp(instants_s, witness.at_s, witness.ns)
    own = _off_the_line(instants_s, ns[1:-1][is_seen])
    products = own * _off_the_line(instants_s, beside - shared)
    return _Motion(float(products.mean()), _error_of_mean(products))


def _off_the_line(at_s: Vector, ns: Vector) -> Vector:
    late_s = at_s - at_s.mean()
    off: Vector = ns - ns.mean()
    off -= late_s * (late_s.dot(off) / late_s.dot(late_s))
    return off


def _error_of_mean(values: Vector) -> float:
    """Return the standard error of the mean of values that follow each other slowly.

    Bartlett's window over a quarter of them (Newey & West, Econometrica 55 (1987) 703),
    and never less than if they were independent.
    """
    off = values - values.mean()
    lags = max(off.size // 4, 1)
    products = np.correlate(off, off, "full")[off.size - 1 :][:lags]
    weights = 2.0 * (1.0 - np.arange(lags) / lags)
    weights[0] = 1.0
    variance = max(float(weights.dot(products)), float(products[0])) / off.size
    return sqrt(variance / off.size)
