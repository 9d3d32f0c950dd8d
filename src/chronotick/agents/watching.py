"""Notice changes of the service's state, for those who subscribed to it.

Decides what counts as a change (the state, the reasons for a doubt and what mends it,
the daemon, the verdicts on its servers; never a number that moves all the time) and
that nobody is looked for while nobody listens. A look that fails is logged and made
again: whoever else is served must not notice.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from chronotick.agents.health import look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from chronotick.agents.service import TimeService

__all__ = ["StatusWatch"]

_log = logging.getLogger(__name__)


class StatusWatch:
    """Looks at the state once a period while somebody listens.

    Args:
        service: What is watched.
        period_s: Between two looks.
    """

    def __init__(self, service: TimeService, *, period_s: float = 1.0) -> None:
        self._service = service
        self._period_s = period_s
        self._listeners = 0
        self._wanted = anyio.Event()
        self._is_failing = False

    def digest(self) -> tuple[object, ...]:
        """Return what changes only if the state does."""
        seen = look(self._service)
        # Not the text of a problem: some tell an age.
        mend = None if seen.doubt is None else seen.doubt[1]
        start_id = seen.found.header.start_id if seen.found else None
        verdicts = tuple((row.server, row.verdict) for row in seen.rows)
        return seen.state, mend, seen.reasons, seen.is_silent, start_id, verdicts

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Have the state looked at while in this block."""
        self.want()
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    def want(self) -> None:
        """Begin to look, if nobody has listened so far."""
        self._wanted.set()

    async def run(
        self, tell: Callable[[], Awaitable[None]], is_heard: Callable[[], bool]
    ) -> None:
        """Call `tell` after each change while somebody listens; never returns.

        Args:
            tell: Notifies whoever subscribed.
            is_heard: Whether anybody listens other than through `listening`.
        """
        while True:
            await self._wanted.wait()
            known = self._looked(None)
            while self._listeners or is_heard():
                await self._service.sleep(self._period_s)
                found = self._looked(known)
                if found != known:
                    known = found
                    await tell()
            self._wanted = anyio.Event()

    def _looked(self, known: object) -> object:
        """Return the digest, or `known` if it cannot be had."""
        try:
            found = self.digest()
        except Exception:  # noqa: BLE001 - it would end the group all connections are in
            if not self._is_failing:  # told once, not once a period
                _log.exception("cannot look at the state of the time; trying again")
            self._is_failing = True
            return known
        self._is_failing = False
        return found
