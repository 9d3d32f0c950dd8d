"""Keeping up with a source that is faster than its reader."""

from __future__ import annotations

from chrono_daemon.recipes.state.latest import Latest
from chrono_daemon.recipes.state.lossy import (
    CoalesceSend,
    DropNewestSend,
    DropOldestSend,
)

__all__ = ["CoalesceSend", "DropNewestSend", "DropOldestSend", "Latest"]
