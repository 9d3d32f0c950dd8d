"""The former place of `chrono_daemon.recipes.coordination.cooperative_every`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.coordination.cooperative_every import cooperative_every

__all__ = ["cooperative_every"]
