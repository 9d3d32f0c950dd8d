"""The former place of `chrono_daemon.recipes.coordination.select`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.coordination.select import select

__all__ = ["select"]
