"""What every tool is given: the time, the stamps and a way to sleep. Decides nothing.

One per process, so that all agents it serves share one stamp order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio

from chronotick.agents.stamps import Stamper
from chronotick.agents.timepiece import Timepiece

if TYPE_CHECKING:
    import os

__all__ = ["Sleep", "TimeService"]

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class TimeService:
    """The time of one segment, for the tools.

    Args:
        timepiece: What reads; default the default segment.
        stamper: What makes stamps.
        sleep: How the waiting tools wait; virtual in tests.
    """

    def __init__(
        self,
        timepiece: Timepiece | None = None,
        *,
        stamper: Stamper | None = None,
        sleep: Sleep = anyio.sleep,  # noqa: TID251 - agents wait on the host's time
    ) -> None:
        self.timepiece = Timepiece() if timepiece is None else timepiece
        self.stamper = Stamper() if stamper is None else stamper
        self.sleep = sleep

    @classmethod
    def at(cls, path: str | os.PathLike[str] | None) -> TimeService:
        """Return the service of the segment at `path` (default as in `Clock`)."""
        return cls(Timepiece(path))
