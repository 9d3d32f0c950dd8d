"""Work that an event loop can't see the end of, and that simulated time waits for.

It decides whether time may move for all that is outside the loop: what was held by name,
and worker threads. Resting inside the loop is known in `_settling`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Outside", "Sleeping"]

_POLL_S: Final = 0.001
"""Wall seconds between two looks at work outside the event loop."""


class Sleeping(Protocol):
    """The part of a wall clock that waiting needs."""

    def now(self) -> float:
        """Return the present time in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class Outside:
    """What is at work outside the event loop of one clock.

    Args:
        await_threads: count worker threads of anyio's default limiter as well.
        patience_s: wall seconds that it is waited for.
    """

    def __init__(self, *, await_threads: bool, patience_s: float) -> None:
        self._await_threads = await_threads
        self._patience_s = patience_s
        self._holds: dict[object, str] = {}
        self._threads: anyio.CapacityLimiter | None = None

    @contextmanager
    def hold(self, reason: str) -> Iterator[None]:
        """Be at work while the block runs; any thread may do so."""
        token = object()
        self._holds[token] = reason
        try:
            yield
        finally:
            del self._holds[token]

    def reasons(self) -> tuple[str, ...]:
        """Return what the holds are for."""
        return tuple(sorted(set(self._holds.values())))

    def enter_loop(self) -> None:
        """Look at the worker threads of the running event loop from now on."""
        if self._await_threads:
            self._threads = anyio.to_thread.current_default_thread_limiter()

    def threads_not_awaited(self) -> int:
        """Count the worker threads at work that time doesn't wait for."""
        if self._await_threads:
            return 0
        return int(anyio.to_thread.current_default_thread_limiter().borrowed_tokens)

    def is_at_work(self) -> bool:
        """Say whether time has to wait."""
        if self._holds:
            return True
        threads = self._threads
        return threads is not None and threads.borrowed_tokens > 0

    async def wait(self, wall: Sleeping) -> None:
        """Wait until nothing is at work.

        Raises:
            TimeoutError: it took too long; names the reasons.
        """
        give_up_at = wall.now() + self._patience_s
        while self.is_at_work():
            if wall.now() >= give_up_at:
                raise TimeoutError(
                    f"time was held for more than {self._patience_s} s by: "
                    + ", ".join(self.reasons() or ("worker threads",))
                )
            await wall.sleep(_POLL_S)
