"""The former place of `chrono_daemon.recipes.state.latest`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.state.latest import Latest

__all__ = ["Latest"]
