"""Which C modules run: those that were built and load, unless they are switched off.

Each only does faster what Python beside it does, too. Decides whether one is there, and
says why not; the one place that looks at the switch, and that knows what they are made
for: setup.py runs this file to ask, so it imports nothing of ours.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["FOR_OTHERS", "SWITCH", "are_for_this", "load_native"]

SWITCH = "CHRONOTICK_NATIVE"
"""Environment variable: ``no`` switches the C modules off."""

FOR_OTHERS = "the C modules are for CPython with a GIL on 64-bit little-endian Linux"
"""What is said where they would not serve; no compiler helps there."""


def are_for_this() -> bool:
    """Say whether the C modules are made for this interpreter on this machine."""
    return (
        sys.platform == "linux"
        and sys.byteorder == "little"
        and sys.implementation.name == "cpython"
        and sys.maxsize > 2**32
        and "t" not in sys.abiflags
    )


def load_native(name: str, wanted: str | None = None) -> tuple[ModuleType | None, str]:
    """Return the C module called `name`, or None; and in the latter case why.

    Args:
        name: As it is imported.
        wanted: ``no`` for none whatever was built, anything else for C where it can
            be had; by default what the environment says.
    """
    if (os.environ.get(SWITCH) if wanted is None else wanted) == "no":
        return None, f"${SWITCH} is no"
    # One that another interpreter has left in a source tree is found by this one, too;
    # without a GIL its import ends the program instead of failing.
    if not are_for_this():
        return None, FOR_OTHERS
    try:
        return import_module(name), ""
    except ModuleNotFoundError:
        return None, (
            "the C module was not built (install a C compiler, then chronotick again)"
        )
    except ImportError as exc:
        # An interpreter that it was not made for, or one with a GIL of its own.
        return None, f"the C module does not load here ({exc})"
