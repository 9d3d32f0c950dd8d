"""The former place of `chrono_daemon.recipes.routing.merge`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.routing.merge import merge

__all__ = ["merge"]
