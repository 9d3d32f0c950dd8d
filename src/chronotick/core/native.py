"""Which C modules run: those that were built and load, unless they are switched off.

Each only does faster what Python beside it does, too. Decides whether one is there, and
says why not; the one place that looks at the switch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SWITCH", "load_native"]

SWITCH = "CHRONOTICK_NATIVE"
"""Environment variable: ``no`` switches the C modules off."""


def load_native(name: str, wanted: str | None = None) -> tuple[ModuleType | None, str]:
    """Return the C module called `name`, or None; and in the latter case why.

    Args:
        name: As it is imported.
        wanted: ``no`` for none whatever was built, anything else for C where it can
            be had; by default what the environment says.
    """
    if (os.environ.get(SWITCH) if wanted is None else wanted) == "no":
        return None, f"${SWITCH} is no"
    try:
        return import_module(name), ""
    except ModuleNotFoundError:
        return None, (
            "the C module was not built (a C compiler is needed when chronotick is "
            "installed)"
        )
    except ImportError as exc:
        # An interpreter that it was not made for, or one with a GIL of its own.
        return None, f"the C module does not load here ({exc})"
