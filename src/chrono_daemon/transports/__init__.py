"""Channels to other processes; each kind in a module of its own, with its own extra."""

from __future__ import annotations

__all__: list[str] = []
