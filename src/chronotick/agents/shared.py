"""One handle per process on the default segment, for functions without arguments.

Decides nothing: `Clock` and the tools do. The segment is the default one at the first
call ($CHRONOTICK_SEGMENT, else ``/dev/shm/chronotick_shm``).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chronotick.agents.service import TimeService
from chronotick.client.record import ChronoTickClient

if TYPE_CHECKING:
    from chronotick.client.record import ChronoTickData

__all__ = ["get_shared_memory", "read_chronotick_data", "shared_service"]


@cache
def get_shared_memory() -> ChronoTickClient:
    """Return this process's handle, opened at the first call. Don't close it."""
    return ChronoTickClient()


def read_chronotick_data() -> ChronoTickData:
    """Return the correction that holds now.

    Raises:
        ClockError, SegmentError: there is no trustworthy time.
    """
    return get_shared_memory().get_time()


@cache
def shared_service() -> TimeService:
    """Return this process's service for tools."""
    return TimeService()
