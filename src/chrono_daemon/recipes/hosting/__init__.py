"""Running a supervisor inside something else: a task group, a thread, systemd."""

from __future__ import annotations

from chrono_daemon.recipes.hosting.supervisor_host import SupervisorHost
from chrono_daemon.recipes.hosting.sync_bridge import host_async_dispatcher

__all__ = ["SupervisorHost", "host_async_dispatcher"]
