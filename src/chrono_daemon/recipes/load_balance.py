"""The former place of `chrono_daemon.recipes.routing.load_balance`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.routing.load_balance import load_balance

__all__ = ["load_balance"]
