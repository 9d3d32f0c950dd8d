"""Who hears of a change of a daemon's state, and how many changes are remembered.

It decides nothing about the states; those are entered in `_attempt` and `_lifecycle`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from chrono_daemon._health import DaemonHealth, Entry
    from chrono_daemon.clock import Clock

__all__ = ["Changes"]


class Changes:
    """The changes of all daemons of one supervisor.

    Args:
        clock: what the daemons live by.
        logger: hears of what `on_change` raises, which goes no further.
        on_change: called with a daemon's health after each change, if anybody asked.
        length: how many changes are remembered for each daemon.
    """

    def __init__(
        self,
        clock: Clock,
        logger: logging.Logger,
        on_change: Callable[[DaemonHealth], None] | None,
        length: int,
    ) -> None:
        self._clock = clock
        self._logger = logger
        self._on_change = on_change
        self._length = length
        self._past: dict[str, deque[DaemonHealth]] = {}

    def report(self, entry: Entry) -> None:
        """Tell and remember the state that `entry` is in now."""
        if self._on_change is None and not self._length:
            return
        health = entry.health(self._clock.now() if entry.state == "running" else None)
        if self._length:
            self._past.setdefault(entry.name, deque(maxlen=self._length)).append(health)
        try:
            if self._on_change is not None:
                self._on_change(health)
        except Exception:
            self._logger.exception("on_change raised")

    def of(self, name: str) -> tuple[DaemonHealth, ...]:
        """Return what is remembered of the daemon called `name`, oldest first."""
        return tuple(self._past.get(name, ()))

    def forget(self, name: str) -> None:
        """Remember nothing of the daemon called `name`."""
        self._past.pop(name, None)
