"""Patterns of daemons and channels that recur; each in a module of its own.

Nothing is imported eagerly, and no name here is a function: `from chrono_daemon.recipes
import merge` gives the module. The functions are in `routing`, `coordination`, `state`
and `hosting`.
"""

from __future__ import annotations

__all__: list[str] = []
