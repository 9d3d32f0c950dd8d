"""Polls that nobody answered, as far as a recording of answers shows them.

Decides from when on a server counts as silent and how often it is asked in vain, from
what was heard of it before and nothing later. Without them a server that left a log
would be believed, and counted on, for ever.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Unanswered", "unanswered"]

# So many polls in a row, and a server is taken for gone; fewer change nothing of what
# is believed.
_LOST_POLLS = 3
_RECENT_INTERVALS = 16
# Shorter ones are a burst's, which says nothing of the pace that comes after it.
_SHORTEST_NS = 64 * NS_PER_S
# As far as the daemon slows down where nobody answers, and as other programs may poll.
_LONGEST_NS = 1024 * NS_PER_S
# Eleven days: whoever is still silent then is asked no more.
_MOST_TOLD = 1000


class Unanswered(NamedTuple):
    """A poll that ended without a measurement."""

    raw_ns: int
    """When it was given up."""
    server: str
    state: str = "lost"
    """As in `chronotick.core.records.Exchange`."""


def unanswered(
    arrivals_ns: Sequence[int], server: str, until_ns: int
) -> Iterator[Unanswered]:
    """Return the polls that a server of a recording must have left unanswered.

    Programs poll at intervals that vary, and a line may be missing for many a reason: so
    three of them are told at once, where nothing came for as long as three and a half
    intervals, and none where that is not so.

    Args:
        arrivals_ns: Its answers, in order.
        server: Its name.
        until_ns: The end of the recording.
    """
    recent: deque[int] = deque(maxlen=_RECENT_INTERVALS)
    for last_ns, next_ns in pairwise((*arrivals_ns, until_ns)):
        interval_ns = _usual_ns(recent)
        at_ns = last_ns + _LOST_POLLS * interval_ns + interval_ns // 2
        if at_ns < next_ns:
            yield from (Unanswered(at_ns, server) for _ in range(_LOST_POLLS))
        for _ in range(_MOST_TOLD):
            at_ns += interval_ns
            if at_ns >= next_ns:
                break
            yield Unanswered(at_ns, server)
            interval_ns = max(min(2 * interval_ns, _LONGEST_NS), interval_ns)
        recent.append(next_ns - last_ns)


def _usual_ns(recent: Sequence[int]) -> int:
    """Return how far apart its answers are: the longest but one, for one may be a gap."""
    if not recent:
        return _LONGEST_NS
    return max(sorted(recent)[-2:][0], _SHORTEST_NS)
