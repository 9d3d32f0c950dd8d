"""What a run of readings came to: how many held the truth, how far off the middle was.

Decides nothing but arithmetic; the truth is CLOCK_REALTIME, which only a demonstration
with its own servers may call so.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronotick.cli.sighting import Sighting

__all__ = ["Tally"]

_REMEMBERED = 100_000


class Tally:
    """Counts of a run, added up reading by reading."""

    def __init__(self) -> None:
        self.readings = 0
        self.held = 0
        """Readings whose interval contained the truth."""
        self.refused = 0
        """Attempts at which no time was given after the first had been."""
        self.first: tuple[float, Sighting] | None = None
        """Seconds from the start to the first reading, and that reading."""
        self.last: Sighting | None = None
        self.liar_found_s: float | None = None
        """Seconds from the start until the liar was named."""
        self._errors_ns: deque[int] = deque(maxlen=_REMEMBERED)

    def add(self, elapsed_s: float, seen: Sighting) -> None:
        """Count one reading."""
        if self.first is None:
            self.first = (elapsed_s, seen)
        self.last = seen
        self.readings += 1
        self.held += seen.holds_system_time
        self._errors_ns.append(abs(seen.system_offset_ns))

    def refuse(self) -> None:
        """Count one attempt at which no time was given."""
        if self.first is not None:
            self.refused += 1

    def name_liar(self, elapsed_s: float) -> None:
        """Note that the liar is named a falseticker now."""
        if self.liar_found_s is None:
            self.liar_found_s = elapsed_s

    @property
    def all_held(self) -> bool:
        """Whether there were readings and all of them contained the truth."""
        return self.readings > 0 and self.held == self.readings

    @property
    def share_held(self) -> float:
        """Share of readings that contained the truth, 0..1."""
        return self.held / self.readings if self.readings else 0.0

    @property
    def median_error_ns(self) -> float:
        """Median distance of the middle from the truth."""
        return median(self._errors_ns) if self._errors_ns else 0.0

    @property
    def largest_error_ns(self) -> int:
        """Largest distance of the middle from the truth."""
        return max(self._errors_ns, default=0)
