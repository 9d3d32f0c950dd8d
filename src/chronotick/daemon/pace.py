"""What can't wait for the next poll: the network is there again, the estimate is in doubt.

Servers that don't answer are asked ever more rarely, up to every quarter of an hour.
Where all fell silent it was the network, and one answer says that it is back: then those
that wait are asked soon, instead of being waited for. Those that answer are asked as
rarely as is allowed, too; when an answer contradicts what was foreseen, or the past was
thrown away, the next answers are what tells. Decides nothing about a server that is
silent alone, and never brings a poll closer to the last one than is polite.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

import anyio

from chrono_daemon.recipes.coordination.within import within

if TYPE_CHECKING:
    from chrono_daemon import Clock

__all__ = ["SILENT", "Pace", "Rest"]

SILENT = 3
"""By chance a server loses so many polls in a row only where half of all are lost."""
_MOST_HURRIED = 16
"""What so many answers in a row don't settle, more of them won't either."""


class Pace:
    """Shared by all sources, and by the estimate, which says how long it can wait."""

    def __init__(self) -> None:
        self.news = Bell()
        """Rings when one of the two below has changed."""
        self.returns = 0
        """How often a server that had been silent has answered again."""
        self.patience_s = inf
        """How long after its last poll a server is to be asked again at the latest."""

    def answered(self, losses: int) -> None:
        """Note that a server has answered, after so many losses in a row."""
        if losses >= SILENT:
            self.returns += 1
            self.news.ring()

    def waits(self, patience_s: float) -> None:
        """Note how long the estimate can wait for the next answers; inf: as usual."""
        if patience_s != self.patience_s:
            self.patience_s = patience_s
            self.news.ring()


class Rest:
    """What one source does between its polls."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._returns = deque([pace.returns], SILENT)
        self._hurried = 0

    def polls(self) -> None:
        """Note that a poll is about to be sent."""
        self._returns.append(self._pace.returns)

    @property
    def is_urgent(self) -> bool:
        """Whether the last poll was brought forward, and not for a single surprise."""
        return 1 < self._hurried < _MOST_HURRIED

    async def take(
        self, clock: Clock, wait_s: float, *, losses: int, least_s: float
    ) -> None:
        """Sleep until the next poll.

        Args:
            clock: Whose seconds.
            wait_s: Until then, if nothing happens.
            losses: How many in a row this server has lost. After `SILENT` it is asked
                as soon as another one that was silent, too, has answered again, and
                then as often before it rests for long. Before, it is asked as soon as
                the estimate's patience ends, for some times in a row.
            least_s: Not sooner than this after its last poll: every server is somebody
                else's.
        """
        begun_s, is_news = clock.now(), True
        while is_news:
            rested_s = clock.now() - begun_s
            left_s = self._length_s(wait_s, losses, least_s) - rested_s
            # Not until a time is reached: the last digit of a sum may never get there.
            is_news = await self._pace.news.rings_within(clock, left_s)
        in_doubt = losses < SILENT and self._pace.patience_s < inf
        self._hurried = min(self._hurried + 1, _MOST_HURRIED) if in_doubt else 0

    def _length_s(self, wait_s: float, losses: int, least_s: float) -> float:
        """Return how long this rest is, by all that is known now."""
        if losses >= SILENT:
            # Its last polls may have been sent before the network was back.
            is_back = self._pace.returns > self._returns[0]
            return min(wait_s, least_s) if is_back else wait_s
        if self._hurried == _MOST_HURRIED:
            return wait_s
        return min(wait_s, max(least_s, self._pace.patience_s))


class Bell:
    """Wakes all who wait for it."""

    def __init__(self) -> None:
        self._rung: anyio.Event | None = None

    def ring(self) -> None:
        """Wake those who wait now."""
        if self._rung is not None:
            self._rung.set()
            self._rung = None

    async def rings_within(self, clock: Clock, most_s: float) -> bool:
        """Wait until it rings, for `most_s` on `clock`; False if it has not."""
        if self._rung is None:
            # Only now is there an event loop for certain.
            self._rung = anyio.Event()
        try:
            await within(clock, most_s, self._rung.wait)
        except TimeoutError:
            return False
        return True
