"""What one server's answer tells the others: the network is there again.

Servers that don't answer are asked ever more rarely, up to every quarter of an hour.
Where all fell silent it was the network, and one answer says that it is back: then those
that wait are asked soon, instead of being waited for. Decides nothing about a server
that is silent alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from chrono_daemon.recipes.coordination.within import within

if TYPE_CHECKING:
    from chrono_daemon import Clock

__all__ = ["SILENT", "Reachability"]

SILENT = 3
"""By chance a server loses so many polls in a row only where half of all are lost."""


class Reachability:
    """Shared by all sources."""

    def __init__(self) -> None:
        self._back: anyio.Event | None = None
        self.returns = 0
        """How often a server that had been silent has answered again."""

    def answered(self, losses: int) -> None:
        """Note that a server has answered, after so many losses in a row."""
        if losses < SILENT:
            return
        self.returns += 1
        if self._back is not None:
            self._back.set()
            self._back = None

    async def rest(
        self, clock: Clock, wait_s: float, *, losses: int, least_s: float, since: int
    ) -> None:
        """Sleep until the next poll of a server.

        Args:
            clock: Whose seconds.
            wait_s: Until then.
            losses: How many in a row this server has lost. After `SILENT` it is asked
                as soon as another one that was silent, too, has answered again, and
                then as often before it rests for long.
            least_s: Not sooner than this after its last poll: every server is somebody
                else's.
            since: How many `returns` there were when its last poll but two
                (`SILENT` - 1) was sent.
        """
        if losses < SILENT or wait_s <= least_s:
            await clock.sleep(wait_s)
            return
        await clock.sleep(least_s)
        if self.returns > since:
            return
        if self._back is None:
            self._back = anyio.Event()
        with suppress(TimeoutError):
            await within(clock, wait_s - least_s, self._back.wait)
