"""Tasks that wait for each other: selection, batches, ticks that heed a stop."""

from __future__ import annotations

from chrono_daemon.recipes.coordination.batcher import Pending, batcher_loop, submit
from chrono_daemon.recipes.coordination.cooperative_every import cooperative_every
from chrono_daemon.recipes.coordination.select import select

__all__ = ["Pending", "batcher_loop", "cooperative_every", "select", "submit"]
