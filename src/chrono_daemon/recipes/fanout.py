"""The former place of `chrono_daemon.recipes.routing.fanout`; the same objects."""

from __future__ import annotations

from chrono_daemon.recipes.routing.fanout import tee

__all__ = ["tee"]
