"""Serve agents: tools as plain functions, and thin shells over them for each protocol.

What programs with an agent inside need is importable from here, and loaded when it is
asked for: the MCP SDK and claude-agent-sdk are extras (``chronotick[agents,claude]``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronotick.agents.claude import (
        ChronoTickAgent,
        create_chronotick_agent,
        create_minimal_agent,
        create_monitoring_agent,
        create_multi_service_agent,
        time_context_hook,
    )
    from chronotick.agents.shared import get_shared_memory, read_chronotick_data

__all__ = [
    "ChronoTickAgent",
    "create_chronotick_agent",
    "create_minimal_agent",
    "create_monitoring_agent",
    "create_multi_service_agent",
    "get_shared_memory",
    "read_chronotick_data",
    "time_context_hook",
]

_SHARED = {"get_shared_memory", "read_chronotick_data"}


def __getattr__(name: str) -> object:
    """Load a public name with the extra that it needs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "shared" if name in _SHARED else "claude"
    return getattr(import_module(f"{__name__}.{module}"), name)
