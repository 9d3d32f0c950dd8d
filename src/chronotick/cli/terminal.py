"""Terminals: whether there is one, and what may be done to it.

Colors, live views and progress appear on a terminal only; everything else gets plain
lines. NO_COLOR and TERM=dumb are respected (rich does the first itself).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["STATUS_STYLES", "is_live", "show", "stderr_console", "stdout_console"]

_PLAIN_WIDTH = 160

STATUS_STYLES = {
    "UNKNOWN": "bold red",
    "WARMUP": "yellow",
    "SYNCHRONIZED": "bold green",
    "HOLDOVER": "yellow",
}
"""How each status looks; the word itself is always there too."""


def stdout_console() -> Console:
    """Return the console for results; wide where nobody's terminal sets the width."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(highlight=False, emoji=False, width=width)


def stderr_console() -> Console:
    """Return the console for progress and logs."""
    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def show(renderable: RenderableType) -> None:
    """Print to standard output; without the padding where no terminal needs it."""
    console = stdout_console()
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        print(line.rstrip())


def is_live(console: Console) -> bool:
    """Say whether a view may be redrawn in place.

    To rich a file is a terminal, too, where FORCE_COLOR is set.
    """
    is_shown = console.is_terminal and console.file.isatty()
    return is_shown and not console.is_dumb_terminal
