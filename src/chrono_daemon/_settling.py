"""Knows when every task is blocked, and only then lets a clock take its next step.

It decides *when* time may move; where to is the clock's business. A driver hands in a
`step` that is called at rest, again and again, until it returns True. Several drivers
take turns, one step each, so that several clocks in one loop never mistake each other
for work, and their steps interleave in one reproducible order.

Resting can be known on both backends, in `_on_trio` and `_on_asyncio`. Neither sees
work outside the loop: a thread, or bytes still on their way to a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chrono_daemon import _on_asyncio
from chrono_daemon._parking import on_trio, seats_made

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patience", "Restless", "drive", "watched_files"]

_SPIN_PASSES: Final = 10_000
"""Scheduler passes in which no task parks before a program is taken to spin."""

_SPIN_CPU_S: Final = 0.5
"""CPU seconds that it must have burnt as well: a slow machine alone is no reason."""

_LIVELOCK_CPU_S: Final = 60.0
"""CPU seconds at one instant after which even a program that gets on is given up."""


class Restless(Exception):
    """The program never comes to rest; `tasks` are the names of those that spin."""

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__(", ".join(tasks))
        self.tasks = tasks


async def drive(step: Callable[[], bool], cpu_s: Callable[[], float]) -> None:
    """Call `step` each time that every task is blocked, until it returns True.

    A cancelled driver leaves the turn; a step is never half done.

    Args:
        step: must not block; what it wakes runs before its next call.
        cpu_s: CPU seconds used by this thread.

    Raises:
        Restless: the program spins, so rest cannot be known.
    """
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        spinning = await _on_trio.drive(step, Patience(cpu_s))
    else:
        spinning = await _on_asyncio.drive(step, Patience(cpu_s))
    if spinning is not None:
        raise Restless(spinning)


def watched_files() -> int | None:
    """Count the files that the running event loop watches, its own pipe apart."""
    if on_trio():
        from chrono_daemon import _on_trio  # noqa: PLC0415

        return _on_trio.watched_files()
    return _on_asyncio.watched_files()


class Patience:
    """Decides when a program that doesn't come to rest never will.

    A chain of sends may be as long as it likes: its tasks park, and so get on. A task
    that spins on yields does not. It is given up after many passes without a new seat
    and some CPU time; two tasks that feed each other for ever, after a lot of it.
    """

    __slots__ = ("_cpu_s", "_passes", "_seats", "_since_s", "_started_s")

    def __init__(self, cpu_s: Callable[[], float]) -> None:
        self._cpu_s = cpu_s
        self.renew()

    def renew(self) -> None:
        """Begin anew: the program was at rest."""
        self._passes = -1
        self._seats = 0
        self._since_s = self._started_s = 0.0

    def is_exhausted(self, passes: int) -> bool:
        """Say so after `passes` without rest; ask now and then only."""
        now_s, seats = self._cpu_s(), seats_made()
        if self._passes < 0:
            self._started_s = now_s
        if self._passes < 0 or seats != self._seats:
            self._passes, self._seats, self._since_s = passes, seats, now_s
            return now_s - self._started_s >= _LIVELOCK_CPU_S
        return (
            passes - self._passes >= _SPIN_PASSES
            and now_s - self._since_s >= _SPIN_CPU_S
        )
