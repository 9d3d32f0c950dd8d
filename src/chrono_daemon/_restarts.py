"""How often a daemon is restarted, and how soon.

It decides numbers only; restarting, and what a refusal leads to, is decided in
`_lifecycle`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrono_daemon._health import RestartPolicy
    from chrono_daemon.clock import Clock

__all__ = ["RestartLimit", "Retries"]


class Retries:
    """The restarts of one daemon: how many in a row, and the delay before the next."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._count = 0
        self._delay = policy.base

    def count(self, *, healthy: bool) -> str | None:
        """Count one more; return why it is not allowed, if it isn't."""
        if healthy:
            self._count = 0
            self._delay = self._policy.base
        self._count += 1
        limit = self._policy.max_retries
        if limit is not None and self._count > limit:
            return f"max_retries={limit} exhausted"
        return None

    def next_delay(self) -> float:
        """Return the delay before the next attempt; the first one is not capped."""
        delay = self._delay
        self._delay = min(delay * self._policy.factor, self._policy.cap)
        return delay


class RestartLimit:
    """The restarts of all daemons together: how many there may be within a period."""

    def __init__(self, clock: Clock, most: int | None, period_s: float) -> None:
        self._clock = clock
        self._most = most
        self._period_s = period_s
        self._times: deque[float] = deque()

    def count(self) -> bool:
        """Count one more; False when there were too many of late."""
        if self._most is None:
            return True
        now = self._clock.now()
        while self._times and self._times[0] <= now - self._period_s:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) <= self._most
