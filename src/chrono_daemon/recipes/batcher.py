"""The former place of `chrono_daemon.recipes.coordination.batcher`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.coordination.batcher import Pending, batcher_loop, submit

__all__ = ["Pending", "batcher_loop", "submit"]
