"""The former place of `chrono_daemon.recipes.routing.worker_pool`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.routing.worker_pool import worker_pool

__all__ = ["worker_pool"]
