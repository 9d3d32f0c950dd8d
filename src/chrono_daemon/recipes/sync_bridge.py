"""The former place of `chrono_daemon.recipes.hosting.sync_bridge`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.hosting.sync_bridge import host_async_dispatcher

__all__ = ["host_async_dispatcher"]
