"""The former place of `chrono_daemon.recipes.state.lossy`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.state.lossy import (
    CoalesceSend,
    DropNewestSend,
    DropOldestSend,
)

__all__ = ["CoalesceSend", "DropNewestSend", "DropOldestSend"]
