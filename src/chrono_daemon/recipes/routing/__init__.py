"""Moving items between several channels: fan-out, fan-in, sharing of work."""

from __future__ import annotations

from chrono_daemon.recipes.routing.fanout import tee
from chrono_daemon.recipes.routing.load_balance import load_balance
from chrono_daemon.recipes.routing.merge import merge
from chrono_daemon.recipes.routing.worker_pool import worker_pool

__all__ = ["load_balance", "merge", "tee", "worker_pool"]
