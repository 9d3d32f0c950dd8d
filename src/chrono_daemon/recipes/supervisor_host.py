"""The former place of `chrono_daemon.recipes.hosting.supervisor_host`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.hosting.supervisor_host import SupervisorHost

__all__ = ["SupervisorHost"]
